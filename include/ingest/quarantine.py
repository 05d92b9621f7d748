"""Quarantined rows: safe views of them, and people's decisions about them.

The contracts quarantine rows; a good version resolves them. A row is *open* until it is resolved or dropped, *waived*
while a waiver accepts it, and *requeued* when its batch was dropped and the next read has not been merged yet. A row in
one of these states puts actions on its account on hold; a waived row does so only after its waiver has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include.common import clock
from include.common.errors import ConfigError
from include.entities.catalog import ENTITIES
from include.warehouse.engine import engine

_MASK = "***"
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class RowFilter:
    """A filter for quarantined rows; "" matches all.

    Args:
        rule: A rule's id.
        record: A record's id.
        entity: An entity's name.
    """

    rule: str = ""
    source: str = ""
    record: str = ""
    entity: str = ""


def open_by_rule(connection: Connection) -> list[RowMapping]:
    """Return the number of open rows per source, entity and rule, most first."""
    rows = connection.execute(
        sa.text(
            "select source, entity, rule_id, count(*) as n_rows, min(quarantined_at) as since from quarantine.record"
            " where state in ('open', 'requeued') group by 1, 2, 3 order by n_rows desc, source, entity, rule_id"
        )
    )
    return list(rows.mappings())


def of_batch(connection: Connection, batch_id: int, limit: int = 20) -> Rows:
    """Return quarantined rows of a batch for display, with values that identify a person masked."""
    rows = connection.execute(
        sa.text(
            "select entity, rule_id, record_id, account_ref, reason, state, record from quarantine.record"
            " where batch_id = :id order by rule_id, row_no limit :n"
        ),
        {"id": batch_id, "n": limit},
    )
    return [dict(row) | {"record": masked(row["entity"], row["record"])} for row in rows.mappings()]


def masked(entity: str, record: dict[str, Any] | None) -> dict[str, Any]:
    """Return the mapped columns of a row, with those that identify a person masked; never its payload."""
    known = ENTITIES[entity]
    shown = {name: value for name, value in (record or {}).items() if name in known.column_names and value is not None}
    return {name: _MASK if name in known.sensitive else value for name, value in shown.items()}


def listing(row_filter: RowFilter) -> Rows:
    """Count the pending rows per source, rule and state. Rows stored without their values are counted separately."""
    with engine("reader").connect() as connection:
        return [dict(row) for row in connection.execute(_LIST, vars(row_filter)).mappings()]


def rows(row_filter: RowFilter, *, limit: int = 20) -> Rows:
    """Return pending rows, newest first, with values that identify a person masked."""
    with engine("reader").connect() as connection:
        found = connection.execute(_ROWS, vars(row_filter) | {"n": limit}).mappings().all()
    return [dict(row) | {"record": masked(row["entity"], row["record"])} for row in found]


def over_time(days: int = 30) -> Rows:
    """Return per day, source and rule how many rows entered quarantine, left it, and were in it."""
    with engine("reader").connect() as connection:
        return [dict(r) for r in connection.execute(_OVER_TIME, {"now": clock.now(), "days": days}).mappings()]


def drop(row_filter: RowFilter, *, reason: str, by: str) -> int:
    """Drop rows: they are not merged and no longer put anything on hold.

    The same version stays out if it is read again.

    Returns:
        How many rows were dropped.

    Raises:
        ConfigError: No reason is given, neither a rule nor a record, or several sources or entities have the record.
    """
    _check(row_filter, reason)
    values = vars(row_filter) | {"by": by, "reason": reason.strip(), "now": clock.now()}
    with engine("loader").begin() as connection:
        named = connection.execute(_NAMED, values).scalars().all() if row_filter.record else ()
        if len(named) > 1:
            raise ConfigError(
                f"{row_filter.record} is a record of {' and '.join(named)}: nothing was dropped",
                cure="name the source and the entity, or the source and the rule",
            )
        return connection.execute(_DROP, values).rowcount


def waive(row_filter: RowFilter, *, reason: str, by: str, until: datetime) -> int:
    """Accept rows that fail a rule, until a day. After that they put their account on hold again.

    Returns:
        The waiver's number.

    Raises:
        ConfigError: No reason, rule or source is given, the day is in the past, or the rule cannot be waived.
    """
    _check(row_filter, reason)
    if not row_filter.rule or not row_filter.source:
        raise ConfigError("a waiver applies to one rule of one source", cure="give both: RULE --source SOURCE")
    if row_filter.rule.split(".")[-1] in _NOT_WAIVABLE:
        raise ConfigError(
            f"{row_filter.rule} cannot be waived: such a row has no usable value in place of the bad one",
            cure="correct the record in the source, or drop the row with `quarantine drop`",
        )
    now = clock.now()
    if until <= now:
        raise ConfigError("the waiver would already have ended", cure="give a future day with --until")
    with engine("loader").begin() as connection:
        values = {"rule": row_filter.rule, "source": row_filter.source, "record": row_filter.record or None, "now": now}
        values |= {"reason": reason.strip(), "by": by, "until": until}
        return connection.execute(_WAIVE, values).scalar_one()


def waivers() -> Rows:
    """Return the waivers, active ones first."""
    with engine("reader").connect() as connection:
        return [dict(row) for row in connection.execute(_WAIVERS, {"now": clock.now()}).mappings()]


def end_waiver(waiver_id: int, *, by: str) -> None:
    """End a waiver early. From now on the rows that it accepted put their accounts on hold again."""
    values = {"id": waiver_id, "by": by, "now": clock.now()}
    with engine("loader").begin() as connection:
        if not connection.execute(_END, values).rowcount:
            raise ConfigError(f"no active waiver {waiver_id}", cure="`quarantine waivers` lists them")
        connection.execute(_END_OF_ROWS, values)


def _check(row_filter: RowFilter, reason: str) -> None:
    if not reason.strip():
        raise ConfigError("a reason is required", cure="give one with --reason")
    if not (row_filter.rule or row_filter.record):
        raise ConfigError("no rule or record given", cure="give a rule, or a record with --record")


# Rows without an id would overwrite each other, and a value that could not be read is empty.
_NOT_WAIVABLE = ("id_present", "castable")

_MATCHES = """(:rule = '' or rule_id = :rule) and (:source = '' or source = :source)
        and (:record = '' or record_id = :record) and (:entity = '' or entity = :entity)"""

_LIST = sa.text(
    f"""
    select source, entity, rule_id, state, count(*) as n_rows, count(distinct account_ref) as n_accounts,
        count(*) filter (where record is null) as n_without_row, min(quarantined_at) as since,
        max(quarantined_at) as newest, min(waived_until) as waived_until
    from quarantine.record
    where state in ('open', 'requeued', 'waived') and {_MATCHES}
    group by 1, 2, 3, 4
    order by n_rows desc, source, entity, rule_id, state
    """  # noqa: S608
)
_ROWS = sa.text(
    f"""
    select quarantine_id, batch_id, source, entity, rule_id, record_id, account_ref, state, reason, quarantined_at,
        waived_until, decided_by, decision_reason, record
    from quarantine.record
    where state in ('open', 'requeued', 'waived') and {_MATCHES}
    order by quarantine_id desc limit :n
    """  # noqa: S608
)
_OVER_TIME = sa.text(
    """
    with days as (
        select cast(cast(:now as timestamptz) at time zone 'UTC' as date) - number as day
        from generate_series(0, :days - 1) as number
    ),
    bad as (
        select source, rule_id, state, cast(quarantined_at at time zone 'UTC' as date) as entered_on,
            case when state in ('resolved', 'dropped')
                then cast(coalesce(resolved_at, quarantined_at) at time zone 'UTC' as date) end as left_on
        from quarantine.record
    )
    select days.day, bad.source, bad.rule_id,
        count(*) filter (where entered_on = day) as n_entered,
        count(*) filter (where left_on = day) as n_left,
        count(*) filter (where entered_on <= day and (left_on is null or left_on > day)) as n_open
    from days, bad
    where entered_on <= day and (left_on is null or left_on >= day)
    group by 1, 2, 3
    order by 1, 2, 3
    """
)
_NAMED = sa.text(
    f"""
    select distinct source || '.' || entity from quarantine.record
    where state in ('open', 'requeued', 'waived') and {_MATCHES}
    order by 1
    """  # noqa: S608
)
_DROP = sa.text(
    f"""
    update quarantine.record
    set state = 'dropped', decided_by = :by, decision_reason = :reason, resolved_at = :now
    where state in ('open', 'requeued', 'waived') and {_MATCHES}
    """  # noqa: S608
)
# A second request, such as after a failed replay, returns the same waiver: with two, ending one has no effect.
_WAIVE = sa.text(
    """
    with same as (
        select min(waiver_id) as waiver_id from quarantine.waiver
        where rule_id = :rule and source = :source and record_id is not distinct from :record and until = :until
            and ended_at is null
    ),
    made as (
        insert into quarantine.waiver (rule_id, source, record_id, reason, approved_by, until, created_at)
        select :rule, :source, :record, :reason, :by, :until, :now from same where waiver_id is null
        returning waiver_id
    )
    select waiver_id from made union all select waiver_id from same where waiver_id is not null
    """
).bindparams(sa.bindparam("record", type_=sa.Text))
_WAIVERS = sa.text(
    """
    select waiver_id, rule_id, source, coalesce(record_id, '*') as record_id, until, approved_by, reason, created_at,
        ended_at is null and until > :now as is_in_force,
        (select count(*) from quarantine.record as bad
         where bad.waiver_id = waiver.waiver_id and bad.state = 'waived') as n_rows
    from quarantine.waiver as waiver
    order by is_in_force desc, until desc, waiver_id
    """
)
_END = sa.text(
    "update quarantine.waiver set ended_at = :now, ended_by = :by"
    " where waiver_id = :id and ended_at is null and until > :now"
)
_END_OF_ROWS = sa.text(
    "update quarantine.record set waived_until = :now"
    " where waiver_id = :id and state = 'waived' and waived_until > :now"
)
