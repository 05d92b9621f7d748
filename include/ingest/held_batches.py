"""Decisions about a held batch: accept it, or drop it and read again."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock
from include.common.errors import ConfigError
from include.config import load
from include.ingest import batches
from include.ingest.batches import Batch
from include.warehouse.engine import engine, has_table


def accept(batch_id: int, *, reason: str, by: str) -> Batch:
    """Accept a held batch for merging. Its bad rows stay in quarantine.

    Raises:
        ConfigError: It is not held, or no reason is given.
    """
    with engine("loader").begin() as connection:
        batch = _locked(connection, batch_id, reason, ("held",))
        connection.execute(
            sa.text(
                "update meta.batch set state = 'closed', decided_by = :by, decision_reason = :reason, decided_at = :now"
                " where batch_id = :id"
            ),
            {"id": batch.batch_id, "by": by, "reason": reason.strip(), "now": clock.now()},
        )
        _require_full_read(connection, batch)
        return batches.get(connection, batch_id)


def drop(batch_id: int, *, reason: str, by: str) -> list[Batch]:
    """Drop a queued batch and all behind it. The next run reads them again.

    Returns:
        The dropped batches, oldest first.

    Raises:
        ConfigError: It is already merged or dropped, or no reason is given.
    """
    with engine("loader").begin() as connection:
        batch = _locked(connection, batch_id, reason, ("landing", "closed", "held"))
        rows = connection.execute(
            sa.text(
                "select * from meta.batch where source = :source and entity = :entity and batch_id >= :id"
                " and state in ('landing', 'closed', 'held') order by batch_id for update"
            ),
            {"source": batch.source, "entity": batch.entity, "id": batch_id},
        )
        dropped = [batches.from_row(row) for row in rows.mappings()]
        ids = [each.batch_id for each in dropped]
        values = {"ids": ids, "by": by, "reason": reason.strip(), "now": clock.now()}
        connection.execute(
            sa.text(
                "update meta.batch set state = 'dropped', table_name = '', decided_by = :by, decision_reason = :reason,"
                " decided_at = :now where batch_id = any(:ids)"
            ),
            values,
        )
        # Until they are read again, it is unknown whether these rows are good. Replayed rows keep their state in
        # quarantine.
        connection.execute(
            sa.text(
                "update quarantine.record as bad set state = 'requeued' from meta.batch as dropped"
                " where bad.batch_id = any(:ids) and bad.state in ('open', 'waived')"
                " and dropped.batch_id = bad.batch_id and not dropped.is_replay"
            ),
            values,
        )
        _require_full_read(connection, batch)
        for each in dropped:
            _drop_tables(connection, each)
        return dropped


def _require_full_read(connection: Connection, batch: Batch) -> None:
    """Schedule a full read if the batch was held for longer than the source keeps its deletions."""
    settings = load().source(batch.source)
    if settings is None or not settings.keeps_deletions_days:
        return
    if clock.now() - batch.opened_at <= timedelta(days=settings.keeps_deletions_days):
        return
    reason = (
        f"batch {batch.batch_id} was held from {batch.opened_at:%Y-%m-%d} on, and the source reports deletions for only"
        f" {settings.keeps_deletions_days} days"
    )
    connection.execute(
        sa.text("update meta.cursor set full_refresh_reason = :reason where source = :source and entity = :entity"),
        {"reason": reason, "source": batch.source, "entity": batch.entity},
    )


def _drop_tables(connection: Connection, batch: Batch) -> None:
    if batch.table_name:
        connection.execute(sa.text(f"drop table if exists raw.{batch.table_name}"))
    if batch.read_id == batch.batch_id:
        connection.execute(sa.text(f"drop table if exists raw.{batch.seen_table}"))
    elif has_table(connection, f"raw.{batch.seen_table}"):
        delete = sa.delete(sa.table(batch.seen_table, sa.column("batch_id"), schema="raw"))
        connection.execute(delete.where(sa.column("batch_id") == batch.batch_id))


def _locked(connection: Connection, batch_id: int, reason: str, states: tuple[str, ...]) -> Batch:
    if not reason.strip():
        raise ConfigError(f"a decision about batch {batch_id} needs a reason", cure="give one with --reason")
    batch = batches.get(connection, batch_id)
    connection.execute(
        sa.text("select pg_advisory_xact_lock(:a, :b)"),
        batches.lock_key(batches.MERGE_LOCK, batch.source, batch.entity),
    )
    batch = batches.get(connection, batch_id)
    if batch.state not in states:
        raise ConfigError(
            f"batch {batch_id} of {batch.source}.{batch.entity} is {batch.state}, not {' or '.join(states)}",
            cure="`python -m include.cli batch list` shows the batches that can be decided",
        )
    return batch
