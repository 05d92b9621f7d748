"""Report missed metric targets to the metric's owner, once per period, with the metrics and groups behind the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from include.common.formatting import kpi_value
from include.decide.context import Day, Outcome
from include.entities.catalog import ENTITIES
from include.metrics import overrides
from include.models import metrics, registry
from include.models.metrics import Metric
from include.outbox.message import Evidence, Fact, Message
from include.outbox.store import Action
from include.warehouse.engine import engine, has_table

RULE = "metric_off_target"
KIND = "metric"
# Periods that closed more than this many days ago are not reported. This also skips the history of a first build.
REPORTED_DAYS = 10
USEFUL_DAYS = 14
_N_GROUPS = 3
_N_BELOW = 8


@dataclass(frozen=True)
class Miss:
    """A value that missed its target.

    Args:
        period: day, week, month or quarter.
        value: The effective value: the corrected one, if the value was corrected by hand.
        rows: The period's values of the metric and of those below it in the tree: in total, by group, and the total of
            the period before.
        note: Says that the value was corrected by hand; "" if it was not.
    """

    metric: Metric
    period: str
    as_of: date
    value: float
    rows: Sequence[Any]
    note: str = ""


def plan(day: Day) -> Outcome:
    """Return the reports of missed targets that are due today."""
    outcome = Outcome()
    with engine("reader").connect() as connection:
        missed = find(connection, day.as_of)
    for miss in missed:
        sources = _sources(miss.metric, day)
        if any(not each.is_fit for each in day.readiness.sources if each.source in sources):
            outcome.n_on_hold += 1
            continue
        outcome.actions.append(_action(miss, day, sources))
    return outcome


def find(connection: sa.Connection, newest: date) -> list[Miss]:
    """Return the missed targets of the periods that closed recently."""
    wanted = [
        (metric, period) for metric in metrics.load().values() for period in metric.entry.target if period != "day"
    ]
    if not wanted or not has_table(connection, "marts.kpi_value"):
        return []
    corrected = overrides.in_force(connection)
    found = []
    for metric, period in wanted:
        rows = connection.execute(
            _VALUES,
            {
                "period": period,
                "metric": metric.id,
                "metrics": list(metrics.branch(metric.id)),
                "since": newest - timedelta(days=REPORTED_DAYS),
                "newest": newest,
            },
        ).all()
        now = next(
            (row for row in rows if row.metric_id == metric.id and row.grain == "all" and not row.is_before), None
        )
        if now is None or now.metric_version != metric.entry.version:
            continue
        override = overrides.of(corrected, metric.id, period, now.as_of, "all", "all")
        value = override.value if override else now.value
        if value is not None and not metric.entry.target[period].is_met(value):
            found.append(Miss(metric, period, now.as_of, value, rows, str(override) if override else ""))
    return found


def message(miss: Miss) -> Message:
    """Return the report to the metric's owner."""
    entry, unit = miss.metric.entry, miss.metric.entry.unit
    now = next(row for row in miss.rows if row.metric_id == miss.metric.id and row.grain == "all" and not row.is_before)
    worth, target = kpi_value(miss.value, unit), entry.target[miss.period]  # type: ignore[index]
    return Message(
        subject=f"{entry.title} missed its target: {worth} in the {miss.period} to {miss.as_of}",
        summary=f"{entry.title} is {worth}, the target is {bounds(target, unit)}. The breakdown is below.",
        notes=(miss.note,) if miss.note else (),
        facts=(
            Fact(label="Value", value=worth),
            Fact(label="Target", value=bounds(target, unit)),
            Fact(label="Calculation", value=f"{entry.numerator} {now.numerator:,.2f} of {now.denominator or 0:,.2f}"),
            Fact(label="n", value=f"{now.n}, coverage {now.coverage:.0%}"),
        ),
        why_now=f"The {miss.period} that ended on {miss.as_of} is closed.",
        evidence=(*_below(miss), *_groups(miss)),
        next_steps=(
            f"python -m include.cli metrics show {miss.metric.id} --period {miss.period} --as-of {miss.as_of}",
        ),
        footer=f"{miss.metric.id}, version {entry.version}: {entry.formula}",
    )


def _below(miss: Miss) -> list[Evidence]:
    """Return the metrics below it in the tree, with their previous values: the worsened first, then the nearest."""
    known = metrics.load()
    lines = []
    for name in metrics.branch(miss.metric.id)[1:]:
        now, before = (
            next(
                (
                    row
                    for row in miss.rows
                    if row.metric_id == name and row.grain == "all" and row.is_before == is_before
                ),
                None,
            )
            for is_before in (False, True)
        )
        if now is None or now.value is None:
            continue
        entry = known[name].entry
        text = f"{entry.title}: {kpi_value(now.value, entry.unit)}"
        worse = False
        if before is not None and before.value is not None:
            text += f", {kpi_value(before.value, entry.unit)} in the {miss.period} before"
            worse = (now.value < before.value) if entry.direction == "up" else (now.value > before.value)
        lines.append(
            Evidence(
                text=text, source=f"{name}, n {now.n}", level="risk" if worse and entry.direction != "none" else "info"
            )
        )
    lines.sort(key=lambda line: line.level != "risk")
    return lines[:_N_BELOW]


def _groups(miss: Miss) -> list[Evidence]:
    """Return the groups that missed the target by the most, weighted by their size."""
    entry = miss.metric.entry
    target = entry.target[miss.period]  # type: ignore[index]
    groups = [
        row
        for row in miss.rows
        if row.metric_id == miss.metric.id
        and row.grain != "all"
        and not row.is_before
        and row.value is not None
        and row.n > 0
        and not target.is_met(row.value)
    ]
    groups.sort(key=lambda row: -row.n * abs(row.value - (target.at_least or target.at_most or 0)))
    return [
        Evidence(
            text=f"{row.grain} {row.grain_key}: {kpi_value(row.value, entry.unit)}", source=f"n {row.n}", level="risk"
        )
        for row in groups[:_N_GROUPS]
    ]


def _action(miss: Miss, day: Day, sources: tuple[str, ...]) -> Action:
    owner = registry.owners()[miss.metric.owner]
    return day.action(
        "email",
        message(miss),
        entity_kind=KIND,
        entity_id=f"{miss.metric.id}:{miss.as_of}",
        rule=RULE,
        episode_no=1,
        step=miss.period,
        account_key="",
        recipient=owner.email,
        reads=sources,
        not_after=day.after(day.today + timedelta(days=USEFUL_DAYS)),
        version=f"{miss.metric.id} {miss.metric.entry.version}",
    )


def _sources(metric: Metric, day: Day) -> tuple[str, ...]:
    named = {need.partition(".")[0] for need in metric.needs}
    kinds = {ENTITIES[entity].kind for entity in named if entity in ENTITIES}
    return tuple(source.id for source in day.settings.sources if source.kind in kinds)


def bounds(target: metrics.Target, unit: str) -> str:
    """Return a target in words."""
    parts = [
        f"{word} {kpi_value(bound, unit)}"
        for word, bound in (("at least", target.at_least), ("at most", target.at_most))
        if bound is not None
    ]
    return " and ".join(parts)


# Values of the last closed period and of the one before it.
_VALUES = sa.text(
    """
    with last as (
        select max(as_of) as as_of, min(period_start) as period_start
        from (
            select as_of, period_start from marts.kpi_value
            where period = :period and metric_id = :metric and grain = 'all' and as_of >= :since and as_of < :newest
            order by as_of desc limit 1
        ) as v
    )
    select v.*, v.as_of < l.as_of as is_before
    from last as l
    join marts.kpi_value as v
        on v.period = :period and v.metric_id = any(:metrics)
        and (v.as_of = l.as_of or v.as_of = l.period_start - 1)
    where v.grain = 'all' or (v.metric_id = :metric and v.as_of = l.as_of)
    order by v.metric_version desc
    """
)
