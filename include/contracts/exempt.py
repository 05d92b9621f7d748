"""Choose the rows of a batch that no rule applies to: records without an owner, and rows that a person has decided on.

* Line items with neither a deal nor a contract belong to quotes, invoices, payment links or subscriptions: HubSpot
  gives each such object its own set (developers.hubspot.com/docs/api/crm/line-items: they belong to one single parent
  object). They are stored, count in no figure, and no rule applies to them. The exception is a line item that had a
  deal which still exists: it has lost its deal, so rules apply.
* Rules on a whole batch skip rows that are unchanged in quarantine, were dropped, or came with an accepted batch.
  Otherwise a row that was decided on once would hold every batch that contains it.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.contracts.rule import SILENT, BatchFacts, Expect, Scope, literal, none
from include.entities.catalog import Entity

# Entity -> the columns that name a record's owner, and the owner's entity, whose id is in the first of them.
OWNED_BY = {"contract_line": (("opportunity_id", "contract_id"), "opportunity")}
# Columns that do not count as content: our own numbers, and timestamps, which a CRM changes for reasons of its own.
_NO_CONTENT = ("_row", "_failed", "_source_at", "payload", "updated_at", "generated_at")
_AHEAD = timedelta(days=1)


def content(row: str) -> str:
    """Return the SQL that hashes a row's content.

    Args:
        row: The query's alias of the landed row, or a value that holds it as JSON.
    """
    names = ", ".join(f"'{name}'" for name in _NO_CONTENT)
    return f"md5(cast(to_jsonb({row}) - array[{names}] as text))"


def has_owner(entity: Entity, row: str) -> str:
    """Return the SQL condition for stored records that have an owner; "" if the entity's records need none."""
    if entity.name not in OWNED_BY:
        return ""
    names = (f"nullif(trim({row}.{column}), '')" for column in OWNED_BY[entity.name][0])
    return f"coalesce({', '.join(names)}) is not null"


def is_ownerless(facts: BatchFacts, row: str) -> str:
    """Return the SQL condition for landed rows without an owner; "" if the entity's records need none."""
    owned = has_owner(facts.entity, row)
    if not owned:
        return ""
    (column, *_), owner = OWNED_BY[facts.entity.name]
    latest = literal((facts.now + _AHEAD).isoformat())
    # Rules that keep a row from being stored at all apply to every row.
    parts = [
        f"not {row}._is_deleted",
        f"not ({owned})",
        rf"{row}.id ~ '\S'",
        f"({row}._source_at is null or {row}._source_at <= cast({latest} as timestamptz))",
    ]
    owners = facts.tables.get(owner, ())
    stored = next((table for table in owners if not _is_landed(table)), "")
    if facts.is_stored and stored:
        gone = "".join(
            f" and not exists (select from {table} as gone where gone.id = owner.id and gone._is_deleted)"
            for table in owners
            if _is_landed(table)
        )
        source = literal(facts.source)
        parts.append(
            f"not exists (select from {facts.raw} as before, {stored} as owner"
            f" where before.source = {source} and before.id = {row}.id and not before._is_deleted"
            f" and owner.source = {source} and owner.id = before.{column} and not owner._is_deleted{gone})"
        )
    return f"({' and '.join(parts)})"


def any_has_owner(facts: BatchFacts) -> Expect | None:
    """Expect a first load to contain a record with an owner. If none has one, the login cannot read owners."""
    if not facts.is_first_load or not facts.table:
        return None
    owned = has_owner(facts.entity, "landed")
    return none(
        f"select count(*) as n_lines from {facts.table} as landed {SILENT} where not _is_deleted"  # noqa: S608
        f" having count(*) >= {facts.limits.vanished_rows} and count(*) filter (where {owned}) = 0"
    )


def is_decided(facts: BatchFacts, row: str) -> str:
    """Return the SQL condition for landed rows that a person has decided on; "" if there are none."""
    parts = []
    if facts.has_bad_rows:
        parts += [
            f"exists (select from quarantine.record as bad where {_same(facts, row)} and {state})" for state in _DECIDED
        ]
    if facts.accepted:
        columns = [name for name in facts.entity.column_names if name not in _NO_CONTENT]
        landed, stored = (", ".join(f"{each}.{name}" for name in columns) for each in (row, "kept"))
        numbers = ", ".join(map(str, facts.accepted))
        parts.append(
            f"({row}._problems is null and exists (select from {facts.raw} as kept"  # noqa: S608
            f" where kept.source = {literal(facts.source)} and kept.id = {row}.id and kept._batch_id in ({numbers})"
            f" and kept._is_deleted = {row}._is_deleted and row({stored}) is not distinct from row({landed})))"
        )
    return f"({' or '.join(parts)})" if parts else ""


def checked_rows(facts: BatchFacts, scope: Scope) -> str:
    """Return the query for the rows that rules of a scope apply to; "" if it is all rows."""
    exempt = [is_ownerless(facts, "landed"), is_decided(facts, "landed") if scope == "batch" else ""]
    conditions = [f"not {each}" for each in exempt if each]
    return f"select * from {facts.table} as landed where {' and '.join(conditions)}" if conditions else ""  # noqa: S608


def count_ownerless(connection: Connection, facts: BatchFacts) -> int:
    """Return the number of a batch's rows without an owner."""
    ownerless = is_ownerless(facts, "landed")
    if not ownerless or not facts.table:
        return 0
    return connection.execute(sa.text(f"select count(*) from {facts.table} as landed where {ownerless}")).scalar_one()  # noqa: S608


def count_new(connection: Connection, facts: BatchFacts) -> int:
    """Return the number of newly quarantined rows of a batch. Rows that were in quarantine before do not count."""
    seen = " or ".join(f"({state})" for state in _DECIDED)
    query = (
        "select count(distinct now.row_no) from quarantine.record as now where now.batch_id = :id"  # noqa: S608
        " and now.state = 'open' and not exists (select from quarantine.record as bad where bad.source = now.source"
        " and bad.entity = now.entity and bad.batch_id < now.batch_id and bad.record_id = now.record_id"
        f" and bad.rule_id = now.rule_id and bad.content = now.content and ({seen}))"
    )
    return connection.execute(sa.text(query), {"id": facts.batch_id}).scalar_one()


def _same(facts: BatchFacts, row: str) -> str:
    return (
        f"bad.source = {literal(facts.source)} and bad.entity = '{facts.entity.name}'"
        f" and bad.batch_id < {facts.batch_id} and bad.record_id = {row}.id and bad.content = {content(row)}"
    )


def _is_landed(table: str) -> bool:
    return table.startswith("raw.batch_")


# Two conditions, so that the index on open rows applies to the first. Rows of a dropped batch are checked again.
_DECIDED = ("bad.state in ('open', 'waived')", "bad.state = 'dropped' and bad.decided_by <> ''")
