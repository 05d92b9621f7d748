"""Tables of the models: created from their metadata, and replaced by the difference to what the query now gives.

Only rows that differ are written. A second build on unchanged sources therefore changes no row, and what did change is
known and can be carried on to the tables that read this one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import sqlalchemy as sa

from include.config import files
from include.errors import ConfigError, ContractError
from include.warehouse import restate, unread
from include.warehouse.models import Model
from include.warehouse.scope import EVERYONE, NOBODY, Piece

_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION = "23505", "23502"
# The planner's statistics of a table are gathered anew once so many rows have changed.
STALE_AFTER = 10_000
Parameters = Mapping[str, object]


@dataclass
class Replaced:
    """What a replacement did: rows that the query gave, and rows that differed."""

    n_rows: int = 0
    n_changed: int = 0


def prepare(connection: sa.Connection, model: Model) -> bool:
    """Create a model's table or view unless it is there as its metadata says.

    Returns:
        Whether the table is new, and so has to be filled from the first day; it gets its key then. A table whose
        columns or key are described otherwise than before is dropped and made anew: it is derived, nothing is lost.
    """
    signature = _signature(model)
    there = connection.execute(
        sa.text(
            "select c.relkind::text, obj_description(c.oid, 'pg_class') from pg_class as c"
            " where c.oid = to_regclass(:name)"
        ),
        {"name": model.name},
    ).one_or_none()
    if there and there[1] == signature:
        return False
    if there and model.metadata.materialisation == "frozen":
        _widen(connection, model, signature)
        return False
    if there:
        connection.exec_driver_sql(f"drop {'view' if there[0] == 'v' else 'table'} {model.name} cascade")
    if model.metadata.materialisation == "view":
        connection.exec_driver_sql(f"create view {model.name} as\n{_literal(_view(model))}")
        connection.exec_driver_sql(f"comment on view {model.name} is '{signature}'")
        return True
    columns = ", ".join(f'"{name}" {column.type}' for name, column in model.metadata.columns.items())
    by = f" partition by range ({model.metadata.window_column})" if _is_partitioned(model) else ""
    connection.exec_driver_sql(f"create table {model.name} ({columns}){by}")
    connection.exec_driver_sql(f"comment on table {model.name} is '{signature}'")
    return True


def _widen(connection: sa.Connection, model: Model, signature: str) -> None:
    """Give a table that cannot be made anew its new columns; those that are gone stay as they are."""
    for name, column in model.metadata.columns.items():
        connection.exec_driver_sql(f'alter table {model.name} add column if not exists "{name}" {column.type}')
    connection.exec_driver_sql(f"comment on table {model.name} is '{signature}'")


def lacks_month(connection: sa.Connection, model: Model, newest: date) -> bool:
    """Return whether a table that is there has no partition for the newest day, the last that it needs."""
    named = {"name": model.name, "month": f"{model.name}_{newest:%Y_%m}"}
    statement = sa.text("select to_regclass(:name) is not null and to_regclass(:month) is null")
    return bool(connection.execute(statement, named).scalar())


def partition(connection: sa.Connection, model: Model, start: date, end: date) -> None:
    """Create the monthly partitions for the days ``[start, end)`` where they are missing."""
    if not _is_partitioned(model) or start >= end:
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
    """Make the pieces of a table anew and write down what came out different.

    Args:
        connection: An open transaction of the builder; nothing counts until it is committed.
        build_id: Under which the changes are noted.
        model: The model.
        pieces: What to make anew.
        parameters: Of the query, beside the piece's own.
        is_new: Whether the table is empty, so that there is nothing to compare with.

    Raises:
        ContractError: The query gives two rows of one key, or a key with a null.
    """
    done = Replaced()
    if not pieces:
        return done
    columns = ", ".join(f'"{name}"' for name in model.metadata.columns)
    if not is_new:
        made = [f"create temp table {name} (like {model.name}) on commit drop" for name in ("incoming", "gone", "came")]
        made.append(f"create unique index on incoming ({', '.join(model.metadata.unique_key)})")
        connection.exec_driver_sql("; ".join(made))
    target = model.name if is_new else "incoming"
    for number, piece in enumerate(pieces):
        if number and not is_new:
            connection.exec_driver_sql("truncate incoming, gone, came")
        bound = {**parameters, **bounds(piece)}
        try:
            done.n_rows += execute(
                connection, f"insert into {target} ({columns})\nselect {columns} from (\n{model.query}\n) as q", bound
            ).rowcount
        except sa.exc.DBAPIError as error:
            raise readable(model, error) from None
        if not is_new:
            take = _add if model.metadata.materialisation == "frozen" else _apply
            n_changed = take(connection, model, piece, columns)
            done.n_changed += n_changed
            if n_changed:
                _note(connection, build_id, model)
            if n_changed and model.name == restate.TABLE:
                restate.note(connection, build_id)
    if is_new:
        _index(connection, model)
        done.n_changed = done.n_rows
        _note_all(connection, build_id, model)
    if done.n_changed > STALE_AFTER:
        for table in [model.name] if is_new else _written(model, pieces):
            connection.exec_driver_sql(f"analyze {table}")
    return done


def _written(model: Model, pieces: list[Piece]) -> list[str]:
    """Return the tables that hold the days of pieces: of a long history only the months that they lie in."""
    if not _is_partitioned(model):
        return [model.name]
    months = {day for piece in pieces for day in _months(piece.start, piece.end)}
    return [f"{model.name}_{month:%Y_%m}" for month in sorted(months)]


def _months(start: date, end: date) -> list[date]:
    """Return the first days of the months in which the days ``[start, end)`` lie."""
    found = [start.replace(day=1)]
    while (following := _following(found[-1])) < end:
        found.append(following)
    return found


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _index(connection: sa.Connection, model: Model) -> None:
    """Give a table that was just filled its key: sorted at once, it costs a fraction of what it costs row by row."""
    key = model.metadata.unique_key
    try:
        connection.exec_driver_sql(f"alter table {model.name} add primary key ({', '.join(key)})")
    except sa.exc.DBAPIError as error:
        raise readable(model, error) from None
    if model.metadata.materialisation == "account" and key[0] != "account_key":
        # By name is how a later build asks for the rows of a few accounts.
        connection.exec_driver_sql(f"create index on {model.name} (account_key)")


def bounds(piece: Piece) -> dict[str, object]:
    """Return a piece as the parameters that every query may use."""
    accounts = None if piece.accounts is None else list(piece.accounts)
    return {"start": piece.start, "end": piece.end, "accounts": accounts}


def execute(connection: sa.Connection, statement: str, parameters: Parameters) -> sa.CursorResult:
    """Run a statement with those of the parameters that it names."""
    clause = sa.text(statement)
    named = {name: parameters[name] for name in clause.compile().params}
    return connection.execute(clause, named)


def thin(connection: sa.Connection, model: Model, after: date, upto: date) -> int:
    """Drop the days of a windowed table that come after one day, up to another, except month ends."""
    column = model.metadata.window_column
    return connection.execute(
        sa.text(
            f"delete from {model.name} as t using meta.calendar as c"  # noqa: S608 - names from validated metadata
            f" where c.day = t.{column} and not c.is_month_end and t.{column} > :after and t.{column} <= :upto"
        ),
        {"after": after, "upto": upto},
    ).rowcount


def _apply(connection: sa.Connection, model: Model, piece: Piece, columns: str) -> int:
    """Bring the piece of the table to what is in ``incoming``; leave what differed in ``gone`` and ``came``."""
    where, bound = _where(model, piece)
    old = f"select {columns} from {model.name} as t where {where}"  # noqa: S608
    new = f"select {columns} from incoming"  # noqa: S608
    n_gone = execute(connection, f"insert into gone ({columns}) {old} except {new}", bound).rowcount
    n_came = execute(connection, f"insert into came ({columns}) {new} except {old}", bound).rowcount
    if n_gone:
        same = " and ".join(f't."{key}" = gone."{key}"' for key in model.metadata.unique_key)
        execute(connection, f"delete from {model.name} as t using gone where {same} and {where}", bound)  # noqa: S608
    if n_came:
        execute(connection, f"insert into {model.name} ({columns}) select {columns} from came", {})  # noqa: S608
    return n_gone + n_came


def _add(connection: sa.Connection, model: Model, piece: Piece, columns: str) -> int:
    """Take over the rows of ``incoming`` whose key is not there yet, and leave all others as they are."""
    same = " and ".join(f't."{key}" = i."{key}"' for key in model.metadata.unique_key)
    n_came = execute(
        connection,
        f"insert into came ({columns}) select {columns} from incoming as i"  # noqa: S608
        f" where not exists (select from {model.name} as t where {same})",
        {},
    ).rowcount
    if n_came:
        execute(connection, f"insert into {model.name} ({columns}) select {columns} from came", {})  # noqa: S608
    return n_came


def _where(model: Model, piece: Piece) -> tuple[str, dict[str, object]]:
    terms = []
    if model.metadata.is_windowed:
        column = f't."{model.metadata.window_column}"'
        terms.append(f"{column} >= :start and {column} < :end")
    if piece.accounts is not None:
        terms.append("t.account_key = any(:accounts)")
    return " and ".join(terms) or "true", bounds(piece)


def _note(connection: sa.Connection, build_id: str, model: Model) -> None:
    """Write down which accounts and days came out different."""
    meta = model.metadata
    account, grouped = f"'{EVERYONE}'", "having count(*) > 0"
    first, last = "cast(null as date)", "cast(null as date)"
    if "account_key" in meta.columns and meta.materialisation != "period":
        account, grouped = f"coalesce(account_key, '{NOBODY}')", "group by account_key"
    if meta.is_windowed:
        first, last = f"min({meta.window_column})", f"max({meta.window_column}) + 1"
    elif meta.affects:
        first = f"min({meta.affects.column})"
        last = f"max({meta.affects.column}) + {meta.affects.days}" if meta.affects.days else last
    execute(
        connection,
        "insert into meta.build_change (build_id, origin, account_key, from_day, to_day)"  # noqa: S608
        f" select :build_id, :origin, {account}, {first}, {last}"
        f" from (select * from gone union all select * from came) as d {grouped}",
        {"build_id": build_id, "origin": model.name},
    )


def _note_all(connection: sa.Connection, build_id: str, model: Model) -> None:
    execute(
        connection,
        "insert into meta.build_change (build_id, origin, account_key) values (:build_id, :origin, :everyone)",
        {"build_id": build_id, "origin": model.name, "everyone": EVERYONE},
    )


def _is_partitioned(model: Model) -> bool:
    return model.metadata.materialisation == "account_day"


def _signature(model: Model) -> str:
    meta = model.metadata
    said = (
        (meta.materialisation, " ".join(_view(model).split()))
        if meta.materialisation == "view"
        else (meta.materialisation, meta.window_column, meta.unique_key, [(n, c.type) for n, c in meta.columns.items()])
    )
    return f"perennial {hashlib.sha256(repr(said).encode()).hexdigest()[:16]}"


def _view(model: Model) -> str:
    """Return a view's query; one of staging leaves out what was never completely read."""
    return unread.visible(model.query, model.entities) if model.schema == "staging" else model.query


def _literal(query: str) -> str:
    """Return a query without parameters as the driver wants it."""
    return query.replace("%", "%%")


def readable(model: Model, error: sa.exc.DBAPIError, check: str = "") -> Exception:
    """Return what the database said of a model's query, or of one of its checks, as an error that names the file.

    What is not about the query (a lost connection, a full disk, a lock) is returned as it is.
    """
    state = getattr(error.orig, "sqlstate", None) or ""
    said = getattr(error.orig, "diag", None)
    message = str(getattr(said, "message_primary", None) or error.orig)
    place = f"sql/{model.folder}/checks.sql, {check}" if check else files.shown(model.path)
    if state in (_UNIQUE_VIOLATION, _NOT_NULL_VIOLATION):
        what = "gives two rows of one key" if state == _UNIQUE_VIOLATION else "gives a row without its key"
        detail = " ".join(str(getattr(said, "message_detail", None) or message).split())
        return ContractError(
            f"{place}: {what} ({', '.join(model.metadata.unique_key)}): {detail[:200]}",
            cure="correct the query, or unique_key in its metadata.yaml",
        )
    if state[:2] not in ("42", "22"):
        return error
    line = 0 if check else _line(error.statement or "", int(getattr(said, "statement_position", None) or 0))
    hint = str(getattr(said, "message_hint", None) or "correct the query")
    return ConfigError(f"{place}{f':{line}' if line else ''}: {model.name} cannot be built: {message}", cure=hint)


def _line(statement: str, position: int) -> int:
    """Return the line of the model's query at a position of the statement that the server was sent.

    The driver sends ``$1`` for each ``%(name)s``, and the query starts on the statement's third line.
    """
    numbers: dict[str, str] = {}
    sent = re.sub(r"%\((\w+)\)s", lambda found: numbers.setdefault(found[1], f"${len(numbers) + 1}"), statement)
    return max(0, sent[: position - 1].count("\n") - 1) if position else 0
