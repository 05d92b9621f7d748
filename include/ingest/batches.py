"""The states of a batch: landing, closed, then merged; or held until somebody accepts or drops it.

A *read* is one pass over a source's changes. It fills one batch, or several if it exceeds the size of a batch. Batches
of one entity form a queue. They merge in the order in which they were read, and the next read starts after the last
queued batch. A held batch therefore neither stops reading nor changes the order.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, RowMapping

from include.common import clock
from include.common.errors import ConfigError, Unavailable
from include.warehouse.engine import engine

# First halves of advisory lock keys; the second half is a hash of (source, entity).
READ_LOCK = 0x5052
MERGE_LOCK = 0x504D


@dataclass(frozen=True)
class Batch:
    """One row of ``meta.batch``."""

    batch_id: int
    read_id: int
    source: str
    vendor: str
    entity: str
    state: str
    table_name: str
    position: dict[str, Any] | None
    read_from: datetime | None
    until: datetime
    since: datetime | None
    is_full: bool
    is_first_load: bool
    is_replay: bool
    read_mark: dict[str, Any] | None
    cursor_after: dict[str, Any] | None
    read_until: datetime | None
    n_rows: int
    n_cleaned: int
    n_merged: int
    n_unchanged: int
    n_deleted: int
    n_quarantined: int
    run_id: str
    hold_reason: str
    decided_by: str
    decision_reason: str
    opened_at: datetime
    closed_at: datetime | None
    validated_at: datetime | None
    merged_at: datetime | None

    @property
    def is_read_complete(self) -> bool:
        """Whether this is the last batch of its read."""
        return self.cursor_after is not None

    @property
    def needs_validation(self) -> bool:
        """Whether there is anything to validate: rows, or the lack of rows in a full read."""
        return self.n_rows > 0 or self.is_full

    @property
    def is_untouched(self) -> bool:
        """Whether it starts a read but has no page yet, because its run failed before the first one."""
        return self.state == "landing" and not self.n_rows and self.read_mark is None

    @property
    def seen_table(self) -> str:
        """The table of all ids that a full read has found, to detect records deleted in the source."""
        return f"seen_{self.read_id}"


def from_row(row: RowMapping) -> Batch:
    values = {field.name: row[field.name] for field in fields(Batch)}
    return Batch(**values | {"read_id": values["read_id"] or values["batch_id"]})


@contextmanager
def reading(source: str, entity: str) -> Iterator[Connection]:
    """Hold the read lock of one entity of one source. The server releases it if this process dies.

    Yields:
        The connection to land pages on, outside of any transaction.

    Raises:
        Unavailable: Another run has held the lock for a minute.
    """
    with engine("loader").connect() as connection:
        try:
            connection.execute(sa.text("select pg_advisory_lock(:a, :b)"), lock_key(READ_LOCK, source, entity))
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != "55P03":
                raise
            raise Unavailable(
                f"another run is reading {source}.{entity}", cure="wait until it finishes, then run again"
            ) from None
        connection.commit()
        try:
            yield connection
        finally:
            _unlock(connection, source, entity)


def _unlock(connection: Connection, source: str, entity: str) -> None:
    """Release the read lock. The connection returns to a pool, and would take the lock with it."""
    try:
        connection.rollback()
        connection.execute(sa.text("select pg_advisory_unlock(:a, :b)"), lock_key(READ_LOCK, source, entity))
        connection.commit()
    except sa.exc.SQLAlchemyError:
        # The connection is lost, and the lock with it. Let the original error through.
        connection.invalidate()


def lock_key(kind: int, source: str, entity: str) -> dict[str, int]:
    """Return an advisory lock's key as the parameters ``a`` and ``b``."""
    checksum = zlib.crc32(f"{source}.{entity}".encode())
    return {"a": kind, "b": checksum - 2**32 if checksum >= 2**31 else checksum}


def open_or_resume(
    connection: Connection,
    source: str,
    vendor: str,
    entity: str,
    *,
    until: datetime,
    since: datetime | None = None,
    full: bool = False,
    run_id: str = "",
) -> Batch:
    """Return the batch for the next pages: one that a killed run left, the next of an unfinished read, or a new one.

    Args:
        connection: From ``reading``.
        vendor: The connected system.
        entity: Name of the entity.
        until: Time of the run. An unfinished read keeps its own.
        since: Read changes since then again. Ignored if it is after the last read, because the gap would be lost.
        full: Read everything again.
        run_id: For the record.
    """
    with connection.begin():
        last = _last_queued(connection, source, entity)
        if last and last.is_untouched:
            # The options of that run must not apply to this one.
            connection.execute(sa.text("delete from meta.batch where batch_id = :id"), {"id": last.batch_id})
            last = _last_queued(connection, source, entity)
        if last and last.state == "landing":
            return last
        read = _unfinished(connection, source, entity, last)
        if not read:
            read = _new_read(connection, source, entity, last)
            known = read["read_from"]
            read |= {"since": since if not known or (since and since <= known) else None, "until": until}
            read |= {"is_full": full}
        read |= {"is_replay": False}
        values = read | {"source": source, "vendor": vendor, "entity": entity, "run_id": run_id, "now": clock.now()}
        row = connection.execute(_OPEN, values).mappings().one()
        return from_row(row)


def is_unfinished(connection: Connection, source: str, entity: str) -> bool:
    with connection.begin():
        last = _last_queued(connection, source, entity)
        if last and last.state == "landing":
            return not last.is_untouched
        return _unfinished(connection, source, entity, last) is not None


def full_refresh_reason(connection: Connection, source: str, entity: str) -> str:
    """Return why the next read of an entity must be a full one; "" if it need not be."""
    with connection.begin():
        cursor = _cursor(connection, source, entity)
        return cursor["full_refresh_reason"] if cursor else ""


def open_replay(connection: Connection, source: str, vendor: str, entity: str, run_id: str) -> Batch:
    """Open a batch for rows that are replayed from quarantine. It does not change where the next read starts.

    Args:
        connection: In a transaction, with the entity's read lock (``reading``).
        vendor: The connected system.
        entity: Name of the entity.
        run_id: For the record.

    Raises:
        Unavailable: A read of the entity is unfinished.
    """
    last = _last_queued(connection, source, entity)
    if (last and last.state == "landing") or _unfinished(connection, source, entity, last):
        raise Unavailable(
            f"a read of {source}.{entity} is unfinished",
            cure=f"run `python -m include.cli ingest {source} --only {entity}`, then try again",
        )
    read = _new_read(connection, source, entity, last) | {"is_first_load": False, "is_full": False, "since": None}
    values = read | {"source": source, "vendor": vendor, "entity": entity, "run_id": run_id, "now": clock.now()}
    row = connection.execute(_OPEN, values | {"until": clock.now(), "is_replay": True}).mappings().one()
    return from_row(row)


def read_from(connection: Connection, source: str, entity: str) -> datetime | None:
    """Return the time up to which the source was completely read; None before the first read."""
    with connection.begin():
        last = _last_queued(connection, source, entity)
        found: datetime | None = _new_read(connection, source, entity, last)["read_from"]
        return found


def close(
    connection: Connection, batch: Batch, *, position: dict[str, Any] | None, read_until: datetime | None
) -> None:
    """Close a batch, inside the caller's transaction.

    Args:
        connection: In a transaction.
        batch: A landing batch, as of its last page.
        position: Where the next read starts; None if the batch is full and its read continues in the next one.
        read_until: With ``position``: the time up to which the source was completely read.
    """
    if position is not None and batch.read_from and (read_until is None or read_until < batch.read_from):
        # A bounded re-read of the past must not move the cursor back.
        position, read_until = batch.position, batch.read_from
    connection.execute(
        sa.text(
            "update meta.batch set state = 'closed', cursor_after = cast(:position as jsonb), read_until = :read_until,"
            " closed_at = :now where batch_id = :batch_id"
        ),
        {
            "position": to_json(position),
            "read_until": read_until,
            "now": clock.now(),
            "batch_id": batch.batch_id,
        },
    )


def lock_merging(connection: Connection, batch: Batch) -> None:
    """Block merges of, and decisions on, batches of the same entity until the transaction ends."""
    connection.execute(
        sa.text("select pg_advisory_xact_lock(:a, :b)"), lock_key(MERGE_LOCK, batch.source, batch.entity)
    )


def get(connection: Connection, batch_id: int) -> Batch:
    """Return one batch.

    Raises:
        ConfigError: There is no batch with this number.
    """
    row = connection.execute(sa.text("select * from meta.batch where batch_id = :id"), {"id": batch_id}).mappings()
    found = row.one_or_none()
    if found is None:
        raise ConfigError(f"unknown batch {batch_id}", cure="`python -m include.cli batch list` lists the batches")
    return from_row(found)


def queue(connection: Connection, source: str, entity: str | None = None) -> list[Batch]:
    """Return the batches of a source that are closed or held, oldest first."""
    rows = connection.execute(
        sa.text(
            "select * from meta.batch where source = :source and (:entity is null or entity = :entity)"
            " and state in ('closed', 'held') order by batch_id"
        ).bindparams(sa.bindparam("entity", type_=sa.Text)),
        {"source": source, "entity": entity},
    )
    return [from_row(row) for row in rows.mappings()]


def recent(connection: Connection, *, source: str = "", state: str = "", limit: int = 20) -> list[Batch]:
    """Return the newest batches first.

    Batches without rows are left out, unless they are landing or held or ``state`` is given.
    """
    rows = connection.execute(
        sa.text(
            "select * from meta.batch where (:source = '' or source = :source) and (:state = '' or state = :state)"
            " and (:state <> '' or n_rows > 0 or state in ('landing', 'held')) order by batch_id desc limit :n"
        ),
        {"source": source, "state": state, "n": limit},
    )
    return [from_row(row) for row in rows.mappings()]


def _last_queued(connection: Connection, source: str, entity: str) -> Batch | None:
    row = connection.execute(
        sa.text(
            "select * from meta.batch where source = :source and entity = :entity"
            " and state in ('landing', 'closed', 'held') order by batch_id desc limit 1"
        ),
        {"source": source, "entity": entity},
    )
    found = row.mappings().one_or_none()
    return from_row(found) if found else None


# Fields that the batches of one read share.
_READ_FIELDS = ("read_id", "position", "read_from", "until", "since", "is_full", "is_first_load", "read_mark")


def _unfinished(connection: Connection, source: str, entity: str, last: Batch | None) -> dict[str, Any] | None:
    """Return the values that the next batch of an unfinished read inherits, or None if there is no such read."""
    if last:
        if last.is_read_complete:
            return None
        return {key: getattr(last, key) for key in _READ_FIELDS}
    cursor = _cursor(connection, source, entity)
    if not cursor or not cursor["open_read"]:
        return None
    read = dict(cursor["open_read"])
    for key in ("read_from", "until", "since"):
        read[key] = datetime.fromisoformat(read[key]) if read[key] else None
    return read | {"read_mark": cursor["position"]}


def _new_read(connection: Connection, source: str, entity: str, last: Batch | None) -> dict[str, Any]:
    cursor = _cursor(connection, source, entity)
    position = last.cursor_after if last else cursor["position"] if cursor else None
    read_from = last.read_until if last else cursor["read_until"] if cursor else None
    return {
        "read_id": None,
        "position": position,
        "read_from": read_from,
        "is_first_load": position is None,
        "read_mark": None,
    }


def _cursor(connection: Connection, source: str, entity: str) -> RowMapping | None:
    return (
        connection.execute(
            sa.text("select * from meta.cursor where source = :source and entity = :entity"),
            {"source": source, "entity": entity},
        )
        .mappings()
        .one_or_none()
    )


def open_read(batch: Batch) -> dict[str, Any] | None:
    """Return the value for ``meta.cursor.open_read`` after this batch, or None if its read is finished."""
    if batch.is_read_complete:
        return None
    return {key: getattr(batch, key) for key in _READ_FIELDS if key != "read_mark"}


def to_json(value: Any) -> str | None:
    """Return JSON text for a ``jsonb`` parameter."""
    return None if value is None else orjson.dumps(value, default=str).decode()


_OPEN = sa.text(
    """
    insert into meta.batch (read_id, source, vendor, entity, state, position, read_from, until, since, is_full,
                            is_first_load, is_replay, read_mark, run_id, opened_at)
    values (:read_id, :source, :vendor, :entity, 'landing', :position, :read_from, :until, :since, :is_full,
            :is_first_load, :is_replay, :read_mark, :run_id, :now)
    returning *
    """
).bindparams(
    sa.bindparam("position", type_=JSONB(none_as_null=True)),
    sa.bindparam("read_mark", type_=JSONB(none_as_null=True)),
    sa.bindparam("read_id", type_=sa.BigInteger),
    sa.bindparam("read_from", type_=sa.DateTime(timezone=True)),
    sa.bindparam("since", type_=sa.DateTime(timezone=True)),
)
