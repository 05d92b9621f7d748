"""Generate the query of ``marts.kpi_value`` from the metric registry, so that each definition is in one place."""

from __future__ import annotations

import re

from include.models import metrics
from include.models.metrics import Definition, Metric

# The folder whose query is generated here instead of read from a file.
FOLDER = "marts/kpi_value"
SOURCE = "sql/metrics"
_WIDTH = 119
_HEAD = """\
-- Purpose: all KPIs of groups of accounts, one value per row.
-- Grain: metric, version, period and group. Inputs: the tables of sums. Window: periods that end on days [start, end).
-- Caveats: generated from sql/metrics. All accounts by day, groups by closed week, month and quarter. A ratio is the
-- ratio of the sums, and null if the denominator is zero. A metric has no row if its entity is not connected, or not
-- read up to the period's end. For n below 20, a share has its Wilson interval.
"""
_TAIL = """\
values_of_metrics as (
    select
        e.*,
        case
            when kind = 'median' then median
            when kind = 'amount' then cast(numerator as double precision)
            else cast(numerator as double precision) / cast(nullif(denominator, 0) as double precision)
        end as worth
    from everything as e
    left join meta.metric_gap as g on g.metric_id = e.metric_id
    where e.numerator is not null
        and e.coverage > 0
        and (g.from_day is null or e.as_of < g.from_day)
)

select
    metric_id,
    metric_version,
    period,
    period_start,
    as_of,
    grain,
    grain_key,
    worth as value,
    round(numerator, 2) as numerator,
    round(denominator, 2) as denominator,
    n,
    coverage,
    case
        when kind = 'share' and n between 1 and 19 and worth between 0 and 1
            then (worth + 1.9208 / n - 1.96 * sqrt(worth * (1 - worth) / n + 0.9604 / n / n)) / (1 + 3.8416 / n)
    end as low,
    case
        when kind = 'share' and n between 1 and 19 and worth between 0 and 1
            then (worth + 1.9208 / n + 1.96 * sqrt(worth * (1 - worth) / n + 0.9604 / n / n)) / (1 + 3.8416 / n)
    end as high
from values_of_metrics
"""


def text() -> str:
    """Return the query for the registry in force."""
    families: dict[str, list[Metric]] = {}
    for metric in sorted(metrics.load().values(), key=lambda each: (each.table, each.id)):
        families.setdefault(metric.table, []).append(metric)
    parts = [_family(table, members) for table, members in families.items()]
    union = "\n    union all\n".join(f"    select * from {_name(table)}" for table in families)  # noqa: S608 - folder names
    return f"{_HEAD}with {''.join(parts)}everything as (\n{union}\n),\n\n{_TAIL}"


def _family(table: str, members: list[Metric]) -> str:
    rows = ",\n".join(
        _row(metric.id, version, definition)
        for metric in members
        for version, definition in sorted(metric.definitions.items())
    )
    return (
        f"{_name(table)} as (\n"
        "    select\n"
        "        r.period,\n        r.period_start,\n        r.as_of,\n        r.grain,\n        r.grain_key,\n"
        "        m.metric_id,\n        m.metric_version,\n        m.kind,\n"
        "        cast(m.numerator as numeric) as numerator,\n"
        "        cast(m.denominator as numeric) as denominator,\n"
        "        cast(m.median as double precision) as median,\n"
        "        cast(coalesce(m.n, 0) as bigint) as n,\n"
        "        cast(m.coverage as double precision) as coverage\n"
        f"    from {table} as r\n"
        "    cross join lateral (\n"
        "        values\n"
        f"{rows}\n"
        "    ) as m (metric_id, metric_version, kind, numerator, denominator, median, n, coverage)\n"
        "    where r.as_of >= :start and r.as_of < :end\n"
        "),\n\n"
    )


def _row(metric_id: str, version: int, one: Definition) -> str:
    cells = (
        f"'{metric_id}'",
        str(version),
        f"'{one.kind}'",
        _divisible(one.numerator),
        _divisible(one.denominator or "null"),
        one.value or "null",
        one.n,
        _divisible(one.coverage),
    )
    line = f"            ({', '.join(cells)})"
    if len(line) < _WIDTH:
        return line
    inner = ",\n".join(f"                {cell}" for cell in cells)
    return f"            (\n{inner}\n            )"


def _divisible(expression: str) -> str:
    """Cast columns to double precision and guard divisors, so that no division is an integer division or by zero."""
    if "/" not in expression:
        return expression
    cast = metrics.COLUMN.sub(lambda found: f"cast({found[0]} as double precision)", expression)
    return re.sub(r"/ (cast\(\w+ as double precision\))", r"/ nullif(\1, 0)", cast)


def _name(table: str) -> str:
    return table.partition(".")[2]
