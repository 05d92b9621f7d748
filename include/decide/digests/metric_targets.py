"""Report missed metric targets to the metric's owner, once per period, with the metrics and groups behind the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from include.common import formatting, texts
from include.common.formatting import kpi_value
from include.common.texts import N_, gettext
from include.common.words import word
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
_MISSED = {
    "day": N_("{metric} missed its target: {value} on {day}"),
    "week": N_("{metric} missed its target: {value} in the week to {day}"),
    "month": N_("{metric} missed its target: {value} in the month to {day}"),
    "quarter": N_("{metric} missed its target: {value} in the quarter to {day}"),
}
_CLOSED = {
    "day": N_("{day} is closed."),
    "week": N_("The week that ended on {day} is closed."),
    "month": N_("The month that ended on {day} is closed."),
    "quarter": N_("The quarter that ended on {day} is closed."),
}
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
    worth, target = kpi_value(miss.value, unit), bounds(entry.target[miss.period], unit)  # type: ignore[index]
    title, last = texts.from_file(entry.title), formatting.day(miss.as_of)
    return Message(
        subject=gettext(_MISSED[miss.period], metric=title, value=worth, day=last),
        summary=gettext(
            "{metric} is {value}, the target is {target}. The breakdown is below.",
            metric=title,
            value=worth,
            target=target,
        ),
        notes=(miss.note,) if miss.note else (),
        facts=(
            Fact(label=gettext("Value"), value=worth),
            Fact(label=gettext("Target"), value=target),
            Fact(
                label=gettext("Calculation"),
                value=f"{entry.numerator} {formatting.decimal(now.numerator, 2)}"
                f" / {formatting.decimal(now.denominator or 0, 2)}",
            ),
            Fact(
                label="n",
                value=gettext("{n}, coverage {share}", n=now.n, share=formatting.percent(now.coverage)),
            ),
        ),
        why_now=gettext(_CLOSED[miss.period], day=last),
        evidence=(*_below(miss), *_groups(miss)),
        next_steps=(
            f"python -m include.cli metrics show {miss.metric.id} --period {miss.period} --as-of {miss.as_of}",
        ),
        footer=gettext(
            "{metric}, version {version}: {formula}",
            metric=miss.metric.id,
            version=entry.version,
            formula=entry.formula,
        ),
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
        title, value = texts.from_file(entry.title), kpi_value(now.value, entry.unit)
        text = gettext("{metric}: {value}", metric=title, value=value)
        worse = False
        if before is not None and before.value is not None:
            earlier = kpi_value(before.value, entry.unit)
            text = gettext("{metric}: {value}, before {earlier}", metric=title, value=value, earlier=earlier)
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
            text=f"{word(row.grain)} {row.grain_key}: {kpi_value(row.value, entry.unit)}",
            source=f"n {row.n}",
            level="risk",
        )
        for row in groups[:_N_GROUPS]
    ]


def _action(miss: Miss, day: Day, sources: tuple[str, ...]) -> Action:
    owner = registry.owners()[miss.metric.owner]
    with day.reading(owner.email):
        written = message(miss)
    return day.action(
        "email",
        written,
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
    least = kpi_value(target.at_least, unit) if target.at_least is not None else ""
    most = kpi_value(target.at_most, unit) if target.at_most is not None else ""
    if least and most:
        return gettext("at least {least} and at most {most}", least=least, most=most)
    return gettext("at least {least}", least=least) if least else gettext("at most {most}", most=most)


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
