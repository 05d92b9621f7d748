"""How much each CSM has on hand: accounts, tasks, alerts against the budget, decisions, places for key accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include import config
from include.config.viewers import Viewer
from include.pages import scope
from include.warehouse.engine import engine, has_table

WORKING_DAYS = 20  # of the 28 days whose alerts count


@dataclass(frozen=True)
class Team:
    """One row per CSM.

    Args:
        day: The newest day with figures; None before the first build.
        budget: Alerts that a person gets on one day at most.
    """

    day: date | None
    rows: Sequence[dict[str, Any]] = ()
    budget: int = 0


def read(viewer: Viewer) -> Team:
    """Return the load of each CSM with accounts that a viewer may see."""
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.forecast_line"):
            return Team(None)
        day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
        if day is None:
            return Team(None)
        named = {"day": day, "accounts": scope.accounts(connection, viewer)}
        found = [dict(row) for row in connection.execute(_LOAD, named).mappings()]
    settings = config.load()
    places = settings.people.places
    for row in found:
        row["places"] = places.get(row.pop("email") or "")
        row["alerts_a_day"] = row.pop("n_alerts") / WORKING_DAYS
    return Team(day, found, settings.attention.alerts_per_person_and_day)


_LOAD = sa.text("""
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
