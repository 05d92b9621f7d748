"""The metric tree page: each metric with its target and previous value, and one metric explained down to its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include import config
from include.common import clock
from include.common.errors import ConfigError
from include.common.formatting import kpi_value
from include.config.viewers import Viewer
from include.metrics import explain, overrides
from include.metrics.explain import Explained
from include.models import metrics
from include.models.metrics import Metric
from include.warehouse.engine import engine, has_table

_COMPANY = ("head", "executive")  # roles that see the amounts of all accounts together


@dataclass(frozen=True)
class Node:
    """One metric in its newest period.

    Args:
        depth: 0 for a core metric.
        period: Its main period: the one with a target, else the month.
        value: The formatted value; a dash for amounts that the viewer may not see.
        before: The value one period earlier.
        trend: better, worse or empty.
        first: The value reported first, if it was a different one.
        target: The target; "" without one.
        is_missed: Whether it misses the target.
        note: Why there is no value, or that it was corrected by hand.
    """

    metric: Metric
    depth: int
    period: str
    as_of: date | None = None
    value: str = "–"
    before: str = ""
    trend: str = ""
    first: str = ""
    target: str = ""
    is_missed: bool = False
    note: str = ""


@dataclass(frozen=True)
class Tree:
    """The content of the page.

    Args:
        known: The day whose knowledge is shown; "" for now.
        found: One metric explained.
        value: Its formatted value.
        by_group: Grain -> the values of its groups.
        past: Replaced values: the value, until when it was known, and why it changed.
        has_rows: Whether the viewer may see the rows behind a value.
    """

    nodes: Sequence[Node] = ()
    known: str = ""
    found: Explained | None = None
    value: str = ""
    by_group: tuple[tuple[str, Sequence[dict[str, Any]]], ...] = ()
    past: tuple[tuple[str, datetime, str], ...] = ()
    has_rows: bool = False


def read(viewer: Viewer, metric_id: str = "", period: str = "", known: str = "") -> Tree:
    """Return the tree, or one metric.

    Args:
        known: An ISO day. Values are shown as they were known at its end.

    Raises:
        ConfigError: There is no such metric or period, or ``known`` is not a day.
    """
    if metric_id:
        return _one(viewer, metric_id, period)
    moment = _end_of(clock.parse_day(known, "known")) if known else None
    with engine("reader").connect() as connection:
        nodes = _nodes(connection, viewer, moment) if has_table(connection, "marts.kpi_value") else ()
    return Tree(nodes, known)


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(config.load().reporting_zone))


def _nodes(connection: sa.Connection, viewer: Viewer, moment: datetime | None) -> list[Node]:
    chosen = {one.id: (one, main_period(one)) for one in metrics.load().values()}
    parameters = {
        "metrics": list(chosen),
        "versions": [one.entry.version for one, _ in chosen.values()],
        "periods": [period for _, period in chosen.values()],
        "known": moment,
    }
    values: dict[str, list[Any]] = {}
    for row in connection.execute(_NEWEST, parameters):
        values.setdefault(row.metric_id, []).append(row)
    corrected = overrides.in_force(connection) if moment is None else []
    depths: dict[str, int] = {}
    nodes = []
    for one, period in _in_tree_order(chosen):
        depths[one.id] = depths[one.entry.parent] + 1 if one.entry.parent else 0
        found = values.get(one.id, [])
        if not found:
            reason = explain.unavailable(connection, one) or f"no value for a closed {period} yet"
            nodes.append(Node(one, depths[one.id], period, note=reason))
            continue
        nodes.append(_node(one, depths[one.id], period, found, corrected, may_see(viewer, one)))
    return nodes


def _node(
    one: Metric, depth: int, period: str, found: list[Any], corrected: list[overrides.Override], is_shown: bool
) -> Node:
    now, before = found[0], found[1] if len(found) > 1 else None
    by_hand = overrides.of(corrected, one.id, period, now.as_of, "all", "all")
    value = by_hand.value if by_hand else now.value
    target = one.entry.target.get(period)  # type: ignore[call-overload]
    trend = ""
    if before and None not in (value, before.value) and value != before.value and one.entry.direction != "none":
        trend = "better" if (value > before.value) == (one.entry.direction == "up") else "worse"

    def text(number: float | None) -> str:
        return kpi_value(number, one.entry.unit) if is_shown else "–"

    return Node(
        one,
        depth,
        period,
        now.as_of,
        text(value),
        text(before.value) if before else "",
        trend,
        text(now.first) if now.is_restated else "",
        str(target or ""),
        bool(target and value is not None and not target.is_met(value)),
        str(by_hand or ""),
    )


def _in_tree_order(chosen: dict[str, tuple[Metric, str]], parent: str = "") -> list[tuple[Metric, str]]:
    """Return metrics with each after its parent, and siblings in the order of their files."""
    found = []
    for one, period in chosen.values():
        if (one.entry.parent or "") == parent:
            found += [(one, period), *_in_tree_order(chosen, one.id)]
    return found


def _one(viewer: Viewer, metric_id: str, period: str) -> Tree:
    metric = metrics.get(metric_id)
    if not may_see(viewer, metric):
        raise ConfigError(
            f"{metric_id} is an amount, which your role may not see", cure="roles are set in viewers.yaml"
        )
    chosen = period or main_period(metric)
    has_rows = viewer.role == "head"
    found = explain.explain(metric_id, period=chosen, limit=50 if has_rows else 0)
    unit = metric.entry.unit
    grains = [grain for grain in metric.grains if grain != "all" and (grain != "csm" or viewer.sees_csms)]
    by_group = tuple(
        (grain, groups)
        for grain in grains
        if (groups := explain.groups(metric_id, period=chosen, as_of=found.as_of, grain=grain))
    )
    past = tuple(
        (kpi_value(one.value, unit) if one.was_reported else "not reported", one.known_to, one.reason)
        for one in found.past
        if one.known_to
    )
    return Tree(
        found=found, value=kpi_value(found.in_force_value, unit), by_group=by_group if found.values else (), past=past,
        has_rows=has_rows,
    )  # fmt: skip


def may_see(viewer: Viewer, metric: Metric) -> bool:
    """Return whether a viewer may see a metric's values. Only heads and executives see amounts of all accounts."""
    return metric.entry.unit != "currency" or viewer.role in _COMPANY


def main_period(metric: Metric) -> str:
    """Return a metric's main period: the one with a target, else the month, else the longest."""
    with_target = [period for period in metric.periods if period in metric.entry.target]
    return next(iter(with_target), "month" if "month" in metric.periods else metric.periods[-1])


# The two newest periods of each metric. The value known at a time is the oldest one that was replaced after it.
_NEWEST = sa.text("""
with asked as (
    select * from unnest(cast(:metrics as text[]), cast(:versions as int[]), cast(:periods as text[]))
        as a (metric_id, metric_version, period)
),

numbered as (
    select v.*, row_number() over (partition by v.metric_id order by v.as_of desc) as number
    from asked as a
    join marts.kpi_value as v
        on v.metric_id = a.metric_id and v.metric_version = a.metric_version and v.period = a.period
        and v.grain = 'all' and (cast(:known as timestamptz) is null or v.as_of < cast(:known as timestamptz))
)

select
    v.metric_id, v.as_of,
    case when k.restatement_id is null then v.value else k.value end as value,
    r.value as first, r.restatement_id is not null and r.restatement_id is distinct from k.restatement_id as is_restated
from numbered as v
left join lateral (
    select h.restatement_id, h.value from meta.kpi_restatement as h
    where h.metric_id = v.metric_id and h.metric_version = v.metric_version and h.period = v.period
        and h.as_of = v.as_of and h.grain = 'all' and h.was_reported
    order by h.restatement_id limit 1
) as r on true
left join lateral (
    select h.restatement_id, h.value from meta.kpi_restatement as h
    where h.metric_id = v.metric_id and h.metric_version = v.metric_version and h.period = v.period
        and h.as_of = v.as_of and h.grain = 'all' and h.known_to > cast(:known as timestamptz)
    order by h.restatement_id limit 1
) as k on true
where v.number <= 2
order by v.metric_id, v.as_of desc
""")
