"""Collect the changes that a build must carry: dirty ranges, answers, and the work of unfinished builds."""

from __future__ import annotations

import sqlalchemy as sa

from include import config
from include.identity import store
from include.models import tables, unread
from include.models.increments import Build
from include.warehouse.engine import has_table

# First day of a dirty range that covers all days.
_ALL_DAYS = "0001-01-01"


def waiting_for(connection: sa.Connection) -> list[str]:
    """Return the configured sources that have neither finished a first read nor failed."""
    read = set(
        connection.execute(
            sa.text(
                "select source from meta.verdict where entity = '' and state <> 'unknown'"
                " union select source from meta.source_failure"
            )
        ).scalars()
    )
    return [source.id for source in config.load().sources if source.id not in read]


def open_work(connection: sa.Connection, names: tuple[str, ...]) -> str:
    """Return why a build is needed before the next day; "" if it is not."""
    n_dirty = connection.execute(sa.text(f"select count(*) {_OPEN_DIRTY}")).scalar() or 0
    if n_dirty:
        return f"{n_dirty} dirty ranges"
    # Not every change leaves a dirty range: owners have no account. Lines, ratings and events may name another account
    # than their deal or ticket does, or none. A full read confirms a deletion without changing a row.
    changed = connection.execute(
        sa.text(
            "select min(b.entity) from meta.batch as b where b.state = 'merged'"  # noqa: S608 - texts of this file
            " and merged_at > (select max(known_at) from meta.build where kind = 'forward' and state = 'done')"
            " and ((entity in ('owner', 'contract_line', 'rating', 'ticket_event', 'support_user') and n_merged > 0)"
            " or (entity in ('opportunity', 'contract_line') and is_full and read_until is not null))"
            f" and not exists (select from meta.unread as u where {_OF_FIRST_LOAD.format('b')})"
        )
    ).scalar()
    if changed:
        return f"{changed} records changed"
    since = {"since": connection.execute(_LAST).scalar()}
    if connection.execute(_HAS_LINE_HISTORY, since).scalar():
        return "the history of contract lines arrived"
    if connection.execute(_HAS_NEW_ENTRIES, since).scalar():
        return "new health pulses, overrides or approved discounts"
    unfinished = connection.execute(
        sa.text(
            "select b.build_id from meta.build as b where b.state in ('running', 'failed')"
            " and exists (select from meta.build_change as c where c.build_id = b.build_id) limit 1"
        )
    ).scalar()
    if unfinished:
        return f"build {unfinished} was not finished"
    missing = tables.missing(connection, names)
    return f"new tables: {', '.join(missing)}" if missing else ""


def claim(connection: sa.Connection, build: Build) -> None:
    """Record the changes that a build must carry besides its window. A forward build also claims newly loaded data."""
    parameters: dict[str, object] = {"build_id": build.build_id}
    connection.execute(_CLAIM_UNFINISHED, parameters)
    if build.kind != "forward":
        return
    connection.execute(_CLAIM_DIRTY, parameters | {"known_at": build.known_at})
    resolve_dirty(connection, build)
    parameters["since"] = connection.execute(_LAST).scalar()
    if has_table(connection, "core.contract_line"):
        for statement in (_CLAIM_LINES, _CLAIM_OF_TICKETS, _CLAIM_USERS, _CLAIM_SUSPECTED):
            connection.execute(statement, parameters)
    if has_table(connection, "core.agreed_term"):
        connection.execute(_CLAIM_RENEWAL_ANSWERS, parameters)
    connection.execute(_CLAIM_ENTRIES, parameters)


def is_another_in_progress(connection: sa.Connection, build_id: str) -> bool:
    """Return whether another unfinished build has changed tables since this one was planned.

    The tables that this build reads may then be half old and half new, so rows found by its checks may not be wrong.
    """
    return bool(connection.execute(_IS_ANOTHER_IN_PROGRESS, {"build_id": build_id}).scalar())


def resolve_dirty(connection: sa.Connection, build: Build) -> None:
    """Turn this build's dirty ranges, which hold source ids of accounts, into changes by account key.

    Called before and after the bridge is rebuilt: a record that moved counts for both the old and the new account. A
    CRM id names an account even if the bridge does not know it yet.
    """
    if build.trigger == "first":
        return  # everything is rebuilt anyway
    statement = _RESOLVE
    if store.has_bridge(connection):
        statement = _RESOLVE.replace("-- and through the bridge", _THROUGH_BRIDGE)
    connection.execute(sa.text(statement), {"build_id": build.build_id, "all_days": _ALL_DAYS})


_RESOLVE = """
insert into meta.build_change (build_id, origin, account_key, from_day, to_day)
with dirty as (
    select r.source, r.entity, r.account_ref, r.from_day, r.to_day, s.kind
    from meta.build_dirty as t
    join meta.dirty_range as r using (dirty_id)
    left join meta.source as s on s.source = r.source
    where t.build_id = :build_id
),
resolved as (
    select entity, source || ':' || account_ref as account_key, from_day, to_day from dirty where kind = 'crm'
    -- and through the bridge
),
bounded as (
    select
        'raw.' || entity as origin,
        account_key,
        nullif(min(from_day), cast(:all_days as date)) as from_day,
        case when bool_and(to_day is not null) then max(to_day) end as to_day
    from resolved
    where account_key is not null
    group by entity, account_key
)
select :build_id, origin, account_key, from_day, to_day from bounded
except
select build_id, origin, account_key, from_day, to_day from meta.build_change where build_id = :build_id
"""
_THROUGH_BRIDGE = """
    union
    select d.entity, b.account_key, d.from_day, d.to_day
    from dirty as d
    join core.account_bridge as b on b.source = d.source and b.source_id = d.account_ref
"""


# Rows of a source's running first load are not in the tables. They wait until the load is complete.
_OF_FIRST_LOAD = f"u.source = {{0}}.source and u.entity = {{0}}.entity and u.from_day = '{unread.NEVER}'"
_OPEN_DIRTY = f"""
    from meta.dirty_range as r
    where r.built_by is null
        and not exists (select from meta.unread as u where {_OF_FIRST_LOAD.format("r")})
"""
# Only changes that the build can see. Later ones belong to the next build.
_CLAIM_DIRTY = sa.text(
    f"""
    insert into meta.build_dirty (build_id, dirty_id)
    select :build_id, r.dirty_id {_OPEN_DIRTY}
        and not exists (
            select from meta.batch as b where b.batch_id = r.batch_id and b.merged_at > cast(:known_at as timestamptz)
        )
    """  # noqa: S608 - texts of this file
)
# Changes of unfinished builds: their tables are written, the downstream tables not yet.
_CLAIM_UNFINISHED = sa.text(
    """
    insert into meta.build_change (build_id, origin, account_key, from_day, to_day, copy_of)
    select :build_id, c.origin, c.account_key, c.from_day, c.to_day, c.change_id
    from meta.build_change as c
    join meta.build as b using (build_id)
    where b.state in ('running', 'failed') and b.build_id <> :build_id
    """
)
_IS_ANOTHER_IN_PROGRESS = sa.text(
    """
    select exists (
        select from meta.build_change as c
        join meta.build as b using (build_id)
        where b.state = 'running'
            and b.build_id <> :build_id
            and not exists (
                select from meta.build_change as mine where mine.build_id = :build_id and mine.copy_of = c.change_id
            )
    )
    """
)
# A parameter, not a subquery: PostgreSQL then knows how few rows are newer, and uses the index on ``_loaded_at``.
_LAST = sa.text("select max(known_at) from meta.build where kind = 'forward' and state = 'done'")
_SINCE = "> cast(:since as timestamptz)"
_HAS_LINE_HISTORY = sa.text(
    "select exists (select from meta.history where entity = 'contract_line' and n_states > 0"  # noqa: S608 - texts of this file
    f" and finished_at {_SINCE})"
)
# A line counts for the account of its deal, whatever account it was read with. A line that moved to another deal counts
# for both.
_CLAIM_LINES = sa.text(
    f"""
    insert into meta.build_change (build_id, origin, account_key)
    select distinct :build_id, 'raw.contract_line', o.account_key
    from (
        select source, line_id, known_from from staging.stg_crm__contract_line
        union all
        select source, id, _loaded_at from raw.crm__contract_line__history
    ) as n
    join staging.stg_crm__contract_line as l on l.source = n.source and l.line_id = n.line_id
    join core.opportunity as o on o.opportunity_key = l.source || ':' || l.opportunity_id
    where n.known_from {_SINCE}
    """  # noqa: S608 - texts of this file
)
# Ratings and events count for the account of their ticket, whatever organisation they were read with.
_CLAIM_OF_TICKETS = sa.text(
    f"""
    insert into meta.build_change (build_id, origin, account_key)
    select distinct :build_id, r.origin, t.account_key
    from (
        select 'raw.rating' as origin, source, ticket_id from raw.support__rating where _loaded_at {_SINCE}
        union
        select 'raw.ticket_event', source, ticket_id from raw.support__ticket_event where _loaded_at {_SINCE}
    ) as r
    join core.ticket as t on t.source = r.source and t.ticket_id = r.ticket_id
    """  # noqa: S608 - texts of this file
)
# Whether a comment is an answer depends on its author. A changed desk user counts for the accounts of all tickets with
# comments or other events of that user.
_CLAIM_USERS = sa.text(
    f"""
    insert into meta.build_change (build_id, origin, account_key)
    select distinct :build_id, 'raw.support_user', t.account_key
    from raw.support__support_user as u
    join staging.stg_support__ticket_event as e on e.source = u.source and e.actor_id = u.id
    join core.ticket as t on t.source = e.source and t.ticket_id = e.ticket_id
    where u._loaded_at {_SINCE}
    """  # noqa: S608 - texts of this file
)
# An answer changes no other row.
_CLAIM_RENEWAL_ANSWERS = sa.text(
    f"""
    insert into meta.build_change (build_id, origin, account_key)
    select distinct :build_id, 'core.agreed_term', t.account_key
    from meta.renewal_answer as a
    join core.agreed_term as t on t.term_id = a.term_id
    where a.known_from {_SINCE} or a.known_to {_SINCE}
    """  # noqa: S608 - texts of this file
)
# Health pulses, overrides and approved discounts that people entered or withdrew since the last build.
_NEW_ENTRIES = f"""
    select 'meta.health_pulse' as origin, account_key, given_on as from_day from meta.health_pulse
    where known_from {_SINCE} or known_to {_SINCE}
    union all
    select 'meta.health_override', account_key, from_day from meta.health_override
    where known_from {_SINCE} or known_to {_SINCE}
    union all
    select 'meta.discount_request', account_key, null from meta.discount_request
    where state = 'approved' and answered_at {_SINCE}
"""  # noqa: S608 - texts of this file
_HAS_NEW_ENTRIES = sa.text(f"select exists ({_NEW_ENTRIES})")
_CLAIM_ENTRIES = sa.text(
    "insert into meta.build_change (build_id, origin, account_key, from_day)"  # noqa: S608 - texts of this file
    f" select :build_id, origin, account_key, min(from_day) from ({_NEW_ENTRIES}) as j group by 1, 2, 3"
)
# A reconcile may have confirmed a suspected deletion. This changes no row, and so leaves no dirty range.
_CLAIM_SUSPECTED = sa.text(
    """
    insert into meta.build_change (build_id, origin, account_key)
    select distinct :build_id, 'core.contract_line_history', account_key
    from core.contract_line
    where status = 'suspected_deleted'
    """
)


def close(connection: sa.Connection, build_id: str) -> None:
    """Mark the build's dirty ranges as built, and remove the changes that it carried."""
    parameters = {"build_id": build_id}
    for statement in (
        "update meta.dirty_range as r set built_by = :build_id from meta.build_dirty as d"
        " where d.build_id = :build_id and d.dirty_id = r.dirty_id and r.built_by is null",
        "delete from meta.build_change where change_id in"
        " (select copy_of from meta.build_change where build_id = :build_id)",
        "delete from meta.build_change where build_id = :build_id",
        "delete from meta.build_dirty where build_id = :build_id",
        # A forward build that was never resumed has nothing left to do once a later one has taken over its work.
        "update meta.build as b set state = 'superseded', finished_at = now()"
        " from meta.build as mine where mine.build_id = :build_id and mine.kind = 'forward' and b.kind = 'forward'"
        " and b.state in ('running', 'failed') and b.started_at < mine.started_at"
        " and not exists (select from meta.build_change as c where c.build_id = b.build_id)",
    ):
        connection.execute(sa.text(statement), parameters)
