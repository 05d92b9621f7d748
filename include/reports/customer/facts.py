"""Read the facts of customers' reports. ``ALLOWED`` lists every column that may reach one, or decide what it shows.

Each query writes its tables in brackets, and gets only their allowed columns: no score, ARR, price, competitor, note or
forecast can reach a customer, whatever the tables contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from include.config.customer_report import CustomerReport
from include.reports.periods import Period
from include.warehouse.engine import has_table

ALLOWED: dict[str, tuple[str, ...]] = {
    "core.account": (
        "account_key", "name", "industry", "region", "language", "tier", "owner_key", "is_deleted", "is_excluded",
    ),
    "core.account_bridge": ("source", "source_id", "entity", "account_key"),
    "core.contact": (
        "account_key", "contact_key", "language", "is_deleted", "is_decision_maker", "is_champion",
        "last_contacted_at",
    ),
    "core.contract_line": ("account_key", "product", "is_committed", "active_from", "active_to", "deleted_on"),
    "core.owner": ("owner_key", "name", "is_active"),
    "core.product_start": ("account_key", "first_day"),
    "core.product_user": ("user_key", "team"),
    "core.task": ("account_key", "rule", "step", "due_on", "state"),
    "core.ticket": (
        "account_key", "created_day", "solved_day", "is_deleted", "is_merged", "first_reply_minutes", "is_reply_known",
    ),
    "core.usage_day": ("account_key", "day", "user_key", "feature", "n_events"),
    "core.usage_gap": ("account_key", "from_day"),
    "marts.account_day": ("account_key", "day", "is_customer", "paid_seats", "active_users_28d"),
    "meta.feature": ("feature",),
    "meta.feature_effect": ("month", "feature", "verdict"),
    "meta.unread": ("source", "entity", "from_day"),
    "staging.stg_crm__objective": (
        "source", "objective_id", "account_id", "name", "baseline", "current_value", "target_value", "unit", "way",
        "done_on", "is_deleted",
    ),
}  # fmt: skip
FEWEST_PEERS = 5
YEAR = timedelta(weeks=52)  # the same weekdays
_CHUNK = 200
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Facts:
    """What is known of one account in a period.

    Args:
        account: Its name, CSM, seats, and from when to when its usage and tickets are known.
        teams, objectives, tasks: Its rows.
        weeks: Monday -> people and events of the week, also of the year before.
        unused: Valuable features that it does not use, most used by others first; None if too few are comparable.
        support: Tickets opened and solved, and the response time.
        output: Output and people in the period and a year before.
        products: Products of its contract.
    """

    account: Row
    teams: Sequence[Row] = ()
    weeks: Mapping[date, Row] = field(default_factory=dict)
    unused: Sequence[str] | None = None
    support: Row = field(default_factory=dict)
    objectives: Sequence[Row] = ()
    output: Row = field(default_factory=dict)
    products: Sequence[str] = ()
    tasks: Sequence[Row] = ()


def weeks_of(period: Period) -> tuple[date, date]:
    """Return the first Monday and the last Sunday of the whole weeks of a period."""
    first = period.first + timedelta(days=-period.first.weekday() % 7)
    return first, period.last - timedelta(days=(period.last.weekday() + 1) % 7)


def a_year_before(day: date) -> date:
    """Return the same date of the year before; the last of the month for 29 February."""
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)


def accounts(connection: sa.Connection, period: Period, only: Sequence[str] | None = None) -> list[Row]:
    """Return the customers at a period's end.

    Args:
        only: Only these accounts; None for all.
    """
    named = {"last": period.last, "only": list(only) if only is not None else None}
    return _rows(connection, _ACCOUNTS, named)


def read(
    connection: sa.Connection, period: Period, found: Sequence[Row], settings: CustomerReport, lacks: Sequence[str]
) -> Iterator[list[Facts]]:
    """Yield the facts of accounts, some hundred at a time.

    Args:
        connection: A repeatable-read transaction of the reader.
        found: The accounts.
        lacks: Optional entities that no source provides, such as objective.
    """
    monday, sunday = weeks_of(period)
    named: dict[str, Any] = {
        "first": period.first, "last": period.last, "monday": monday, "sunday": sunday,
        "earlier_monday": monday - YEAR, "earlier_sunday": sunday - YEAR,
        "earlier_first": a_year_before(period.first), "earlier_last": a_year_before(period.last),
        "output": list(settings.output), "steps": list(settings.next_steps), "fewest": FEWEST_PEERS,
    }  # fmt: skip
    unused = {} if not found else _by_account(_rows(connection, _unused(connection), named))
    for start in range(0, len(found), _CHUNK):
        chunk = found[start : start + _CHUNK]
        named["accounts"] = [row["account_key"] for row in chunk]

        def ask(query: str) -> dict[str, list[Row]]:
            return _by_account(_rows(connection, query, named))

        teams, weeks, support, products = (ask(query) for query in (_TEAMS, _WEEKS, _SUPPORT, _PRODUCTS))
        tasks = ask(_TASKS) if settings.next_steps else {}
        objectives = ask(_OBJECTIVES) if "objective" not in lacks else {}
        output = ask(_OUTPUT) if settings.output else {}
        yield [
            Facts(
                row,
                teams.get(key, ()),
                {one["week"]: one for one in weeks.get(key, ())},
                [one["feature"] for one in unused[key] if one["feature"]] if key in unused else None,
                next(iter(support.get(key, ())), {}),
                objectives.get(key, ()),
                next(iter(output.get(key, ())), {}),
                [one["product"] for one in products.get(key, ())],
                tasks.get(key, ()),
            )
            for row in chunk
            for key in (row["account_key"],)
        ]


def allowed(query: str) -> str:
    """Return a query in which each ``[table]`` is replaced by its allowed columns."""
    return _TABLE.sub(lambda found: f"(select {', '.join(ALLOWED[found[1]])} from {found[1]})", query)  # noqa: S608


def _rows(connection: sa.Connection, query: str, named: Mapping[str, Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(sa.text(allowed(query)), dict(named)).mappings()]


def _by_account(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {key: list(group) for key, group in groupby(rows, key=lambda row: row["account_key"])}


def _unused(connection: sa.Connection) -> str:
    """Return the query for unused features: of those that go with renewal once some are known, else by peers' use."""
    if has_table(connection, "meta.feature_effect") and _rows(connection, f"{_EFFECTS} limit 1", {}):
        return _UNUSED_BY_EFFECT
    return _UNUSED_BY_PEERS


_TABLE = re.compile(r"\[(\w+[.]\w+)\]")
_ACCOUNTS = """
select a.account_key, a.name, a.region, o.name as csm, d.paid_seats, d.active_users_28d, s.first_day, g.from_day,
    t.n_desks, t.n_unread_desks, coalesce(a.language, (
        select c.language from [core.contact] as c
        where c.account_key = a.account_key and not c.is_deleted and c.language is not null
        order by c.is_decision_maker desc, c.is_champion desc, c.last_contacted_at desc nulls last, c.contact_key
        limit 1
    )) as language
from [marts.account_day] as d
join [core.account] as a on a.account_key = d.account_key and not a.is_deleted and not a.is_excluded
left join [core.owner] as o on o.owner_key = a.owner_key and o.is_active
left join [core.product_start] as s on s.account_key = a.account_key
left join [core.usage_gap] as g on g.account_key = a.account_key
left join (
    select b.account_key, count(*) as n_desks, count(u.source) as n_unread_desks
    from [core.account_bridge] as b
    left join [meta.unread] as u on u.source = b.source and u.entity = 'ticket' and u.from_day <= :last
    where b.entity = 'organization' group by b.account_key
) as t on t.account_key = a.account_key
where d.day = :last and d.is_customer and (cast(:only as text[]) is null or a.account_key = any(cast(:only as text[])))
order by a.account_key
"""
_TEAMS = """
select u.account_key, p.team, count(distinct u.user_key) as n_people, sum(u.n_events) as n_events,
    array_agg(distinct u.feature) as features
from [core.usage_day] as u left join [core.product_user] as p on p.user_key = u.user_key
where u.account_key = any(:accounts) and u.day between :first and :last
group by u.account_key, p.team order by u.account_key, n_people desc, p.team nulls last
"""
_WEEKS = """
select account_key, cast(date_trunc('week', day) as date) as week, count(distinct user_key) as n_people,
    sum(n_events) as n_events
from [core.usage_day] as u
where account_key = any(:accounts)
    and (day between :monday and :sunday or day between :earlier_monday and :earlier_sunday)
group by 1, 2 order by 1, 2
"""
# Customers whose usage is known on all days of the period.
_PEERS = """
peers as (
    select a.account_key, coalesce(a.tier, '') as tier, a.industry
    from [marts.account_day] as d
    join [core.account] as a on a.account_key = d.account_key and not a.is_deleted and not a.is_excluded
    join [core.product_start] as s on s.account_key = a.account_key and s.first_day <= :first
    left join [core.usage_gap] as g on g.account_key = a.account_key
    where d.day = :last and d.is_customer and (g.from_day is null or g.from_day > :last)
),

used as (
    select distinct u.account_key, u.feature from [core.usage_day] as u
    join peers as p on p.account_key = u.account_key
    join [meta.feature] as f on f.feature = u.feature
    where u.day between :first and :last
)
"""
_UNUSED_BY_PEERS = f"""
with {_PEERS},

sizes as (select tier, industry, count(*) - 1 as n_others from peers group by tier, industry),

shares as (
    select p.tier, p.industry, u.feature, count(*) as n_using from used as u
    join peers as p on p.account_key = u.account_key group by p.tier, p.industry, u.feature
)

select p.account_key, s.feature from peers as p
join sizes as z on z.tier = p.tier and z.industry = p.industry and z.n_others >= :fewest
left join shares as s on s.tier = p.tier and s.industry = p.industry and 2 * s.n_using > z.n_others
    and not exists (select from used as u where u.account_key = p.account_key and u.feature = s.feature)
order by p.account_key, s.n_using desc nulls last, s.feature
"""  # noqa: S608
_EFFECTS = """
select e.feature from [meta.feature_effect] as e
where e.verdict = 'goes_with' and e.month = (select max(n.month) from [meta.feature_effect] as n)
"""
_UNUSED_BY_EFFECT = f"""
with {_PEERS}
select p.account_key, e.feature from peers as p left join ({_EFFECTS}) as e
    on not exists (select from used as u where u.account_key = p.account_key and u.feature = e.feature)
order by p.account_key, e.feature
"""  # noqa: S608
_SUPPORT = """
select account_key, count(*) filter (where created_day between :first and :last) as n_opened,
    count(*) filter (where solved_day between :first and :last) as n_solved,
    count(*) filter (
        where is_reply_known and first_reply_minutes is null and created_day between :first and :last
    ) as n_unanswered,
    percentile_cont(0.5) within group (order by first_reply_minutes)
        filter (where is_reply_known and created_day between :first and :last) as reply_minutes
from [core.ticket] as t
where account_key = any(:accounts) and not is_deleted and not is_merged
    and (created_day between :first and :last or solved_day between :first and :last)
group by account_key order by account_key
"""
_OBJECTIVES = """
select b.account_key, o.name, o.baseline, o.current_value, o.target_value, o.unit, o.way, o.done_on
from [staging.stg_crm__objective] as o
join [core.account_bridge] as b on b.source = o.source and b.source_id = o.account_id and b.entity = 'account'
where b.account_key = any(:accounts) and not o.is_deleted and o.name is not null
order by b.account_key, o.name, o.objective_id
"""
_PRODUCTS = """
select distinct account_key, product from [core.contract_line] as l
where account_key = any(:accounts) and is_committed and product is not null and active_from <= :last
    and (active_to is null or active_to > :last) and deleted_on is null
order by account_key, product
"""
_TASKS = """
select account_key, rule || '.' || step as step, min(due_on) as due_on from [core.task] as t
where account_key = any(:accounts) and state in ('open', 'started') and rule || '.' || step = any(:steps)
group by account_key, rule, step order by account_key, due_on nulls last, step
"""
_OUTPUT = """
select account_key,
    sum(n_events) filter (where feature = any(:output) and day >= :first) as output,
    count(distinct user_key) filter (where day >= :first) as heads,
    sum(n_events) filter (where feature = any(:output) and day <= :earlier_last) as output_before,
    count(distinct user_key) filter (where day <= :earlier_last) as heads_before
from [core.usage_day] as u
where account_key = any(:accounts)
    and (day between :first and :last or day between :earlier_first and :earlier_last)
group by account_key order by account_key
"""
