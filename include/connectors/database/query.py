"""The customer's SQL queries, one file per entity: loading them and checking their syntax and columns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from sqlglot import exp

from include.common.errors import ConfigError
from include.config import files
from include.entities.catalog import ENTITIES, Kind, of_kind
from include.warehouse import sql_guard

FOLDER = "sources"
SHARED = "product"
# Below a folder of queries: files with tables that all its queries may use, one file per loader that landed the data.
PARTS = "parts"
COMMON = "shared"
PARAMETERS = ("since", "until")
# Placeholder for a parameter while SQL is rendered, because each dialect writes parameters differently.
_PARAMETER_MARK = "perennial_{}_place"


@dataclass(frozen=True)
class Query:
    """One SQL file.

    Args:
        entity: The entity that it returns.
        parameters: Which of ``:since`` and ``:until`` it uses.
        executable: The SQL for SQLAlchemy, rendered from the checked statement, without comments.
        is_always_full: ``updated_at`` is always null, so each read returns all rows.
        parts: The files whose tables it may use.
    """

    entity: str
    path: Path
    text: str
    parameters: frozenset[str] = frozenset()
    executable: str = ""
    is_always_full: bool = False
    parts: tuple[Query, ...] = ()

    def error(self, message: str, *, line: int | None = None, column: int | None = None, cure: str) -> ConfigError:
        """Return an error that names the file and, if known, line and column."""
        place = ":".join(str(part) for part in (files.shown(self.path), line, column) if part is not None)
        return ConfigError(f"{place}: {message}", cure=cure)

    def error_about(self, message: str, *, cure: str) -> ConfigError:
        """Return an error at the place where the file has the name that the message quotes."""
        for name in re.findall(r"[\"'`]([^\"'`]+)[\"'`]|(?:column:?|relation|table:?) ([\w.]+)", message):
            for file in (self, *self.parts):
                if found := file._find(name[0] or name[1]):
                    return file.error(message, line=found[0], column=found[1], cure=cure)
        return self.error(message, cure=cure)

    def check_columns(self, names: list[str]) -> None:
        """Check that the query returns ``id`` and ``updated_at``, and only columns of the entity.

        Raises:
            ConfigError: Names file, line and column.
        """
        known = [*ENTITIES[self.entity].column_names, "id", "is_deleted"]
        for required in ("id", "updated_at"):
            if required not in names:
                raise self.error(f"returns no column {required}", line=1, cure=f"select an expression `as {required}`")
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                line, column = self._find(name) or (1, None)
                cure = f"did you mean {close[0]}?" if close else f"columns of {self.entity}: {', '.join(known)}"
                raise self.error(f"{self.entity} has no column {name}", line=line, column=column, cure=cure)
        duplicate = next((name for name in names if names.count(name) > 1), None)
        if duplicate:
            raise self.error(f"returns the column {duplicate} twice", line=1, cure="rename one of the two")

    def _find(self, name: str) -> tuple[int, int] | None:
        """Return line and column of a name's last use outside of comments, because an alias comes last."""
        word = re.compile(rf"(?<!\w){re.escape(name.split('.')[-1])}(?!\w)", re.IGNORECASE)
        places = [
            (number, match.start() + 1)
            for number, line in enumerate(self.text.splitlines(), start=1)
            for match in word.finditer(line.split("--")[0])
        ]
        return places[-1] if places else None


def folder_of(source_id: str, kind: Kind = "product", named: str = "") -> str:
    """Return the folder of a connection's queries below ``sql/``.

    It is the folder named in the settings, or else the connection's own. Products without one use the shared folder.
    """
    own = f"{FOLDER}/{named.split('/')[0] or source_id}"
    if named and not files.listing("sql", f"{own}/*.sql"):
        raise ConfigError(
            f"the settings assign the queries {named} to {source_id}, but sql/{own}/ has no queries",
            cure=f"available: {', '.join(sorted(_folders()))}; correct `queries` in config/settings.yaml",
        )
    has_own = kind != "product" or files.listing("sql", f"{own}/*.sql")
    return own if has_own else f"{FOLDER}/{SHARED}"


def _folders() -> dict[str, Path]:
    return {name.split("/")[1]: path.parent for name, path in files.listing("sql", f"{FOLDER}/*/*.sql").items()}


def available(
    source_id: str, kind: Kind = "product", known_sources: Iterable[str] = (), named: str = ""
) -> dict[str, Path]:
    """Return a connection's query files by entity.

    Args:
        kind: The kind of its entities.
        known_sources: All sources in the settings; a folder with another name would never be read.
        named: The folder that the settings name for it.

    Raises:
        ConfigError: A folder or file has an unknown name.
    """
    folders = _folders()
    shipped = {path.name for path in (files.SHIPPED["sql"] / FOLDER).iterdir()}
    known_folders = {source_id, *(name.split("/")[0] for name in (named, *known_sources))}
    for folder in sorted(folders.keys() - shipped - known_folders):
        raise ConfigError(
            f"{files.shown(folders[folder])}: unknown source {folder}",
            cure=f"name the folder after a source of config/settings.yaml, or {SHARED} for all product databases",
        )
    found = files.listing("sql", f"{folder_of(source_id, kind, named)}/*.sql")
    known = [entity.name for entity in of_kind(kind)]
    stems = {Path(name).stem: path for name, path in found.items()}
    for stem, path in stems.items():
        if stem not in known:
            close = difflib.get_close_matches(stem, known, n=1)
            raise ConfigError(
                f"{files.shown(path)}: unknown entity {stem}",
                cure=f"did you mean {close[0]}.sql?" if close else f"known: {', '.join(known)}",
            )
    return {name: stems[name] for name in known if name in stems}


def parts_of(folder: str, named: str) -> tuple[Path, ...]:
    """Return the files of ``parts/`` that are added to each query of a folder.

    Args:
        folder: Below ``sql/``.
        named: ``queries`` in the settings; after its slash, the loader that landed the tables.

    Raises:
        ConfigError: The settings name none of the existing files.
    """
    found = {Path(name).stem: path for name, path in files.listing("sql", f"{folder}/{PARTS}/*.sql").items()}
    landed_by = named.partition("/")[2]
    if landed_by not in found.keys() - {COMMON} and (found or landed_by):
        problem = (
            f"has no file for the loader {landed_by}" if landed_by else "needs a loader, and the settings name none"
        )
        known = ", ".join(f"{Path(folder).name}/{name}" for name in found if name != COMMON) or Path(folder).name
        raise ConfigError(
            f"sql/{folder}/{PARTS}/ {problem}",
            cure=f"known: {known}; correct `queries` in config/settings.yaml",
        )
    return tuple(found[name] for name in (landed_by, COMMON) if name in found)


def load(entity: str, path: Path, backend: str, parts: tuple[Path, ...] = ()) -> Query | None:
    """Read and check one file.

    Args:
        entity: The entity that it returns.
        backend: SQLAlchemy's name of the database's dialect.
        parts: Files whose tables it may use.

    Returns:
        The query; None if the file has only comments, which disables the entity.

    Raises:
        ConfigError: It is not a single reading query; names file, line and column.
    """
    texts = tuple((each, _text(each)) for each in (path, *parts))
    return _checked(entity, texts, sql_guard.known_dialect(backend))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{files.shown(path)} cannot be read: {error}", cure="make it a UTF-8 text file") from None


@cache
def _checked(entity: str, texts: tuple[tuple[Path, str], ...], dialect: str | None) -> Query | None:
    query, *parts = (Query(entity, path, text) for path, text in texts)
    statement = _parsed(query, dialect)
    if statement is None:
        return None
    tables: dict[str, exp.CTE] = {}
    for part in parts:
        tables |= {cte.alias: cte for cte in getattr(_parsed(part, dialect), "ctes", ())}
    statement = _with_tables(query, statement, tables)
    parameters = frozenset(parameter.name for parameter in statement.find_all(exp.Placeholder))
    _check_parameters(query, parameters)
    with _syntax_errors(query):
        executable = _executable(statement, dialect)
    return replace(
        query,
        parameters=parameters,
        executable=executable,
        is_always_full=any(one.alias == "updated_at" and _is_null(one.unalias()) for one in statement.selects),
        parts=tuple(parts),
    )


def _parsed(query: Query, dialect: str | None) -> exp.Query | None:
    """Return the one select of a file; None if it has none."""
    with _syntax_errors(query):
        statements = sql_guard.parse(query.text, dialect)
        if not statements:
            return None
        if len(statements) > 1:
            raise query.error(f"has {len(statements)} statements", cure="write a single select")
        (statement,) = statements
        if not isinstance(statement, exp.Query):
            raise query.error("is not a select", line=1, cure="write a single select")
        sql_guard.check(statement)
        return statement


@contextmanager
def _syntax_errors(query: Query) -> Iterator[None]:
    """Turn the guard's complaints about a file's SQL into errors that name the file."""
    try:
        yield
    except sql_guard.NotValid as error:
        near = f" near {error.near!r}" if error.near else ""
        raise query.error(
            f"is not valid SQL{near}: {error}", line=error.line, column=error.column, cure="correct the SQL there"
        ) from None
    except sql_guard.NotAllowed as error:
        cure = "remove it, or move it into a view of your database and select from that"
        raise query.error(
            str(error), cure=f"{cure}; include/warehouse/sql_functions.txt lists the allowed functions"
        ) from None


def _with_tables(query: Query, statement: exp.Query, tables: dict[str, exp.CTE]) -> exp.Query:
    """Prepend the part tables that the statement uses. Unused ones are left out: their source tables may not exist."""
    own = {cte.alias for cte in statement.ctes}
    if duplicate := min(own & tables.keys(), default=None):
        raise query.error(f"defines a table {duplicate} that a file in {PARTS}/ also defines", cure="rename it")
    needed: set[str] = set()
    pending: list[exp.Expr] = [statement]
    while pending:
        named = {table.name for table in pending.pop().find_all(exp.Table)} & tables.keys() - needed
        needed |= named
        pending += [tables[name] for name in named]
    if not needed:
        return statement
    expressions = [tables[name].copy() for name in tables if name in needed] + statement.ctes
    statement.set("with_", exp.With(expressions=expressions))
    return statement


def _is_null(expression: exp.Expr) -> bool:
    return isinstance(expression, exp.Null) or (
        isinstance(expression, exp.Cast) and isinstance(expression.this, exp.Null)
    )


def _check_parameters(query: Query, parameters: frozenset[str]) -> None:
    unknown = min(parameters - set(PARAMETERS), default=None)
    if unknown is not None:
        line, column = query._find(unknown) or (None, None)
        raise query.error(
            f"uses an unknown parameter :{unknown}", line=line, column=column, cure="known: :since, :until"
        )


def _executable(statement: exp.Expr, dialect: str | None) -> str:
    """Return the statement for SQLAlchemy, with every colon escaped except those of parameters."""

    def prepared(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            return exp.Var(this=_PARAMETER_MARK.format(node.name))
        if isinstance(node, exp.Literal) and node.is_string:
            # A colon in a text used to need a backslash before it, and may still have one.
            return exp.Literal.string(str(node.this).replace("\\:", ":"))
        return node

    text = sql_guard.render(statement.transform(prepared), dialect).replace(":", "\\:")
    for name in PARAMETERS:
        text = text.replace(_PARAMETER_MARK.format(name), f":{name}")
    return text
