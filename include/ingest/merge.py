"""Merge: turn a validated batch into raw rows, versions, tombstones, dirty ranges and the cursor, in one transaction.

All steps are set-based SQL; the statements are in ``merge_sql``. A killed merge leaves no trace, and merging a merged
batch again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.entities.catalog import ENTITIES
from include.identity import account_merges
from include.ingest import batches, merge_sql
from include.ingest.batches import Batch
from include.warehouse import locks
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Merged:
    """Counts of changes from merging a source's batches."""

    n_batches: int = 0
    n_merged: int = 0
    n_unchanged: int = 0
    n_deleted: int = 0

    def __add__(self, other: Merged) -> Merged:
        return Merged(
            self.n_batches + other.n_batches,
            self.n_merged + other.n_merged,
            self.n_unchanged + other.n_unchanged,
            self.n_deleted + other.n_deleted,
        )


def merge(source: str, entity: str | None = None) -> Merged:
    """Merge validated batches in the order in which they were read. A held batch blocks those behind it.

    Args:
        entity: Only this entity; all of the source's by default.
    """
    with engine("loader").connect() as connection:
        waiting = batches.queue(connection, source, entity)
    total, stopped = Merged(), set()
    for batch in waiting:
        if batch.entity in stopped:
            continue
        merged = merge_batch(batch.batch_id)
        if merged is None:
            stopped.add(batch.entity)
        else:
            total += merged
    return total


def merge_batch(batch_id: int) -> Merged | None:
    """Merge one batch if it is first in its queue.

    Returns:
        Its changes; zero counts if it is already merged or dropped; None if it must wait.
    """
    with engine("loader").begin() as connection:
        batch = batches.get(connection, batch_id)
        batches.lock_merging(connection, batch)
        queue = batches.queue(connection, batch.source, batch.entity)
        if batch_id not in {waiting.batch_id for waiting in queue}:
            return Merged()
        batch = queue[0]
        if (
            batch.batch_id != batch_id
            or batch.state == "held"
            or (batch.needs_validation and batch.validated_at is None)
        ):
            return None
        return _merge(connection, batch, locks.stamp(connection))


def _merge(connection: Connection, batch: Batch, loaded_at: datetime) -> Merged:
    counts = _merge_rows(connection, batch, loaded_at) if _has_work(batch) else Merged(n_batches=1)
    if not batch.is_replay:
        _advance_cursor(connection, batch, loaded_at)
    connection.execute(
        merge_sql.MERGED,
        {
            "batch_id": batch.batch_id,
            "n_merged": counts.n_merged,
            "n_unchanged": counts.n_unchanged,
            "n_deleted": counts.n_deleted,
            "now": loaded_at,
        },
    )
    if batch.table_name:
        connection.execute(sa.text(f"drop table raw.{batch.table_name}"))
    if batch.is_full and batch.is_read_complete:
        connection.execute(sa.text(f"drop table if exists raw.{batch.seen_table}"))
    return counts


def _advance_cursor(connection: Connection, batch: Batch, loaded_at: datetime) -> None:
    """Move the cursor past a merged batch. At the end of its read, close what the read was to settle.

    Requeued rows are dropped, because they were read again. A full read clears the request for one.
    """
    connection.execute(
        merge_sql.CURSOR,
        {
            "source": batch.source,
            "entity": batch.entity,
            "position": batches.to_json(batch.cursor_after or batch.read_mark),
            "read_until": batch.read_until or batch.read_from,
            "open_read": batches.to_json(batches.open_read(batch)),
            "batch_id": batch.batch_id,
            "now": loaded_at,
        },
    )
    if batch.is_read_complete:
        values = {"source": batch.source, "entity": batch.entity, "batch_id": batch.batch_id, "now": loaded_at}
        connection.execute(merge_sql.REREAD, values | {"read_id": batch.read_id})
        if batch.is_full:
            connection.execute(merge_sql.FULL_DONE, values)


def _has_work(batch: Batch) -> bool:
    return bool(batch.table_name) or (batch.is_full and batch.is_read_complete)


def _merge_rows(connection: Connection, batch: Batch, loaded_at: datetime) -> Merged:
    entity = ENTITIES[batch.entity]
    statements = merge_sql.Statements(batch, entity)
    values = {"source": batch.source, "entity": batch.entity, "batch_id": batch.batch_id, "now": loaded_at}
    connection.execute(statements.newest)
    # Without statistics the planner uses nested loops over the temporary tables: minutes instead of seconds.
    connection.execute(sa.text("analyze newest"))
    if statements.merge_claims is not None:
        account_merges.follow(connection, statements.merge_claims, values)
    connection.execute(statements.changed, values)
    connection.execute(sa.text("analyze changed (id)"))  # for the row count; sampling all columns takes longer
    if statements.dirty is not None:
        connection.execute(statements.dirty, values)
    connection.execute(statements.store_new, values)
    connection.execute(statements.replace, values)
    if statements.versions is not None:
        connection.execute(statements.versions, values | {"is_first_load": batch.is_first_load})
    connection.execute(statements.resolve, values)
    counted = connection.execute(statements.count, values).one()
    return Merged(1, counted.n_merged, counted.n_newest - counted.n_merged + counted.n_gone, counted.n_deleted)
