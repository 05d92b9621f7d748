"""Turn a period's metrics into rows of a report, and mark figures restated since an earlier report showed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from include.common import formatting, quarters, texts
from include.common.texts import gettext
from include.decide.digests.metric_targets import bounds
from include.entities.catalog import ENTITIES
from include.metrics import overrides
from include.models import metrics
from include.models.metrics import Metric
from include.reports import mask
from include.reports.periods import UNIT, Cadence
from include.reports.tables import Scope
from include.warehouse.engine import has_table

NUMBERS = (1, 3, 4, 5)


def columns() -> list[str]:
    """Return the titles of the columns of metrics."""
    return _columns("metric", "value", "target", "period before", "n", "as of")


def _columns(*names: str) -> list[str]:
    return [gettext(name) for name in names]


@dataclass
class Figures:
    """Rows of metrics.

    Args:
        rows: Cell texts, in the order of ``columns``.
        values: Key of a value -> the value, for shown values only.
        places: Key of a value -> the row that shows it.
        missed: Rows that miss their target.
        is_withheld: Whether figures of a small group are withheld.
    """

    rows: list[list[str]] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    missed: list[int] = field(default_factory=list)
    is_withheld: bool = False


@dataclass(frozen=True)
class _Value:
    value: float | None
    n: int
    note: str


def read(scope: Scope, ids: Sequence[str], cadence: Cadence, regions: Sequence[str], is_open: bool) -> Figures:
    """Return the rows of some metrics.

    Args:
        regions: If given, one row for each region.
        is_open: Whether figures of small groups are shown.
    """
    found = Figures()
    corrected = overrides.in_force(scope.connection)
    sizes = _sizes(scope, regions)
    for metric in (metrics.get(name) for name in ids):
        unit = _unit(metric, cadence)
        last = scope.period.last if unit != "quarter" else quarters.last_ended(scope.period.last)
        first = _first(last, unit)
        known = _values(scope, metric, unit, (last, first - timedelta(days=1)), corrected)
        groups = list(regions) or ["all"]
        now = [known.get((last, group)) for group in groups]
        counted = [min(size, one.n) if one else size for size, one in zip(sizes, now, strict=True)]
        hidden = set() if is_open or not regions else mask.small(counted)
        for place, group in enumerate(groups):
            before = known.get((first - timedelta(days=1), group))
            _add(found, metric, unit, last, first, group, now[place], before, place in hidden)
    return found


def restated(found: Figures, shown: Mapping[str, tuple[float, str]]) -> dict[int, str]:
    """Return marks for rows whose current or previous value differs from an earlier report.

    Args:
        shown: Key of a value -> the value shown earlier, and the report that showed it.
    """
    marks: dict[int, list[str]] = {}
    for key in found.values:
        if key not in shown:
            continue
        (then, where), row = shown[key], found.places[key]
        metric_id, _, as_of = key.split(" ")[:3]
        unit = metrics.get(metric_id).entry.unit
        was, now = formatting.kpi_value(then, unit), formatting.kpi_value(found.values[key], unit)
        if was != now:
            which = "" if as_of == found.rows[row][-1] else f"{as_of}: "
            text = gettext(
                "{value} in {report}, {change}",
                value=was,
                report=where,
                change=_difference(found.values[key] - then, unit),
            )
            marks.setdefault(row, []).append(which + text)
    return {row: "; ".join(sorted(texts)) for row, texts in marks.items()}


def kinds(ids: Sequence[str]) -> set[str]:
    """Return the kinds of source that metrics need."""
    needs = {need.partition(".")[0] for name in ids for need in metrics.get(name).needs}
    return {ENTITIES[need].kind if need in ENTITIES else "crm" for need in needs}


def _unit(metric: Metric, cadence: Cadence) -> str:
    """Return the period of a metric: the last quarter if only a quarter has a target, else the report's own."""
    unit, targets = UNIT[cadence], metric.entry.target
    return "quarter" if cadence == "monthly" and unit not in targets and "quarter" in targets else unit


def _first(last: date, unit: str) -> date:
    if unit == "week":
        return last - timedelta(days=6)
    return quarters.start(last) if unit == "quarter" else last.replace(day=1)


def _sizes(scope: Scope, regions: Sequence[str]) -> list[int]:
    """Return the number of customers in each region at the period's end."""
    if not regions:
        return [0]
    if not has_table(scope.connection, "marts.account_day"):
        return [0 for _ in regions]
    rows = scope.all(_SIZES, regions=list(regions), last=min(scope.period.last, scope.newest))
    counted = {row["region"]: row["n"] for row in rows}
    # A region without known customers counts as one customer, so that its figures are withheld.
    return [counted.get(region) or 1 for region in regions]


def _values(
    scope: Scope, metric: Metric, unit: str, days: tuple[date, date], corrected: list[overrides.Override]
) -> dict[tuple[date, str], _Value]:
    if not has_table(scope.connection, "marts.kpi_value"):
        return {}
    grain = "all" if scope.accounts is None else "region"
    rows = scope.connection.execute(
        _VALUES,
        {"metric": metric.id, "version": metric.entry.version, "period": unit, "days": list(days), "grain": grain},
    )
    found = {}
    for row in rows:
        by_hand = overrides.of(corrected, metric.id, unit, row.as_of, grain, row.grain_key)
        value = by_hand.value if by_hand else row.value
        note = ""
        if by_hand:
            until = formatting.day(by_hand.expires_on)
            note = " " + gettext("(manually corrected until {day})", day=until)
        found[row.as_of, row.grain_key] = _Value(value, row.n, note)
    return found


def _add(
    found: Figures, metric: Metric, unit: str, last: date, first: date, group: str, now: _Value | None,
    before: _Value | None, is_hidden: bool,
) -> None:  # fmt: skip
    entry, row = metric.entry, len(found.rows)
    title = texts.from_file(entry.title) + ("" if group == "all" else f", {group}")
    target = entry.target.get(unit)  # type: ignore[call-overload]
    target_text = bounds(target, entry.unit) if target else "-"
    if is_hidden:
        found.is_withheld = True
        found.rows.append([title, mask.withheld(), target_text, mask.withheld(), mask.withheld(), last.isoformat()])
        return
    if now and now.value is not None and target:
        is_met = target.is_met(now.value)
        target_text = target_text if is_met else gettext("{target}: missed", target=target_text)
        found.missed += [] if is_met else [row]
    for day, one in ((last, now), (first - timedelta(days=1), before)):
        if one and one.value is not None:
            key = f"{metric.id} {entry.version} {day} {unit} {group}"
            found.values[key], found.places[key] = round(float(one.value), 9), row
    found.rows.append(
        [
            title,
            _shown(now, entry.unit),
            target_text,
            _shown(before, entry.unit),
            str(now.n) if now else "-",
            last.isoformat(),
        ]
    )


def _shown(one: _Value | None, unit: str) -> str:
    return formatting.kpi_value(one.value, unit) + one.note if one else gettext("not available")


def _difference(change: float, unit: str) -> str:
    if unit == "share":
        return gettext("{points} points", points=formatting.signed(change * 100, 1))
    return formatting.signed(change, 0 if f"{change:.2f}".endswith(".00") else 2)


def accounts_of(regions: Sequence[str], connection: sa.Connection) -> list[str] | None:
    """Return the accounts of some regions; None for all accounts."""
    if not regions:
        return None
    if not has_table(connection, "core.account"):
        return []
    query = sa.text("select account_key from core.account where region = any(:regions) order by 1")
    found: Any = connection.execute(query, {"regions": list(regions)}).scalars()
    return list(found)


_VALUES = sa.text(
    "select as_of, grain_key, value, n from marts.kpi_value where metric_id = :metric and metric_version = :version"
    " and period = :period and as_of = any(:days) and grain = :grain"
)
_SIZES = (
    "select region, count(*) as n from marts.account_day where day = :last and is_customer and region = any(:regions)"
    " group by 1"
)
