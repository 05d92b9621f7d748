"""Replace rows of the models' tables by writing only the difference to the query's result.

A second build on unchanged sources therefore changes no row, and the differing rows are known, so that downstream
tables can be updated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

import sqlalchemy as sa

from include.models import former_inputs, former_links, restatements
from include.models.increments import ALL_ACCOUNTS, NO_ACCOUNT, Piece
from include.models.query_errors import readable
from include.models.registry import Model
from include.models.tables import is_partitioned

# Analyze a table once this many rows have changed.
ANALYZE_AFTER = 10_000
# Rows of the query, and its differences to the table.
_TEMPORARY = ("incoming", "removed", "added")
Parameters = Mapping[str, object]


@dataclass
class Replaced:
    """Rows returned by the query, and removed plus added rows."""

    n_rows: int = 0
    n_changed: int = 0


def partition(connection: sa.Connection, model: Model, start: date, end: date) -> None:
    """Create the missing monthly partitions for the days ``[start, end)``."""
    if not is_partitioned(model) or start >= end:
        return
    found = connection.execute(
        sa.text(
            "select c.relname from pg_inherits join pg_class as c on c.oid = inhrelid"
            " where inhparent = to_regclass(:name)"
        ),
        {"name": model.name},
    )
    existing = set(found.scalars())
    months = _months(start, end)
    for month, following in pairwise([*months, _following(months[-1])]):
        name = f"{model.table}_{month:%Y_%m}"
        if name not in existing:
            connection.exec_driver_sql(
                f"create table {model.schema}.{name} partition of {model.name}"
                f" for values from ('{month}') to ('{following}')"
            )


def replace(
    connection: sa.Connection, build_id: str, model: Model, pieces: list[Piece], parameters: Parameters, *, is_new: bool
) -> Replaced:
    """Rebuild pieces of a table and record the differences.

    Args:
        connection: An open transaction of the builder. Nothing counts until it commits.
        build_id: The build that records the changes.
        pieces: The pieces to rebuild.
        parameters: Parameters of the query, besides those of the piece.
        is_new: Whether the table is empty, so that there is nothing to compare with.

    Raises:
        ContractError: The query returns two rows with one key, or a key with a null.
    """
    done = Replaced()
    if not pieces:
        return done
    columns = ", ".join(f'"{name}"' for name in model.metadata.columns)
    if not is_new:
        statements = [f"create temp table {name} (like {model.name}) on commit drop" for name in _TEMPORARY]
        statements.append(f"create unique index on incoming ({', '.join(model.metadata.unique_key)})")
        connection.exec_driver_sql("; ".join(statements))
    target = model.name if is_new else "incoming"
    for number, piece in enumerate(pieces):
        if number and not is_new:
            connection.exec_driver_sql(f"truncate {', '.join(_TEMPORARY)}")
        bound = {**parameters, **bounds(piece)}
        try:
            done.n_rows += execute(
                connection, f"insert into {target} ({columns})\nselect {columns} from (\n{model.query}\n) as q", bound
            ).rowcount
        except sa.exc.DBAPIError as error:
            raise readable(model, error) from None
        if not is_new:
            write = _add if model.metadata.materialisation == "frozen" else _apply
            n_changed = write(connection, model, piece, columns)
            done.n_changed += n_changed
            if n_changed:
                _record_changes(connection, build_id, model)
            if n_changed and model.name == restatements.TABLE:
                restatements.record(connection, build_id)
            if n_changed and model.name == former_links.TABLE:
                former_links.record(connection, build_id)
            if n_changed and model.name == former_inputs.TABLE:
                former_inputs.record(connection, build_id, piece)
    if is_new:
        _index(connection, model)
        done.n_changed = done.n_rows
        _record_all(connection, build_id, model)
    if done.n_changed > ANALYZE_AFTER:
        for table in [model.name] if is_new else _written(model, pieces):
            connection.exec_driver_sql(f"analyze {table}")
    return done


def _written(model: Model, pieces: list[Piece]) -> list[str]:
    """Return the tables that hold the days of the pieces. Of a partitioned table, only the months that were written."""
    if not is_partitioned(model):
        return [model.name]
    months = {day for piece in pieces for day in _months(piece.start, piece.end)}
    return [f"{model.name}_{month:%Y_%m}" for month in sorted(months)]


def _months(start: date, end: date) -> list[date]:
    """Return the first day of each month of the days ``[start, end)``."""
    found = [start.replace(day=1)]
    while (following := _following(found[-1])) < end:
        found.append(following)
    return found


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _index(connection: sa.Connection, model: Model) -> None:
    """Add the primary key to a table that was just filled: one sort costs a fraction of inserting row by row.

    A table that was emptied, not created, may still have its key.
    """
    key = model.metadata.unique_key
    statements = (
        "do $$ begin if not exists"
        f" (select from pg_index where indrelid = '{model.name}'::regclass and indisprimary)"
        f" then alter table {model.name} add primary key ({', '.join(key)}); end if; end $$"
    )
    if model.metadata.materialisation == "account" and key[0] != "account_key":
        # Later builds select the rows of a few accounts by this column.
        statements += f"; create index if not exists {model.table}_account_key_idx on {model.name} (account_key)"
    try:
        connection.exec_driver_sql(statements)
    except sa.exc.DBAPIError as error:
        raise readable(model, error) from None


def bounds(piece: Piece) -> dict[str, object]:
    """Return a piece as query parameters."""
    accounts = None if piece.accounts is None else list(piece.accounts)
    return {"start": piece.start, "end": piece.end, "accounts": accounts}


def execute(connection: sa.Connection, statement: str, parameters: Parameters) -> sa.CursorResult:
    """Run a statement with the parameters that it names."""
    return connection.execute(_clause(statement), parameters)


_clause = lru_cache(maxsize=512)(sa.text)  # a build runs the same models for each of its pieces


def thin(connection: sa.Connection, model: Model, after: date, upto: date) -> int:
    """Delete the days of a windowed table after one day and up to another, except month ends."""
    column = model.metadata.window_column
    return connection.execute(
        sa.text(
            f"delete from {model.name} as t using meta.calendar as c"  # noqa: S608 - names from validated metadata
            f" where c.day = t.{column} and not c.is_month_end and t.{column} > :after and t.{column} <= :upto"
        ),
        {"after": after, "upto": upto},
    ).rowcount


def _apply(connection: sa.Connection, model: Model, piece: Piece, columns: str) -> int:
    """Change a piece of the table to match ``incoming``. Leave the differences in ``removed`` and ``added``."""
    where, bound = _where(model, piece)
    old = f"select {columns} from {model.name} as t where {where}"  # noqa: S608
    new = f"select {columns} from incoming"  # noqa: S608
    n_removed = execute(connection, f"insert into removed ({columns}) {old} except {new}", bound).rowcount
    n_added = execute(connection, f"insert into added ({columns}) {new} except {old}", bound).rowcount
    if n_removed:
        same = " and ".join(f't."{key}" = removed."{key}"' for key in model.metadata.unique_key)
        execute(connection, f"delete from {model.name} as t using removed where {same} and {where}", bound)  # noqa: S608
    if n_added:
        execute(connection, f"insert into {model.name} ({columns}) select {columns} from added", {})  # noqa: S608
    return n_removed + n_added


def _add(connection: sa.Connection, model: Model, piece: Piece, columns: str) -> int:
    """Add the rows of ``incoming`` whose key is new, and leave all others as they are."""
    same = " and ".join(f't."{key}" = i."{key}"' for key in model.metadata.unique_key)
    n_added = execute(
        connection,
        f"insert into added ({columns}) select {columns} from incoming as i"  # noqa: S608
        f" where not exists (select from {model.name} as t where {same})",
        {},
    ).rowcount
    if n_added:
        execute(connection, f"insert into {model.name} ({columns}) select {columns} from added", {})  # noqa: S608
    return n_added


def _where(model: Model, piece: Piece) -> tuple[str, dict[str, object]]:
    terms = []
    if model.metadata.is_windowed:
        column = f't."{model.metadata.window_column}"'
        terms.append(f"{column} >= :start and {column} < :end")
    if piece.accounts is not None:
        terms.append("t.account_key = any(:accounts)")
    return " and ".join(terms) or "true", bounds(piece)


def _record_changes(connection: sa.Connection, build_id: str, model: Model) -> None:
    """Record which accounts and days differ."""
    meta = model.metadata
    account, grouped = f"'{ALL_ACCOUNTS}'", "having count(*) > 0"
    first, last = "cast(null as date)", "cast(null as date)"
    if "account_key" in meta.columns and meta.materialisation != "period":
        account, grouped = f"coalesce(account_key, '{NO_ACCOUNT}')", "group by account_key"
    if meta.is_windowed:
        first, last = f"min({meta.window_column})", f"max({meta.window_column}) + 1"
    elif meta.affects:
        first = f"min({meta.affects.column})"
        last = f"max({meta.affects.column}) + {meta.affects.days}" if meta.affects.days else last
    execute(
        connection,
        "insert into meta.build_change (build_id, origin, account_key, from_day, to_day)"  # noqa: S608
        f" select :build_id, :origin, {account}, {first}, {last}"
        f" from (select * from removed union all select * from added) as d {grouped}",
        {"build_id": build_id, "origin": model.name},
    )


def _record_all(connection: sa.Connection, build_id: str, model: Model) -> None:
    execute(
        connection,
        "insert into meta.build_change (build_id, origin, account_key) values (:build_id, :origin, :all_accounts)",
        {"build_id": build_id, "origin": model.name, "all_accounts": ALL_ACCOUNTS},
    )
