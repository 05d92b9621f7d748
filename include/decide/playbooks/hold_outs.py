"""Assign account families to the arms of a hold-out, of a playbook or touch, before any of them reaches the trigger.

The unit is the family, so that a parent and its child never end in different arms. Families are drawn within strata of
tier and health band: in the order of their hash, every family at which the running total of the share passes a whole
number is held out, from a start that is a hash of the stratum. So each family has the same chance, and each stratum has
the planned share of hold-outs up to one family. An assignment is written once and never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.decide.rules.load import Rule
from include.warehouse import locks
from include.warehouse.engine import has_table

_INPUTS = ("marts.act_account", "core.account_family")


def assign(connection: sa.Connection, playbooks: Iterable[Rule[Any]], today: date) -> None:
    """Start the experiments of live playbooks, and assign the families that have no arm yet.

    The design that is stored at the start holds, whatever the file says later.
    """
    chosen = [rule.file for rule in playbooks if rule.file.status == "live" and rule.file.hold_out]
    if not chosen or not all(has_table(connection, name) for name in _INPUTS):
        return
    now = locks.stamp(connection)
    for playbook in chosen:
        given = {"experiment": playbook.name, "today": today, "now": now, **playbook.design}
        connection.execute(_START, given)
        hold_out = connection.execute(_RUNNING, given).scalar()
        if hold_out is not None:
            connection.execute(_ASSIGN, {**given, "hold_out": hold_out})
        connection.execute(_WITHDRAW, given)


def held_out(connection: sa.Connection, playbooks: Mapping[str, Rule[Any]], today: date) -> dict[str, frozenset[str]]:
    """Return playbook -> the accounts that get no tasks today.

    A playbook without ``hold_out`` in its file, and one whose planned end is over, hold out nobody.
    """
    names = [name for name, rule in playbooks.items() if rule.file.hold_out]
    rows = connection.execute(_HELD_OUT, {"names": names, "today": today})
    return {row.experiment: frozenset(row.accounts) for row in rows}


_START = sa.text(
    "insert into ops.experiment (experiment, hold_out, horizon_days, smallest_effect, ends_on, started_on, known_from)"
    " values (:experiment, :hold_out, :horizon_days, :smallest_effect, :ends_on, :today, :now) on conflict do nothing"
)
_RUNNING = sa.text(
    "select hold_out from ops.experiment where experiment = :experiment and (ends_on is null or :today <= ends_on)"
)
# Accounts that join a family later get the family's arm.
_ASSIGN = sa.text("""
with listed as (
    select a.account_key, coalesce(f.ultimate_parent_key, a.account_key) as unit_key, a.tier, a.arr, a.owner_key,
        coalesce(a.health_band, 'unknown') as band
    from marts.act_account as a
    left join core.account_family as f on f.account_key = a.account_key
),

assigned as (
    select distinct on (unit_key) unit_key, arm, stratum
    from ops.experiment_account where experiment = :experiment order by unit_key, assigned_on, account_key
),

units as (
    select distinct on (l.unit_key)
        l.unit_key, coalesce(l.tier, 'no tier') || ' ' || l.band as stratum,
        sha256(convert_to(:experiment || ':' || l.unit_key, 'UTF8')) as digest
    from listed as l
    where not exists (select from assigned as a where a.unit_key = l.unit_key)
        and not exists (select from listed as k where k.unit_key = l.unit_key and k.tier = 'key_account')
    order by l.unit_key, l.arr desc nulls last, l.account_key
),

before as (
    select stratum, count(*) as n from assigned group by stratum
),

ranked as (
    select
        u.unit_key, u.stratum,
        coalesce(b.n, 0) + row_number() over (partition by u.stratum order by u.digest) as number,
        -- 32 bits of the stratum's hash, as a number from 0 to 1.
        cast(cast('x' || left(encode(sha256(convert_to(:experiment || '/' || u.stratum, 'UTF8')), 'hex'), 8)
            as bit(32)) as bigint) / 4294967296.0 as start
    from units as u
    left join before as b on b.stratum = u.stratum
),

drawn as (
    select
        unit_key, stratum,
        case
            when floor(number * cast(:hold_out as numeric) + start)
                > floor((number - 1) * cast(:hold_out as numeric) + start) then 'held_out'
            else 'acted'
        end as arm
    from ranked
    union all
    select unit_key, stratum, arm from assigned
)

insert into ops.experiment_account (experiment, account_key, unit_key, arm, stratum, tier, band, arr, owner_key,
    assigned_on, known_from)
select :experiment, l.account_key, l.unit_key, d.arm, d.stratum, l.tier, l.band, l.arr, l.owner_key, :today, :now
from listed as l
join drawn as d on d.unit_key = l.unit_key
on conflict do nothing
""")
_WITHDRAW = sa.text("""
update ops.experiment_account as e set withdrawn_on = :today
from (
    select distinct coalesce(f.ultimate_parent_key, a.account_key) as unit_key
    from marts.act_account as a
    left join core.account_family as f on f.account_key = a.account_key
    where a.tier = 'key_account'
) as k
where e.experiment = :experiment and e.withdrawn_on is null and e.unit_key = k.unit_key
""")
_HELD_OUT = sa.text(
    "select a.experiment, array_agg(a.account_key) as accounts from ops.experiment_account as a"
    " join ops.experiment as e on e.experiment = a.experiment"
    " where a.experiment = any(:names) and a.arm = 'held_out' and a.withdrawn_on is null"
    " and (e.ends_on is null or :today <= e.ends_on) group by a.experiment"
)
