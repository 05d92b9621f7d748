"""Land pages of records in batch tables with COPY."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateTable

from include.common.errors import Unavailable
from include.entities.catalog import ENTITIES, Entity
from include.ingest import batches, row_values, suppression
from include.ingest.batches import Batch
from include.warehouse.raw_tables import _TIMESTAMP, _entity_columns

if TYPE_CHECKING:
    from include.connectors.base import Page

# From this many rows on, an index costs less than the scans it saves.
_INDEXED_ROWS = 10_000


def land_page(connection: Connection, batch: Batch, page: Page) -> Batch:
    """Store one page and its read mark in one commit. The last page of a read also closes the batch.

    Args:
        connection: From ``batches.reading``.
        batch: The batch as of the previous page.
        page: May have no records.

    Returns:
        The batch after this page.

    Raises:
        Unavailable: Somebody dropped the batch in the meantime.
    """
    entity = ENTITIES[batch.entity]
    with connection.begin():
        # Losing the last commits in a crash is harmless: rows and read mark are lost together and read again.
        connection.execute(sa.text("set local synchronous_commit = off"))
        page = suppression.keep(connection, batch.source, entity, page)
        table = batch.table_name
        if page.records and not table:
            table = create_batch_table(connection, batch, entity)
        n_cleaned = (
            copy_page(connection, sql.Identifier("raw", table), entity, page, batch.n_rows) if page.records else 0
        )
        batch = replace(
            batch,
            table_name=table,
            read_mark=page.mark,
            n_rows=batch.n_rows + len(page.records),
            n_cleaned=batch.n_cleaned + n_cleaned,
        )
        updated = connection.execute(
            _LANDED,
            {
                "batch_id": batch.batch_id,
                "table_name": table,
                "mark": batches.to_json(page.mark),
                "n_rows": batch.n_rows,
                "n_cleaned": batch.n_cleaned,
            },
        )
        if not updated.rowcount:
            raise Unavailable(
                f"batch {batch.batch_id} of {batch.source}.{batch.entity} was dropped during its read",
                cure="run again to read it again",
            )
        if page.next_position is not None:
            batch = _close(connection, batch, position=page.next_position, read_until=page.read_until)
    return batch


def close_full(connection: Connection, batch: Batch) -> Batch:
    """Close a batch that has reached the maximum number of rows. Its read continues in the next batch."""
    with connection.begin():
        return _close(connection, batch, position=None, read_until=None)


_LANDED = sa.text(
    "update meta.batch set table_name = :table_name, read_mark = cast(:mark as jsonb), n_rows = :n_rows,"
    " n_cleaned = :n_cleaned where batch_id = :batch_id and state = 'landing'"
)


def _close(connection: Connection, batch: Batch, *, position: dict | None, read_until: datetime | None) -> Batch:
    batches.close(connection, batch, position=position, read_until=read_until)
    if batch.table_name:
        # Only the columns used in joins: analyzing all of them takes as long as landing a third of the rows.
        entity = ENTITIES[batch.entity]
        joined = ", ".join(filter(None, ("_row", "id", entity.account_ref, entity.part_of)))
        connection.execute(sa.text(f"analyze raw.{batch.table_name} ({joined})"))
        if batch.n_rows >= _INDEXED_ROWS and entity.account_ref:
            # Until the merge, records that reference these look up their account by id: known_accounts.py.
            connection.execute(sa.text(f"create index on raw.{batch.table_name} (id)"))
    if batch.is_full:
        _store_seen_ids(connection, batch)
    return batches.get(connection, batch.batch_id)


def _store_seen_ids(connection: Connection, batch: Batch) -> None:
    """Store the ids found by a full read. At its end, stored records that are not among them are marked as deleted."""
    seen = batch.seen_table
    connection.execute(sa.text(f"create table if not exists raw.{seen} (id text not null, batch_id bigint not null)"))
    if batch.table_name:
        connection.execute(
            sa.text(f"insert into raw.{seen} select distinct id, {batch.batch_id} from raw.{batch.table_name}")  # noqa: S608
        )
    connection.execute(sa.text(f"analyze raw.{seen}"))


def create_batch_table(connection: Connection, batch: Batch, entity: Entity) -> str:
    """Create the table for a batch's rows, and return its name."""
    name = f"batch_{batch.batch_id}"
    table = sa.Table(
        name,
        sa.MetaData(schema="raw"),
        sa.Column("_row", sa.BigInteger, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        *_entity_columns(entity),
        sa.Column("payload", JSONB),
        sa.Column("_source_at", _TIMESTAMP),
        sa.Column("_is_deleted", sa.Boolean, nullable=False),
        sa.Column("_problems", sa.ARRAY(sa.Text)),  # "amount=1,0O0": values that do not fit their column
        sa.Column("_failed", sa.ARRAY(sa.Text)),  # critical rules that the row fails; such a row is not merged
    )
    connection.execute(CreateTable(table))
    return name


class _Json(Dumper):
    """Send bytes that are already JSON. psycopg's own dumper would encode them again."""

    format = Format.BINARY
    oid = psycopg.adapters.types["jsonb"].oid

    def dump(self, obj: bytes) -> bytes:
        return b"\x01" + obj  # version byte of the binary format


def copy_page(connection: Connection, table: sql.Identifier, entity: Entity, page: Page, n_before: int) -> int:
    """COPY a page's records, numbered in ``_row``, and return how many needed cleaning.

    The binary format needs a fifth of the work of the text format. Timestamps in particular are expensive to write and
    parse as text.
    """
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        table,
        sql.SQL(", ").join(sql.Identifier(name) for name in ("_row", *row_values.columns(entity))),
    )
    n_cleaned = 0
    driver = cast(psycopg.Connection, connection.connection.driver_connection)
    with driver.cursor() as cursor:
        cursor.adapters.register_dumper(bytes, _Json)
        with cursor.copy(statement) as copy:
            copy.set_types(("int8", *row_values.types(entity)))
            for number, record in enumerate(page.records, start=n_before + 1):
                made = row_values.to_row(entity, record)
                n_cleaned += made.is_cleaned
                copy.write_row((number, *made.values))
    return n_cleaned
