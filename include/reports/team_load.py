"""Measure each CSM's workload on a day: customers, tasks, alerts and decisions. A team's load is the sum."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

TABLES = ("marts.account_day", "marts.forecast_line", "core.task", "marts.account_health")


def by_csm(connection: sa.Connection, day: date, accounts: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the load of each CSM, most ARR first.

    Args:
        connection: An open connection of the reader; ``TABLES`` must be built.
        day: The newest day with figures.
        accounts: Only these; None for all.
    """
    return [dict(row) for row in connection.execute(_BY_CSM, {"day": day, "accounts": accounts}).mappings()]


def by_team(connection: sa.Connection, day: date, accounts: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the load of each team, most ARR first; see ``by_csm``."""
    members: dict[str, list[dict[str, Any]]] = {}
    for row in by_csm(connection, day, accounts):
        members.setdefault(row["team"], []).append(row)
    made = [{"team": team} | {name: _sum(rows, name) for name in _SUMMED} for team, rows in members.items()]
    return sorted(made, key=lambda row: (row["arr"] is None, -(row["arr"] or 0), row["team"]))


def _sum(rows: Sequence[dict[str, Any]], name: str) -> Any:
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


_SUMMED = (
    "n_accounts", "arr", "n_red", "n_yellow", "n_green", "n_tasks", "n_overdue", "n_decisions", "decisions_arr",
)  # fmt: skip
_BY_CSM = sa.text("""
with mine as (
    select a.account_key, a.owner_key, a.tier, d.arr
    from core.account as a
    join marts.account_day as d on d.account_key = a.account_key and d.day = :day and d.is_customer
    where not a.is_excluded
        and (cast(:accounts as text[]) is null or a.account_key = any(cast(:accounts as text[])))
),

tasks as (
    select account_key, count(*) as n, count(*) filter (where due_on < :day) as n_overdue
    from core.task where state in ('open', 'started') group by 1
),

alerts as (
    select account_key, count(*) as n from ops.episode
    where opened_on > cast(:day as date) - 28 and arm = '' and notified_as in ('alert', 'digest', 'waiting')
    group by 1
),

decisions as (
    select account_key, count(*) as n, sum(target_arr) as arr from marts.forecast_line
    where line_class in ('open', 'auto_renew') and days_to_decision between 0 and 90 group by 1
),

bands as (
    select account_key, band from marts.account_health where day = :day
)

select
    m.owner_key, coalesce(o.name, 'nobody') as name, coalesce(o.team, '') as team, o.email,
    count(*) as n_accounts, sum(m.arr) as arr, count(*) filter (where m.tier = 'key_account') as n_key_accounts,
    count(*) filter (where b.band = 'red') as n_red, count(*) filter (where b.band = 'yellow') as n_yellow,
    count(*) filter (where b.band = 'green') as n_green,
    count(*) filter (where coalesce(b.band, 'unknown') = 'unknown') as n_unknown,
    coalesce(sum(t.n), 0) as n_tasks, coalesce(sum(t.n_overdue), 0) as n_overdue, coalesce(sum(l.n), 0) as n_alerts,
    coalesce(sum(c.n), 0) as n_decisions, sum(c.arr) as decisions_arr
from mine as m
left join core.owner as o on o.owner_key = m.owner_key
left join tasks as t on t.account_key = m.account_key
left join alerts as l on l.account_key = m.account_key
left join decisions as c on c.account_key = m.account_key
left join bands as b on b.account_key = m.account_key
group by 1, 2, 3, 4 order by arr desc nulls last, name
""")
