"""Create the views ``raw.<kind>__<entity>`` (``...__version``, ``...__history``) over all vendors of a kind."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import Connection

from include.entities.catalog import VENDORS, Kind, of_kind, raw_table, union_view


def ensure(connection: Connection) -> None:
    """Create the views, and replace those whose tables have changed.

    Args:
        connection: An open transaction of the loader, in which the tables exist.
    """
    known: dict[str, str] = dict(connection.execute(_COMMENTS).tuples().all())
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(_COLUMNS):
        columns.setdefault(table, []).append(column)
    for view, tables in _wanted().items():
        # `create or replace view` needs the existing columns in their order. New columns go to the end.
        names = list(dict.fromkeys([*columns.get(view, []), *(one for table in tables for one in columns[table])]))
        selects = [_select(table, [one if one in columns[table] else None for one in names]) for table in tables]
        about = hashlib.sha256(repr((names, selects)).encode()).hexdigest()[:16]
        if known.get(view) != about:
            _replace(connection, view, names, selects, about)


def _wanted() -> dict[str, list[str]]:
    """Return view -> tables."""
    wanted: dict[str, list[str]] = {}
    kinds: tuple[Kind, ...] = ("crm", "support")
    for kind in kinds:
        vendors = sorted(vendor for vendor, its_kind in VENDORS.items() if its_kind == kind)
        for entity in of_kind(kind):
            for end in ("", "__version", "__history") if entity.history else ("",):
                wanted[union_view(kind, entity.name) + end] = [raw_table(one, entity.name) + end for one in vendors]
    return wanted


def _select(table: str, names: list[str | None]) -> sql.Composed:
    """Return the select of one table. None stands for a column that only other tables have."""
    columns = sql.SQL(", ").join(sql.Identifier(name) if name else sql.NULL for name in names)
    return sql.SQL("select {} from {}").format(columns, sql.Identifier("raw", table))


def _replace(connection: Connection, view: str, names: list[str], selects: list[sql.Composed], about: str) -> None:
    name = sql.Identifier("raw", view)
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    union = sql.SQL(" union all ").join(selects)
    for statement in (
        sql.SQL("create or replace view {} ({}) as {}").format(name, columns, union),
        sql.SQL("comment on view {} is {}").format(name, sql.Literal(about)),
    ):
        connection.exec_driver_sql(statement.as_string())


_COMMENTS = sa.text(
    "select relname, obj_description(oid, 'pg_class') from pg_class where relnamespace = 'raw'::regnamespace"
    " and relkind = 'v'"
)
_COLUMNS = sa.text(
    "select table_name, column_name from information_schema.columns where table_schema = 'raw'"
    " order by table_name, ordinal_position"
)
