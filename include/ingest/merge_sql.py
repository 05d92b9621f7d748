"""The SQL statements that merge one batch.

Names come from the entity catalog and the batch number. Values are bound parameters.
"""

from __future__ import annotations

from functools import cached_property

import sqlalchemy as sa
from sqlalchemy.sql.elements import TextClause

from include.entities.catalog import Entity, raw_table
from include.identity import account_merges
from include.ingest.batches import Batch

# Databases are read in successive snapshots: the row read last is newest, even if its clock went back.
_SNAPSHOTS = ("product", "sqlcrm", "sqldesk")
# One good row per id: the newest by the source's clock; between equals, the one read last.
_NEWEST = """
create temporary table newest on commit drop as
select distinct on (id) id, _row, _source_at
from {batch}
where _failed is null
order by id, {clock} _row desc
"""

# New and changed rows, next to the stored ones. A tombstone keeps the last known values, because it may arrive without
# any. The hash only has to tell versions of one record apart, so 64 bits are enough.
_CHANGED = """
create temporary table changed on commit drop as
with incoming as (
    {incoming}
),
compared as (
    select
        incoming.id,
        {kept_columns},
        case when incoming._is_deleted and stored.id is not null
            then coalesce(stored.payload, '{{}}') || coalesce(incoming.payload, '{{}}')
            else incoming.payload
        end as payload,
        coalesce(incoming._source_at, stored._source_at) as _source_at,
        incoming._is_deleted,
        incoming.is_gone,
        case
            when not incoming._is_deleted then null
            when stored._is_deleted then stored._deleted_at
            when incoming.is_gone then cast(:now as timestamptz)
            else coalesce(incoming._source_at, :now)
        end as _deleted_at,
        stored.id is null as is_new,
        stored.id is not null and stored._is_deleted <> incoming._is_deleted as is_deletion_changed,
        stored._hash as stored_hash,
        {stored_account} as stored_account,
        {stored_dirty} as stored_dirty,
        row({stored_facts}) as stored_facts
    from incoming
    left join {raw} as stored on stored.source = :source and stored.id = incoming.id
    where {is_snapshot} or stored.id is null or incoming._source_at is null
        or stored._source_at is null
        or incoming._source_at >= stored._source_at
),
hashed as (
    select
        id, {columns}, payload, _source_at, _is_deleted, is_gone, _deleted_at, is_new,
        is_deletion_changed,
        is_new or is_deletion_changed or row({facts}) is distinct from stored_facts as is_touched,
        stored_account, stored_dirty, stored_hash,
        cast(hash_record_extended({content}, 0) as text) as _hash
    from compared
)
select * from hashed where stored_hash is distinct from _hash
"""

_READ = """
    select
        batch.id, {batch_columns}, batch.payload, batch._source_at, {is_deleted} as _is_deleted, false as is_gone
    from {batch} as batch
    where batch._row in (select _row from newest)
"""

# Records that a full read did not find, or that a CRM merged away: the stored values, marked as deleted.
_MISSING = """
    select
        stored.id, {columns}, stored.payload, stored._source_at, true as _is_deleted, true as is_gone
    from {raw} as stored
    where stored.source = :source
        and not stored._is_deleted
        and {is_gone}
        and not exists (select from newest where newest.id = stored.id)
"""

_NOT_FOUND = "not exists (select from raw.{seen} as seen where seen.id = stored.id)"
_IS_LOSER = """exists (
            select from meta.account_merge as merge where merge.source = :source and merge.loser_id = {id}
        )"""

# Account-days to rebuild, for both the old and the new account. Overlapping ranges of one account are combined.
_DIRTY = """
insert into meta.dirty_range (batch_id, source, entity, account_ref, from_day, to_day)
with touched as (
    select {account} as account_ref, {from_day} as from_day, {to_day} as to_day
    from changed
    where is_touched
    union
    select stored_account, {stored_from_day}, {stored_to_day}
    from changed
    where is_touched and not is_new
),
bounded as (
    select
        *,
        max(coalesce(to_day, 'infinity')) over (
            partition by account_ref order by from_day, to_day rows between unbounded preceding and 1 preceding
        ) as reached
    from touched
    where account_ref is not null and account_ref <> ''
),
grouped as (
    select
        *,
        count(*) filter (where reached is null or from_day > reached) over (
            partition by account_ref order by from_day, to_day rows unbounded preceding
        ) as island
    from bounded
)
select :batch_id, :source, :entity, account_ref, min(from_day),
    case when bool_or(to_day is null) then null else max(to_day) end
from grouped
group by account_ref, island
"""

_STORE = """
insert into {raw} as stored
    (source, id, {columns}, payload, _source_at, _is_deleted, _deleted_at, _hash, _batch_id, _loaded_at,
    _first_loaded_at)
select :source, id, {columns}, payload, _source_at, _is_deleted, _deleted_at, _hash, :batch_id, :now, :now
from changed
where {condition}
"""

# Slower even without conflicts, so used only for records that are already stored.
_IN_PLACE = """on conflict (source, id) do update set
    {assignments}, payload = excluded.payload, _source_at = excluded._source_at, _is_deleted = excluded._is_deleted,
    _deleted_at = excluded._deleted_at, _hash = excluded._hash, _batch_id = excluded._batch_id,
    _loaded_at = excluded._loaded_at
"""

_VERSIONS = """
insert into {raw}__version
    (source, id, {columns}, _source_at, _is_deleted, _deleted_at, _hash, _batch_id, _loaded_at, _is_first_load)
select :source, id, {columns}, _source_at, _is_deleted, _deleted_at, _hash, :batch_id, :now, :is_first_load
from changed
"""

# A quarantined row is resolved by a good version that is not older, or by the deletion of its record.
_RESOLVE = """
update quarantine.record as bad
set state = 'resolved', resolved_by = :batch_id, resolved_at = :now
from (
    select id, _row, _source_at, false as is_gone from newest
    union all select id, null, null, true from changed where is_gone
) as good
where bad.source = :source
    and bad.entity = :entity
    and bad.state in ('open', 'requeued', 'waived')
    and good.id = bad.record_id
    and (
        good.is_gone
        or (
            (bad.batch_id < :batch_id or (bad.batch_id = :batch_id and bad.row_no < good._row))
            and (good._source_at is null or bad.source_at is null or good._source_at >= bad.source_at)
        )
    )
"""

_COUNT = """
select
    (select count(*) from newest) as n_newest,
    count(*) as n_merged,
    count(*) filter (where is_deletion_changed and _is_deleted) as n_deleted,
    count(*) filter (where is_gone) as n_gone
from changed
"""

# Which accounts, or organisations of a support desk, were merged into which: from this batch, or else from the stored
# rows. A survivor lists its losers, or a loser names its survivor. A known merge that nobody claims any more stays
# known until the account is seen again.
_MERGE_CLAIMS = """
with new_claims as (
    select
        b.id,
        {merged_ids_now} as merged_ids,
        case when b._is_deleted then coalesce(b.merged_into, stored.merged_into) end as merged_into,
        coalesce(b._source_at, stored._source_at) as at,
        b._is_deleted
    from newest
    join {batch} as b using (_row)
    left join {raw} as stored on stored.source = :source and stored.id = b.id
    where stored.id is null
        or b._source_at is null
        or stored._source_at is null
        or b._source_at >= stored._source_at
),
claims as (
    select id, merged_ids, merged_into, at from new_claims
    union all
    select id, {merged_ids}, case when _is_deleted then merged_into end, _source_at
    from {raw} as stored
    where source = :source
        and ({merged_ids} <> '' or (merged_into <> '' and _is_deleted))
        and not exists (select from new_claims where new_claims.id = stored.id)
)
select loser.id as loser, claims.id as survivor, claims.at, false as is_known
from claims
cross join lateral {losers} as loser (id)
where claims.merged_ids <> '' and loser.id <> ''
union all
select id, merged_into, at, false
from claims
where merged_into <> ''
union all
select loser_id, survivor_id, merged_at, true
from meta.account_merge as known
where source = :source
    and not exists (select from new_claims where new_claims.id = known.loser_id and not new_claims._is_deleted)
"""

# A survivor's list of losers: in a row of the batch, and in a stored row. Some vendors' survivors have no such list.
_LOSER_LISTS = (
    "case when b._is_deleted then coalesce(b.merged_ids, stored.merged_ids) else b.merged_ids end",
    "merged_ids",
)
_NO_LOSER_LISTS = ("cast(null as text)", "cast(null as text)")

# Quarantined rows of a dropped batch have been read again, or no longer exist in the source.
REREAD = sa.text(
    """
    update quarantine.record
    set state = 'dropped', resolved_by = :batch_id, resolved_at = :now
    where source = :source and entity = :entity and state = 'requeued' and batch_id < :read_id
    """
)

FULL_DONE = sa.text("update meta.cursor set full_refresh_reason = '' where source = :source and entity = :entity")

CURSOR = sa.text(
    """
    insert into meta.cursor as cursor (source, entity, position, read_until, open_read, batch_id, updated_at)
    values (:source, :entity, cast(:position as jsonb), :read_until, cast(:open_read as jsonb), :batch_id, :now)
    on conflict (source, entity) do update
    set position = excluded.position, read_until = excluded.read_until, open_read = excluded.open_read,
        batch_id = excluded.batch_id, updated_at = excluded.updated_at
    """
)

MERGED = sa.text(
    """
    update meta.batch
    set state = 'merged', table_name = '', n_merged = :n_merged, n_unchanged = :n_unchanged, n_deleted = :n_deleted,
        merged_at = :now
    where batch_id = :batch_id
    """
)

# Timestamps of the record, not facts about it: a CRM changes them for reasons that affect no figure.
_CLOCKS = {"updated_at"}
_ALL_DAYS = "cast('0001-01-01' as date)"


class Statements:
    """The statements that merge one batch.

    Args:
        batch: A closed batch.
        entity: The entity of its rows.
    """

    def __init__(self, batch: Batch, entity: Entity) -> None:
        self._batch, self._entity = batch, entity
        is_snapshot = batch.vendor in _SNAPSHOTS and not batch.is_replay
        self._names = {
            "raw": f"raw.{raw_table(batch.vendor, entity.name)}",
            "batch": f"raw.{batch.table_name}",
            "columns": ", ".join(entity.column_names),
            "is_snapshot": str(is_snapshot).lower(),
            "clock": "" if is_snapshot else "_source_at desc nulls last,",
        }

    @cached_property
    def newest(self) -> TextClause:
        """Create ``newest``: the rows of the batch to merge."""
        if not self._batch.table_name:
            empty = "create temporary table newest (id text, _row bigint, _source_at timestamptz) on commit drop"
            return sa.text(empty)
        return self._make(_NEWEST)

    @cached_property
    def merge_claims(self) -> TextClause | None:
        """Select which accounts claim to be merged into which; None if the batch contains no such claims."""
        if not self._batch.table_name or "merged_into" not in self._entity.column_names:
            return None
        now, stored = _LOSER_LISTS if "merged_ids" in self._entity.column_names else _NO_LOSER_LISTS
        losers = account_merges.LOSERS.format(ids="claims.merged_ids")
        return self._make(_MERGE_CLAIMS, losers=losers, merged_ids_now=now, merged_ids=stored)

    @cached_property
    def changed(self) -> TextClause:
        """Create ``changed``: the rows to store."""
        entity = self._entity
        facts = [name for name in entity.column_names if not (entity.history and name in _CLOCKS)]
        return self._make(
            _CHANGED,
            incoming="    union all\n".join(self._incoming()),
            kept_columns=",\n        ".join(
                f"case when incoming._is_deleted then coalesce(incoming.{name}, stored.{name})"
                f" else incoming.{name} end as {name}"
                for name in entity.column_names
            ),
            stored_account=f"stored.{entity.account_column}" if entity.account_column else "null",
            stored_dirty=f"stored.{entity.dirty_from}" if entity.dirty_from else "null",
            content=f"row({', '.join(entity.column_names)}, payload, _source_at, _is_deleted)",
            facts=", ".join(facts),
            stored_facts=", ".join(f"stored.{name}" for name in facts),
        )

    @cached_property
    def dirty(self) -> TextClause | None:
        """Mark the days to rebuild; None for records without a single account."""
        entity = self._entity
        if not entity.account_column:
            return None
        days = self._days(entity.dirty_from), self._days("stored_dirty" if entity.dirty_from else "")
        (from_day, to_day), (stored_from, stored_to) = days
        named = {"from_day": from_day, "to_day": to_day, "stored_from_day": stored_from, "stored_to_day": stored_to}
        return self._make(_DIRTY, account=entity.account_column, **named)

    @cached_property
    def store_new(self) -> TextClause:
        """Insert the changed rows of new records."""
        return self._make(_STORE, condition="is_new")

    @cached_property
    def replace(self) -> TextClause:
        """Update the changed rows of known records."""
        assignments = ", ".join(f"{name} = excluded.{name}" for name in self._entity.column_names)
        return self._make(_STORE + _IN_PLACE, condition="not is_new", assignments=assignments)

    @cached_property
    def versions(self) -> TextClause | None:
        """Store each changed row as a version; None for entities without history."""
        return self._make(_VERSIONS) if self._entity.history else None

    @cached_property
    def resolve(self) -> TextClause:
        """Resolve quarantined rows whose record has a good version."""
        return self._make(_RESOLVE)

    @cached_property
    def count(self) -> TextClause:
        """Count the changes."""
        return self._make(_COUNT)

    def _incoming(self) -> list[str]:
        lists_losers = "merged_ids" in self._entity.column_names
        parts = []
        if self._batch.table_name:
            or_lost = f" or {_IS_LOSER.format(id='batch.id')}" if lists_losers else ""
            parts.append(
                _READ.format(
                    **self._names,
                    batch_columns=", ".join(f"batch.{name}" for name in self._entity.column_names),
                    is_deleted=f"(batch._is_deleted{or_lost})",
                )
            )
        if lists_losers:
            parts.append(_MISSING.format(**self._names, is_gone=_IS_LOSER.format(id="stored.id")))
        if self._batch.is_full and self._batch.is_read_complete:
            not_found = _NOT_FOUND.format(seen=self._batch.seen_table)
            # An account that is both merged away and not found is already among the losers.
            both = f" and not {_IS_LOSER.format(id='stored.id')}" if lists_losers else ""
            parts.append(_MISSING.format(**self._names, is_gone=not_found + both))
        return parts

    def _days(self, column: str) -> tuple[str, str]:
        """Return the first day, and the day after the last, that a change of a row can affect."""
        entity = self._entity
        if not column:
            return _ALL_DAYS, "cast(null as date)"
        slack = 0
        day = column
        if next(each.type for each in entity.columns if each.name == entity.dirty_from) == "timestamptz":
            # In any reporting time zone, a timestamp is within a day of its UTC date.
            day, slack = f"cast({column} at time zone 'UTC' as date)", 1
        to_day = f"{day} + {entity.dirty_days + slack + 1}" if entity.dirty_days else "cast(null as date)"
        return f"coalesce({day} - {slack}, {_ALL_DAYS})", to_day

    def _make(self, template: str, **parts: str) -> TextClause:
        return sa.text(template.format(**self._names, **parts))
