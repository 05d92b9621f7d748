"""Read the renewals behind each feature, store the analysis, and list the customers that do not use what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.analyses.features import Analysis, Behaviour, judge
from include.analyses.strata import Stratum
from include.warehouse import locks
from include.warehouse.engine import has_table

FEWEST_PER_ARM = 5


def read(connection: sa.Connection) -> Analysis:
    """Analyse all features over all settled renewals.

    Args:
        connection: An open connection. Each feature is one query, so that no large table is held at once.
    """
    if not all(has_table(connection, name) for name in _TABLES):
        return Analysis()
    totals = connection.execute(_TOTALS).one()
    found = Analysis(totals.n_renewals, totals.n_losses, totals.n_unknown)
    if not found.is_available:
        return found
    names = connection.execute(_FEATURES).scalars().all()
    behaviours = [_behaviour(name, connection.execute(_CELLS, {"feature": name}).mappings().all()) for name in names]
    return Analysis(totals.n_renewals, totals.n_losses, totals.n_unknown, judge(behaviours))


def _behaviour(name: str, rows: Sequence[Mapping[Any, Any]]) -> Behaviour:
    whole = [row for row in rows if row["half"] == 0]
    chosen = [row for row in whole if _is_comparable(row)]
    return Behaviour(
        name,
        tuple(map(_stratum, chosen)),
        (
            tuple(_stratum(row) for row in rows if row["half"] == 1 and row["n_with"] and row["n_without"]),
            tuple(_stratum(row) for row in rows if row["half"] == 2 and row["n_with"] and row["n_without"]),
        ),
        sum(row["n_with"] + row["n_without"] for row in whole if not _is_comparable(row)),
        tuple(
            (sum(row[f"kept_dose_{n}"] for row in whole), sum(row[f"n_dose_{n}"] for row in whole)) for n in (1, 2, 3)
        ),
        sum(row["n_begun"] for row in whole),
        sum(row["n_begun_after_contact"] for row in whole),
    )


def _is_comparable(row: Mapping[Any, Any]) -> bool:
    return bool(row["n_with"] >= FEWEST_PER_ARM and row["n_without"] >= FEWEST_PER_ARM)


def _stratum(row: Mapping[Any, Any]) -> Stratum:
    return Stratum(*(row[name] for name in Stratum._fields))


def keep(connection: sa.Connection, found: Analysis, month: date) -> None:
    """Store an analysis under its month, and the customers that do not use what goes with renewal.

    Repeating it replaces the month. An analysis that is not available changes nothing.
    """
    if not found.is_available:
        return
    named = {"month": month.replace(day=1), "now": locks.now(connection)}
    connection.execute(_FORGET, named)
    rows = [
        {
            **named,
            "feature": one.name,
            "verdict": one.verdict,
            "n_with": one.n_with,
            "n_without": one.n_without,
            "n_dropped": one.behaviour.n_dropped,
            "n_losses": found.n_losses,
            "crude": one.crude,
            "difference": one.effect.interval.share if one.effect else None,
            "low": one.effect.interval.low if one.effect else None,
            "high": one.effect.interval.high if one.effect else None,
            "by_arr": one.by_arr,
            "p": one.p,
            "p_adjusted": one.p_adjusted,
            "e_value": _finite(one.effect.e_value) if one.effect else None,
            "n_begun": one.behaviour.n_begun,
            "n_begun_after_contact": one.behaviour.n_begun_after_contact,
        }
        for one in found.findings
    ]
    if rows:
        connection.execute(_KEEP, rows)
    connection.execute(_FORGET_UNUSED, named)
    valuable = [one.name for one in found.findings if one.verdict == "goes_with"]
    if valuable and has_table(connection, "marts.act_account"):
        connection.execute(_KEEP_UNUSED, {**named, "features": valuable})


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None


def stored(connection: sa.Connection, before: date | None = None) -> list[dict[str, Any]]:
    """Return the newest stored analysis, strongest evidence first.

    Args:
        before: Only of an earlier month than this; None for the newest of all.
    """
    return [dict(row) for row in connection.execute(_STORED, {"before": before}).mappings()]


def unused(
    connection: sa.Connection, accounts: Sequence[str] | None = None, most: int | None = None
) -> list[dict[str, Any]]:
    """Return features that go with renewal and that a customer does not use, most ARR first.

    Args:
        accounts: Only these; None for all customers.
        most: At most this many rows; ``n_all`` is the number without this limit.
    """
    if not has_table(connection, "marts.act_account"):
        return []
    return [dict(row) for row in connection.execute(_UNUSED, {"accounts": accounts, "most": most}).mappings()]


_TABLES = (
    "marts.feature_checkpoint",
    "marts.health_checkpoint",
    "marts.renewal_due",
    "marts.health_score",
    "core.contact_touch",
)
_SETTLED = """
settled as (
    select h.renewal_id, h.account_key, h.tier, h.days_as_customer, h.decision_date, h.target_arr, d.part <> 'lost' as
        is_kept, coalesce(d.renewed_of_target_arr, 0) as kept_arr
    from marts.health_checkpoint as h
    join marts.renewal_due as d on d.account_key = h.account_key and d.renewal_id = h.renewal_id
    where h.days_before = 120 and d.part <> 'open' and d.settled_on is not null
        and d.settled_on <= (select max(day) from marts.health_score)
)"""
_TOTALS = sa.text(f"""
with {_SETTLED},

known as (
    select distinct account_key, renewal_id from marts.feature_checkpoint
)

select
    count(k.renewal_id) as n_renewals, count(k.renewal_id) filter (where not s.is_kept) as n_losses,
    count(*) - count(k.renewal_id) as n_unknown
from settled as s
left join known as k on k.account_key = s.account_key and k.renewal_id = s.renewal_id
""")  # noqa: S608 - texts of this file
_FEATURES = sa.text("select distinct feature from marts.feature_checkpoint where feature <> '' order by feature")
# Renewals whose window began before the feature was first used by anybody do not count: it may not have existed.
# Of a renewal whose decision date moved, only the first window counts: the second lacks the rows that the first has.
_CELLS = sa.text(f"""
with {_SETTLED},

windows as (
    select distinct on (account_key, renewal_id) account_key, renewal_id, as_of, n_user_days_all
    from marts.feature_checkpoint order by account_key, renewal_id, as_of
),

used as (
    select * from marts.feature_checkpoint where feature = :feature
),

existed as (
    select min(first_used_on) as from_day from used
),

compared as (
    select
        s.*, coalesce(u.is_used, false) as is_used, u.n_user_days,
        case when s.days_as_customer < 365 then 1 when s.days_as_customer <= 1095 then 2 else 3 end as age,
        ntile(2) over (order by s.decision_date, s.renewal_id) as half,
        ntile(3) over (partition by s.tier order by w.n_user_days_all - coalesce(u.n_user_days, 0), s.renewal_id) as
            third,
        coalesce(u.is_used and u.first_used_on > w.as_of - 56, false) as is_begun,
        coalesce(u.is_used and u.first_used_on > w.as_of - 56 and exists (
            select from core.contact_touch as t
            where t.account_key = s.account_key and t.from_day <= u.first_used_on and t.from_day >= u.first_used_on - 28
        ), false) as is_begun_after_contact
    from settled as s
    join windows as w on w.account_key = s.account_key and w.renewal_id = s.renewal_id
    cross join existed as e
    left join used as u
        on u.account_key = s.account_key and u.renewal_id = s.renewal_id and u.as_of = w.as_of
    where w.as_of - 83 >= e.from_day
),

dosed as (
    select *, case when is_used then ntile(3) over (partition by is_used order by n_user_days, renewal_id) end as dose
    from compared
)

select
    coalesce(half, 0) as half,
    count(*) filter (where is_used and is_kept) as kept_with,
    count(*) filter (where is_used) as n_with,
    count(*) filter (where not is_used and is_kept) as kept_without,
    count(*) filter (where not is_used) as n_without,
    cast(coalesce(sum(target_arr) filter (where is_used), 0) as double precision) as arr_with,
    cast(coalesce(sum(kept_arr) filter (where is_used), 0) as double precision) as kept_arr_with,
    cast(coalesce(sum(target_arr) filter (where not is_used), 0) as double precision) as arr_without,
    cast(coalesce(sum(kept_arr) filter (where not is_used), 0) as double precision) as kept_arr_without,
    count(*) filter (where dose = 1 and is_kept) as kept_dose_1, count(*) filter (where dose = 1) as n_dose_1,
    count(*) filter (where dose = 2 and is_kept) as kept_dose_2, count(*) filter (where dose = 2) as n_dose_2,
    count(*) filter (where dose = 3 and is_kept) as kept_dose_3, count(*) filter (where dose = 3) as n_dose_3,
    count(*) filter (where is_begun) as n_begun,
    count(*) filter (where is_begun_after_contact) as n_begun_after_contact
from dosed
group by grouping sets ((tier, age, third), (tier, age, third, half))
order by half, tier, age, third
""")  # noqa: S608 - texts of this file
_FORGET = sa.text("delete from meta.feature_effect where month = :month")
_KEEP = sa.text(
    "insert into meta.feature_effect (month, feature, verdict, n_with, n_without, n_dropped, n_losses, crude,"
    " difference, low, high, by_arr, p, p_adjusted, e_value, n_begun, n_begun_after_contact, judged_at) values (:month,"
    " :feature, :verdict, :n_with, :n_without, :n_dropped, :n_losses, :crude, :difference, :low, :high, :by_arr, :p,"
    " :p_adjusted, :e_value, :n_begun, :n_begun_after_contact, :now)"
)
_STORED = sa.text(
    "select * from meta.feature_effect where month = (select max(month) from meta.feature_effect"
    " where cast(:before as date) is null or month < :before) order by p_adjusted nulls last, feature"
)
_FORGET_UNUSED = sa.text("delete from meta.feature_unused where month = :month")
# As `is_used` of marts.feature_checkpoint, over the newest twelve weeks. Customers whose use is not known have no row.
_KEEP_UNUSED = sa.text("""
with newest as (
    select max(day) as day from marts.account_day
),

customers as (
    select a.account_key
    from marts.act_account as a
    cross join newest as n
    join core.product_start as p on p.account_key = a.account_key and p.first_day <= n.day - 83
    left join core.usage_gap as g on g.account_key = a.account_key
    where g.from_day is null or g.from_day > n.day
),

usage as (
    select u.account_key, u.feature, u.user_key, n.day - u.day as age
    from core.usage_day as u
    cross join newest as n
    where u.day > n.day - 84 and u.day <= n.day
),

users as (
    select account_key, count(distinct user_key) as n from usage group by account_key
),

used as (
    select u.account_key, u.feature
    from usage as u
    join users as a on a.account_key = u.account_key
    where u.feature = any(:features)
    group by u.account_key, u.feature, a.n
    having (count(distinct u.user_key) >= 3 or count(distinct u.user_key) * 10 >= a.n)
        and count(distinct u.age / 7) >= 4
)

insert into meta.feature_unused (month, account_key, feature)
select :month, c.account_key, f.feature
from customers as c
cross join unnest(cast(:features as text[])) as f (feature)
where not exists (select from used as u where u.account_key = c.account_key and u.feature = f.feature)
""")
_UNUSED = sa.text(
    "select a.account_key, a.account_name, a.owner_name, a.tier, a.arr, a.days_to_decision, u.feature, f.difference,"
    " f.low, f.high, count(*) over () as n_all"
    " from meta.feature_unused as u join marts.act_account as a on a.account_key = u.account_key"
    " join meta.feature_effect as f on f.month = u.month and f.feature = u.feature"
    " where u.month = (select max(month) from meta.feature_effect)"
    " and (cast(:accounts as text[]) is null or u.account_key = any(cast(:accounts as text[])))"
    " order by a.arr desc, a.account_key, f.difference desc limit cast(:most as bigint)"
)
