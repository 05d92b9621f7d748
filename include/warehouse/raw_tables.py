"""Create the tables of schema ``raw`` from the entity catalog.

Next to ``source``, ``id`` and the entity's columns, a raw table ``raw.<vendor>__<entity>`` has:

* ``payload``: mapped fields of the vendor's record, and those on the allow-list;
* ``_source_at``: the last change of this version, by the source's clock;
* ``_is_deleted``, ``_deleted_at``: the tombstone;
* ``_hash``, ``_batch_id``, ``_loaded_at``, ``_first_loaded_at``.

Entities with history keep every version in ``raw.<vendor>__<entity>__version``, without payload. There ``_loaded_at``
is the time from which Perennial knew the version, and ``_is_first_load`` marks versions of the first load.
``raw.<vendor>__<entity>__history`` holds older values, backfilled from the vendor's own history.

Views ``raw.<kind>__<entity>`` union the rows of all vendors of a kind, so that models need no SQL per vendor.
"""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from include.entities.catalog import VENDORS, ColumnType, Entity, Kind, of_kind, raw_table
from include.warehouse import raw_views
from include.warehouse.engine import engine

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
_TIMESTAMP = _TYPES["timestamptz"]


def ensure_raw_tables() -> None:
    """Create missing raw tables, columns, indexes and views for all known vendors."""
    vendors = tuple(VENDORS.items())
    with engine("loader").begin() as connection:
        if (vendors, connection.execute(_STATE).scalar()) in _complete:
            return
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": TABLES_LOCK})
        present, indexed = _present_columns(connection), set(connection.execute(_INDEXES).scalars())
        for table in _raw_tables(vendors):
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
        _complete.add((vendors, connection.execute(_STATE).scalar()))


def _start_history(connection: Connection, table: sa.Table) -> None:
    """Fill the version table of an entity that had none with the stored rows."""
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


# Schema states found complete. Every step checks this, and comparing every column takes ten times as long.
_complete: set[tuple[tuple[tuple[str, Kind], ...], str | None]] = set()
_STATE = sa.text(
    """
    select md5(string_agg(line, ',' order by line))
    from (
        select concat_ws(' ', c.relname, c.relkind, a.attnum, a.attname) as line
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid
        where c.relnamespace = 'raw'::regnamespace and c.relkind in ('r', 'v', 'i') and a.attnum > 0
            and not a.attisdropped and not starts_with(c.relname, 'batch_')
        union all
        select concat_ws(' ', relname, obj_description(oid, 'pg_class'))
        from pg_class
        where relnamespace = 'raw'::regnamespace and relkind = 'v'
    ) as lines
    """
)
_INDEXES = sa.text("select indexname from pg_indexes where schemaname = 'raw'")


@cache
def _raw_tables(vendors: tuple[tuple[str, Kind], ...]) -> list[sa.Table]:
    """Return the definitions of all raw tables. They are cached, since building them takes longer than a lookup."""
    metadata = sa.MetaData(schema="raw")
    tables = []
    for vendor, kind in vendors:
        for entity in of_kind(kind):
            name = raw_table(vendor, entity.name)
            tables.append(_current(metadata, name, entity))
            if entity.history:
                tables.append(_versions(metadata, f"{name}__version", entity))
                tables.append(_history(metadata, f"{name}__history", entity))
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
        sa.Column("_first_loaded_at", _TIMESTAMP, nullable=False),
    )
    for column in filter(None, (entity.account_ref, entity.part_of, entity.made_by)):
        # The expression that staging uses: no model would use an index on the bare column.
        sa.Index(f"{name}__by_{column}", table.c.source, sa.text(f"nullif(trim({column}), '')"))
    _index_arrival(table, name, entity)
    if entity.dirty_days:  # facts per day: builds query a window of days
        sa.Index(f"{name}__window", table.c[entity.dirty_from])
    return table


def _index_arrival(table: sa.Table, name: str, entity: Entity) -> None:
    """Index the arrival of rows that may name another account than their deal or ticket: each build asks for new ones.

    Rows are appended, so an entry for each range of pages suffices.
    """
    if entity.name in ("contract_line", "rating", "ticket_event"):
        sa.Index(f"{name}__arrival", table.c._loaded_at, postgresql_using="brin")


def _versions(metadata: sa.MetaData, name: str, entity: Entity) -> sa.Table:
    table = sa.Table(
        name,
        metadata,
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        *_entity_columns(entity),
        *_own_columns(is_versioned=True),
        sa.Column("_is_first_load", sa.Boolean, nullable=False),
    )
    _index_arrival(table, name, entity)
    return table


def _history(metadata: sa.MetaData, name: str, entity: Entity) -> sa.Table:
    table = sa.Table(
        name,
        metadata,
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        *_entity_columns(entity),
        sa.Column("_source_at", _TIMESTAMP, primary_key=True),
        sa.Column("_loaded_at", _TIMESTAMP, nullable=False),
    )
    _index_arrival(table, name, entity)
    return table


def _entity_columns(entity: Entity) -> list[sa.Column]:
    return [sa.Column(column.name, _TYPES[column.type]) for column in entity.columns]


def _own_columns(is_versioned: bool = False) -> list[sa.Column]:
    return [
        sa.Column("_source_at", _TIMESTAMP),
        sa.Column("_is_deleted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("_deleted_at", _TIMESTAMP),
        sa.Column("_hash", sa.Text, nullable=False),
        sa.Column("_batch_id", sa.BigInteger, primary_key=is_versioned, nullable=False, autoincrement=False),
        sa.Column("_loaded_at", _TIMESTAMP, nullable=False),
    ]
