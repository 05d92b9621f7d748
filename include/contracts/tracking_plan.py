"""Compare the usage that arrives with the tracking plan, and note when each event arrived."""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include import config
from include.config.tracking_plan import Event
from include.contracts.rule import BATCH, FEATURE, BatchFacts, Expect, Rule, literal, none, warn

_ENTITY = "usage_day"
_MOST_NAMES = 500  # of a batch: more are ids sent as names, which the rule on unlisted events shows


def rules() -> tuple[Rule, ...]:
    return (
        warn(
            _ENTITY,
            "events_planned",
            _unlisted,
            "events arrive that the tracking plan does not list",
            why="nobody is responsible for them, and a new feature may count nowhere",
            cure="add them to tracking_plan.yaml with an owner, or stop sending them",
            scope="batch",
        ),
        warn(
            _ENTITY,
            "planned_events_arrive",
            _missing,
            "events of the tracking plan have not arrived within their time",
            why="a renamed or removed event looks like customers who stopped using a feature",
            cure="correct the product's tracking, or take the event out of tracking_plan.yaml",
            scope="batch",
        ),
        warn(
            _ENTITY,
            "event_properties_filled",
            _unfilled,
            "events arrive without a property that the tracking plan promises",
            why="people and minutes are counted too low",
            cure="correct the product's tracking or the query, or take the property out of tracking_plan.yaml",
            scope="batch",
        ),
    )


def note(connection: Connection, facts: BatchFacts) -> None:
    """Note the first and last day of each event in a batch, in the batch's transaction.

    Rows in quarantine do not count: one with a day far ahead would make every other event look missing, and its own
    never.
    """
    if facts.entity.name == _ENTITY and facts.table and not facts.is_replay:
        connection.execute(
            sa.text(_NOTE.format(table=facts.table)), {"source": facts.source, "now": facts.now, "most": _MOST_NAMES}
        )


def _planned() -> dict[str, Event]:
    return config.load().tracking_plan.events


def _unlisted(facts: BatchFacts) -> Expect | None:
    if not _planned():
        return None
    names = ", ".join(literal(name) for name in _planned())
    return none(
        f"select {FEATURE} as event, count(*) as n from {BATCH}"  # noqa: S608
        f" where not _is_deleted and {FEATURE} <> '' and {FEATURE} not in ({names})"
        f" group by {FEATURE} order by n desc, event"
    )


def _missing(facts: BatchFacts) -> Expect | None:
    if not _planned() or facts.is_first_load or facts.complete_day is None:
        return None
    listed = ", ".join(
        f"({literal(name)}, cast('{event.missing_since(facts.complete_day)}' as date))"
        for name, event in _planned().items()
    )
    return none(
        f"with arrived as (select {FEATURE} as feature, max(day) as day from {BATCH}"  # noqa: S608
        f" where not _is_deleted and day <= cast('{facts.today}' as date) + 1 group by {FEATURE}"
        " union all select event, last_day from meta.event_seen)"
        f" select planned.event, max(arrived.day) as last_day from (values {listed}) as planned (event, since)"
        " left join arrived on arrived.feature = planned.event group by planned.event, planned.since"
        " having coalesce(max(arrived.day) <= planned.since, true) order by planned.event"
    )


def _unfilled(facts: BatchFacts) -> Expect | None:
    by_property: dict[str, list[str]] = defaultdict(list)
    for name, event in _planned().items():
        for column in event.properties:
            by_property[column].append(literal(name))
    parts = (
        f"select {FEATURE} as event, '{column}' as property, count(*) as n from {BATCH}"  # noqa: S608
        f" where not _is_deleted and {FEATURE} in ({', '.join(names)}) and nullif(cast({column} as text), '') is null"
        f" group by {FEATURE}"
        for column, names in by_property.items()
    )
    return none(" union all ".join(parts)) if by_property else None


_NOTE = f"""
    insert into meta.event_seen as seen (source, event, first_day, last_day, seen_at)
    select :source, {FEATURE}, min(day), max(day), :now
    from {{table}}
    where not _is_deleted and _failed is null and {FEATURE} <> '' and day is not null and length({FEATURE}) <= 200
    group by {FEATURE}
    order by count(*) desc, {FEATURE}
    limit :most
    on conflict (source, event) do update
    set first_day = least(seen.first_day, excluded.first_day),
        last_day = greatest(seen.last_day, excluded.last_day),
        seen_at = excluded.seen_at
"""  # noqa: S608
