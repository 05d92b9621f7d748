"""Raw tables, and landing pages of records in batch tables by COPY.

A raw table ``raw.<vendor>__<entity>`` has, beside ``source``, ``id`` and the entity's columns:

* ``payload``: what the source said, mapped fields and an allow-list;
* ``_source_at``: the source's clock of this version; ``_is_deleted``, ``_deleted_at``: the tombstone;
* ``_hash``, ``_batch_id``, ``_loaded_at``, ``_first_loaded_at``.

Entities with history have every version besides in ``raw.<vendor>__<entity>__version`` (no payload), whose
``_loaded_at`` says from when on the version was known and ``_is_first_load`` that it came with the first load.
What a record was before, as its vendor remembers it, is in ``raw.<vendor>__<entity>__past`` (see ``past.py``).

Views ``raw.<kind>__<entity>`` have the rows of all vendors of a kind: the SQL reads them and needs no line per vendor.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, cast

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from include.errors import Unavailable
from include.sources.entities import ENTITIES, VENDORS, ColumnType, Entity, Kind, of_kind, raw_table
from include.warehouse import batches, erased, raw_views, values
from include.warehouse.batches import Batch
from include.warehouse.engine import engine

if TYPE_CHECKING:
    from include.sources.base import Page

TABLES_LOCK = 0x5054_4142
_TYPES: dict[ColumnType, sa.types.TypeEngine] = {
    "text": sa.Text(),
    "bigint": sa.BigInteger(),
    "numeric": sa.Numeric(),
    "double precision": sa.Double(),
    "date": sa.Date(),
    "timestamptz": sa.DateTime(timezone=True),
    "boolean": sa.Boolean(),
    "jsonb": JSONB(),
}
_MOMENT = _TYPES["timestamptz"]


def ensure_raw_tables() -> None:
    """Create the raw tables of all known vendors, columns and indexes that an entity has got since, and the views."""
    with engine("loader").begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": TABLES_LOCK})
        present, indexed = _present_columns(connection), set(connection.execute(_INDEXES).scalars())
        for table in _raw_tables(tuple(VENDORS.items())):
            if table.name not in present:
                connection.execute(CreateTable(table))
                if table.name.removesuffix("__version") in present:
                    _start_history(connection, table)
            for column in table.columns:
                if column.name not in present.get(table.name, {column.name}):
                    definition = CreateColumn(column).compile(dialect=connection.dialect)
                    connection.execute(sa.DDL(f"alter table raw.{table.name} add column {definition}"))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                if index.name not in indexed:
                    connection.execute(CreateIndex(index))
        raw_views.ensure(connection)


def _start_history(connection: Connection, table: sa.Table) -> None:
    """Fill the versions of an entity that has had none so far with what is stored now."""
    names = ", ".join(column.name for column in table.columns if column.name != "_is_first_load")
    connection.execute(
        sa.text(
            f"insert into raw.{table.name} ({names}, _is_first_load)"  # noqa: S608 - names from entities.py
            f" select {names}, true from raw.{table.name.removesuffix('__version')}"
        )
    )


def _present_columns(connection: Connection) -> dict[str, set[str]]:
    rows = connection.execute(
        sa.text("select table_name, column_name from information_schema.columns where table_schema = 'raw'")
    )
    present: dict[str, set[str]] = {}
    for table, column in rows:
        present.setdefault(table, set()).add(column)
    return present


_INDEXES = sa.text("select indexname from pg_indexes where schemaname = 'raw'")


@cache
def _raw_tables(vendors: tuple[tuple[str, Kind], ...]) -> list[sa.Table]:
    """Return what every entity's tables are like. Made once: describing them takes longer than looking them up."""
    metadata = sa.MetaData(schema="raw")
    tables = []
    for vendor, kind in vendors:
        for entity in of_kind(kind):
            name = raw_table(vendor, entity.name)
            tables.append(_current(metadata, name, entity))
            if entity.history:
                tables.append(_versions(metadata, f"{name}__version", entity))
                tables.append(_past(metadata, f"{name}__past", entity))
    return tables


def _current(metadata: sa.MetaData, name: str, entity: Entity) -> sa.Table:
    table = sa.Table(
        name,
        metadata,
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        *_entity_columns(entity),
        sa.Column("payload", JSONB),
        *_own_columns(),
        sa.Column("_first_loaded_at", _MOMENT, nullable=False),
    )
    for column in filter(None, (entity.account_ref, entity.part_of, entity.made_by)):
        # As staging writes it: an index on the bare column would serve none of the models.
        sa.Index(f"{name}__by_{column}", table.c.source, sa.text(f"nullif(trim({column}), '')"))
    if entity.dirty_days:  # facts of a day: builds ask for a window of days
        sa.Index(f"{name}__window", table.c[entity.dirty_from])
    return table


def _versions(metadata: sa.MetaData, name: str, entity: Entity) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        *_entity_columns(entity),
        *_own_columns(is_versioned=True),
        sa.Column("_is_first_load", sa.Boolean, nullable=False),
    )


def _past(metadata: sa.MetaData, name: str, entity: Entity) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        *_entity_columns(entity),
        sa.Column("_source_at", _MOMENT, primary_key=True),
        sa.Column("_loaded_at", _MOMENT, nullable=False),
    )


def _entity_columns(entity: Entity) -> list[sa.Column]:
    return [sa.Column(column.name, _TYPES[column.type]) for column in entity.columns]


def _own_columns(is_versioned: bool = False) -> list[sa.Column]:
    return [
        sa.Column("_source_at", _MOMENT),
        sa.Column("_is_deleted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("_deleted_at", _MOMENT),
        sa.Column("_hash", sa.Text, nullable=False),
        sa.Column("_batch_id", sa.BigInteger, primary_key=is_versioned, nullable=False, autoincrement=False),
        sa.Column("_loaded_at", _MOMENT, nullable=False),
    ]


def land_page(connection: Connection, batch: Batch, page: Page) -> Batch:
    """Store one page and the mark behind it in one commit; the last page of a read closes the batch with it.

    Args:
        connection: As ``batches.reading`` yields it.
        batch: The batch as it was after the page before.
        page: Its records may be none.

    Returns:
        The batch as it is now.

    Raises:
        Unavailable: Somebody dropped the batch meanwhile.
    """
    entity = ENTITIES[batch.entity]
    with connection.begin():
        # Losing the last commits in a crash costs nothing: rows and mark are lost together and read again.
        connection.execute(sa.text("set local synchronous_commit = off"))
        page = erased.keep(connection, batch.source, entity, page)
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
                f"batch {batch.batch_id} of {batch.source}.{batch.entity} was dropped while it was being read",
                cure="run again: it is read anew",
            )
        if page.next_position is not None:
            batch = _close(connection, batch, position=page.next_position, read_until=page.read_until)
    return batch


def close_full(connection: Connection, batch: Batch) -> Batch:
    """Close a batch that has as many rows as a batch may have; its read goes on in the next one."""
    with connection.begin():
        return _close(connection, batch, position=None, read_until=None)


_LANDED = sa.text(
    "update meta.batch set table_name = :table_name, read_mark = cast(:mark as jsonb), n_rows = :n_rows,"
    " n_cleaned = :n_cleaned where batch_id = :batch_id and state = 'landing'"
)


def _close(connection: Connection, batch: Batch, *, position: dict | None, read_until: datetime | None) -> Batch:
    batches.close(connection, batch, position=position, read_until=read_until)
    if batch.table_name:
        # Only what others are joined by; to look at every column takes as long as landing a third of the rows.
        entity = ENTITIES[batch.entity]
        joined = ", ".join(filter(None, ("_row", "id", entity.account_ref, entity.part_of)))
        connection.execute(sa.text(f"analyze raw.{batch.table_name} ({joined})"))
    if batch.is_full:
        _note_seen(connection, batch)
    return batches.get(connection, batch.batch_id)


def _note_seen(connection: Connection, batch: Batch) -> None:
    """Keep the ids that a full read has met until its end, when those not among them are known to be gone."""
    seen = batch.seen_table
    connection.execute(sa.text(f"create table if not exists raw.{seen} (id text not null, batch_id bigint not null)"))
    if batch.table_name:
        connection.execute(
            sa.text(f"insert into raw.{seen} select distinct id, {batch.batch_id} from raw.{batch.table_name}")  # noqa: S608
        )
    connection.execute(sa.text(f"analyze raw.{seen}"))


def create_batch_table(connection: Connection, batch: Batch, entity: Entity) -> str:
    """Create the table that a batch's rows are landed in, and return its name."""
    name = f"batch_{batch.batch_id}"
    table = sa.Table(
        name,
        sa.MetaData(schema="raw"),
        sa.Column("_row", sa.BigInteger, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        *_entity_columns(entity),
        sa.Column("payload", JSONB),
        sa.Column("_source_at", _MOMENT),
        sa.Column("_is_deleted", sa.Boolean, nullable=False),
        sa.Column("_problems", sa.ARRAY(sa.Text)),  # "amount=1,0O0": values that their column cannot hold
        sa.Column("_failed", sa.ARRAY(sa.Text)),  # the critical rules that the row breaks: it is not merged
    )
    connection.execute(CreateTable(table))
    return name


class _Json(Dumper):
    """Sends what is JSON already; psycopg's own would make it JSON once more."""

    format = Format.BINARY
    oid = psycopg.adapters.types["jsonb"].oid

    def dump(self, obj: bytes) -> bytes:
        return b"\x01" + obj  # the version of the binary form


def copy_page(connection: Connection, table: sql.Identifier, entity: Entity, page: Page, n_before: int) -> int:
    """COPY a page's records, numbered in ``_row``, and return how many needed cleaning.

    In binary, which is a fifth of the work that text is: above all moments cost much to write and to read as text.
    """
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
        table,
        sql.SQL(", ").join(sql.Identifier(name) for name in ("_row", *values.columns(entity))),
    )
    n_cleaned = 0
    driver = cast(psycopg.Connection, connection.connection.driver_connection)
    with driver.cursor() as cursor:
        cursor.adapters.register_dumper(bytes, _Json)
        with cursor.copy(statement) as copy:
            copy.set_types(("int8", *values.types(entity)))
            for number, record in enumerate(page.records, start=n_before + 1):
                made = values.to_row(entity, record)
                n_cleaned += made.is_cleaned
                copy.write_row((number, *made.values))
    return n_cleaned
