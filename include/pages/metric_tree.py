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
from include.common.texts import N_, gettext
from include.common.words import word
from include.config.viewers import Viewer
from include.metrics import explain, overrides
from include.metrics.explain import Explained
from include.models import metrics
from include.models.metrics import Metric
from include.pages import movers, scope
from include.warehouse.engine import engine, has_table

_NONE_YET = {
    "day": N_("no value for a closed day yet"),
    "week": N_("no value for a closed week yet"),
    "month": N_("no value for a closed month yet"),
    "quarter": N_("no value for a closed quarter yet"),
}


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
        before: The formatted value of the period before; "" without one.
        before_as_of: The last day of that period.
        by_group: Grain -> the values of its groups.
        is_missed: Whether the value misses its target.
        correction: That the value was corrected by hand.
        past: Replaced values: the value, until when it was known, and why it changed.
        has_rows: Whether the viewer may see the rows behind a value.
        movers: The accounts whose ARR changed most in the period.
    """

    nodes: Sequence[Node] = ()
    known: str = ""
    found: Explained | None = None
    value: str = ""
    before: str = ""
    before_as_of: date | None = None
    is_missed: bool = False
    correction: str = ""
    by_group: tuple[tuple[str, Sequence[dict[str, Any]]], ...] = ()
    past: tuple[tuple[str, datetime, str], ...] = ()
    has_rows: bool = False
    movers: Sequence[Any] = ()


def read(viewer: Viewer, metric_id: str = "", period: str = "", known: str = "") -> Tree:
    """Return the tree, or one metric.

    Args:
        known: An ISO day. Values are shown as they were known at its end.

    Raises:
        ConfigError: There is no such metric or period, or ``known`` is not a day.
    """
    day = _past_day(known) if known else None
    if metric_id:
        return _one(viewer, metric_id, period, day)
    with engine("reader").connect() as connection:
        nodes = _nodes(connection, viewer, day) if has_table(connection, "marts.kpi_value") else ()
    return Tree(nodes, known)


def _past_day(text: str) -> date:
    day = clock.parse_day(text, "known")
    if not date(2000, 1, 1) <= day <= config.today():
        raise ConfigError(f"{day} is not a past day", cure="choose a day up to today")
    return day


def _end_of(day: date | None) -> datetime | None:
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(config.load().reporting_zone))


def _nodes(connection: sa.Connection, viewer: Viewer, day: date | None) -> list[Node]:
    chosen = {one.id: (one, _main_period(one)) for one in metrics.load().values()}
    values: dict[str, list[Any]] = {}
    for row in _newest(connection, [(one.id, one.entry.version, period) for one, period in chosen.values()], day):
        values.setdefault(row.metric_id, []).append(row)
    corrected = overrides.in_force(connection) if day is None else []
    depths: dict[str, int] = {}
    nodes = []
    for one, period in _in_tree_order(chosen):
        depths[one.id] = depths[one.entry.parent] + 1 if one.entry.parent else 0
        found = values.get(one.id, [])
        if not found:
            reason = explain.unavailable(connection, one) or gettext(_NONE_YET[period])
            nodes.append(Node(one, depths[one.id], period, note=reason))
            continue
        nodes.append(_node(viewer, one, depths[one.id], period, found, corrected))
    return nodes


def _newest(connection: sa.Connection, asked: Sequence[tuple[str, int, str]], day: date | None) -> Sequence[Any]:
    """Return the two newest periods of metrics, each with the version of its definition and a length of periods."""
    ids, versions, periods = (list(each) for each in zip(*asked, strict=True))
    named = {"metrics": ids, "versions": versions, "periods": periods, "day": day, "known": _end_of(day)}
    return connection.execute(_NEWEST, named).all()


def _node(
    viewer: Viewer, one: Metric, depth: int, period: str, found: list[Any], corrected: list[overrides.Override]
) -> Node:
    now = found[0]
    if not _may_see(viewer, one):
        return Node(one, depth, period, now.as_of)
    by_hand = [overrides.of(corrected, one.id, period, row.as_of, "all", "all") for row in found]
    value, *earlier = (override.value if override else row.value for row, override in zip(found, by_hand, strict=True))
    before = earlier[0] if earlier else None
    target = one.entry.target.get(period)  # type: ignore[call-overload]
    trend = ""
    if value is not None and before is not None and value != before and one.entry.direction != "none":
        trend = "better" if (value > before) == (one.entry.direction == "up") else "worse"
    unit = one.entry.unit
    return Node(
        one,
        depth,
        period,
        now.as_of,
        kpi_value(value, unit),
        kpi_value(before, unit) if earlier else "",
        trend,
        kpi_value(now.first, unit) if now.is_restated else "",
        str(target or ""),
        bool(target and value is not None and not target.is_met(value)),
        _correction(viewer, by_hand[0]),
    )


def _correction(viewer: Viewer, found: overrides.Override | None) -> str:
    """Return that a value was corrected by hand; by whom only for viewers who see CSMs."""
    if found is None:
        return ""
    return str(found) if viewer.sees_csms else gettext("manually corrected")


def _in_tree_order(chosen: dict[str, tuple[Metric, str]], parent: str = "") -> list[tuple[Metric, str]]:
    """Return metrics with each after its parent, and siblings in the order of their files."""
    found = []
    for one, period in chosen.values():
        if (one.entry.parent or "") == parent:
            found += [(one, period), *_in_tree_order(chosen, one.id)]
    return found


def _one(viewer: Viewer, metric_id: str, period: str, day: date | None) -> Tree:
    metric = metrics.get(metric_id)
    if not _may_see(viewer, metric):
        raise ConfigError(
            f"{metric_id} is an amount, which your role may not see", cure="roles are set in viewers.yaml"
        )
    chosen = period or _main_period(metric)
    has_rows = viewer.role == "head" and day is None
    found = explain.explain(metric_id, period=chosen, as_of=day, limit=50 if has_rows else 0, known_at=_end_of(day))
    unit = metric.entry.unit
    value = found.as_known.value if found.as_known else found.in_force_value
    earlier = _before(found, day) if found.values else None
    past = tuple(
        (kpi_value(one.value, unit) if one.was_reported else gettext("not reported"), one.known_to, one.reason)
        for one in found.past
        if one.known_to
    )
    return Tree(
        known=day.isoformat() if day else "",
        found=found,
        value=kpi_value(value, unit),
        before=kpi_value(earlier[1], unit) if earlier else "",
        before_as_of=earlier[0] if earlier else None,
        is_missed=bool(found.target and value is not None and not found.target.is_met(value)),
        correction="" if day else _correction(viewer, found.override),
        by_group=_groups(viewer, metric, chosen, found.as_of) if found.values and day is None else (),
        past=past,
        has_rows=has_rows,
        movers=movers.read(viewer, metric, found.period_start, found.as_of)
        if found.period_start and found.as_of and day is None
        else (),
    )


def _before(found: Explained, day: date | None) -> tuple[date, float | None] | None:
    """Return the last day and the value of the period before, by the same definition; None if it has no value."""
    assert found.period_start
    end, one = found.period_start - timedelta(days=1), found.metric.id
    with engine("reader").connect() as connection:
        rows = _newest(connection, [(one, found.values[0].version, found.period)], day)
        corrected = overrides.in_force(connection, one) if day is None else []
    by_hand = overrides.of(corrected, one, found.period, end, "all", "all")
    return next(((end, by_hand.value if by_hand else row.value) for row in rows if row.as_of == end), None)


def _groups(
    viewer: Viewer, metric: Metric, period: str, as_of: date | None
) -> tuple[tuple[str, Sequence[dict[str, Any]]], ...]:
    """Return the groups that a viewer may see: all for heads and executives, else their own CSMs or regions."""
    with engine("reader").connect() as connection:
        names = scope.owners(connection, viewer)
    shown: dict[str, set[str] | None] = {"csm": set(names), "region": set(viewer.regions)}
    if viewer.sees_company:
        shown = dict.fromkeys(metric.grains)
    found = []
    for grain in metric.grains:
        if grain == "all" or grain not in shown:
            continue
        groups = explain.groups(metric.id, period=period, as_of=as_of, grain=grain)
        keys = shown[grain]
        rows = [
            {**row, "group": row["name"] or row[grain] if grain == "csm" else word(row[grain])}
            for row in groups
            if keys is None or row[grain] in keys
        ]
        if rows:
            found.append((grain, rows))
    return tuple(found)


def _may_see(viewer: Viewer, metric: Metric) -> bool:
    """Return whether a viewer may see a metric's values. Only heads and executives see amounts of all accounts."""
    return metric.entry.unit != "currency" or viewer.sees_company


def _main_period(metric: Metric) -> str:
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
        and v.grain = 'all' and (cast(:known as timestamptz) is null or v.as_of <= cast(:day as date))
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
