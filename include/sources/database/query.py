"""The customer's own SQL, one file per entity: what it may be, and what it must give."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import sqlglot
from sqlglot import exp

from include.config import files
from include.errors import ConfigError
from include.sources.entities import ENTITIES, Kind, of_kind

FOLDER = "sources"
SHARED = "product"
PARAMETERS = ("since", "until")
# What a reading query never holds, wherever in it.
_FORBIDDEN = (
    exp.Insert,
    exp.Update,
    exp.Delete,
    exp.Merge,
    exp.Create,
    exp.Drop,
    exp.Alter,
    exp.TruncateTable,
    exp.Copy,
    exp.Command,
    exp.Into,
    exp.Lock,
    exp.Set,
)
# Functions that reach out of the query, or would lift the limits under which it runs.
_FORBIDDEN_FUNCTIONS = re.compile(
    r"set_config|dblink\w*|lo_\w+|pg_(read|ls|terminate|cancel|reload|rotate|promote|switch|create|drop|logical)\w*"
    r"|query_to_xml|load_file|sys_exec|sys_eval|load_extension|writefile",
    re.IGNORECASE,
)
_LAST_SEMICOLON = re.compile(r";(?=(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*$)", re.DOTALL)
# How sqlglot calls the dialects that SQLAlchemy names otherwise.
_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}


@dataclass(frozen=True)
class Query:
    """One SQL file.

    Args:
        entity: What it gives.
        path: Where it is.
        text: Its text, without the semicolon at its end.
        parameters: Those of ``:since`` and ``:until`` that it uses.
    """

    entity: str
    path: Path
    text: str
    parameters: frozenset[str] = frozenset()

    @property
    def executable(self) -> str:
        """The text as SQLAlchemy takes it, which sees no parameter before a ``::cast``; a comment may end it."""
        return re.sub(r"(?<![:\w]):(since|until)(?=::)", r"(:\1)", self.text) + "\n"

    def error(self, message: str, *, line: int | None = None, column: int | None = None, cure: str) -> ConfigError:
        """Return an error that names the file and, if known, line and column."""
        place = ":".join(str(part) for part in (files.shown(self.path), line, column) if part is not None)
        return ConfigError(f"{place}: {message}", cure=cure)

    def error_about(self, message: str, *, cure: str) -> ConfigError:
        """Return an error about a name that the message quotes, at the place where the file says that name."""
        for name in re.findall(r"[\"'`]([^\"'`]+)[\"'`]|(?:column:?|relation|table:?) ([\w.]+)", message):
            found = self._find(name[0] or name[1])
            if found:
                return self.error(message, line=found[0], column=found[1], cure=cure)
        return self.error(message, cure=cure)

    def check_columns(self, names: list[str]) -> None:
        """Make sure that the query gives an id, its time of change, and nothing that the entity does not have.

        Raises:
            ConfigError: Names file, line and column.
        """
        known = [*ENTITIES[self.entity].column_names, "id", "is_deleted"]
        for required in ("id", "updated_at"):
            if required not in names:
                raise self.error(f"gives no column {required}", line=1, cure=f"select something `as {required}`")
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                line, column = self._find(name) or (1, None)
                cure = f"did you mean {close[0]}?" if close else f"columns of {self.entity}: {', '.join(known)}"
                raise self.error(f"{self.entity} has no column {name}", line=line, column=column, cure=cure)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise self.error(f"gives the column {twice} twice", line=1, cure="rename one of the two")

    def _find(self, name: str) -> tuple[int, int] | None:
        """Return line and column where the file last says a name outside of comments: an alias stands behind."""
        word = re.compile(rf"(?<!\w){re.escape(name.split('.')[-1])}(?!\w)", re.IGNORECASE)
        places = [
            (number, match.start() + 1)
            for number, line in enumerate(self.text.splitlines(), start=1)
            for match in word.finditer(line.split("--")[0])
        ]
        return places[-1] if places else None


def folder_of(source_id: str, kind: Kind = "product") -> str:
    """Return the folder of a connection's queries below ``sql/``: its own, or for a product that of all products."""
    own = f"{FOLDER}/{source_id}"
    has_own = kind != "product" or files.listing("sql", f"{own}/*.sql")
    return own if has_own else f"{FOLDER}/{SHARED}"


def available(source_id: str, kind: Kind = "product", known_sources: Iterable[str] = ()) -> dict[str, Path]:
    """Return the files in force for a connection, by entity.

    Args:
        source_id: The connection.
        kind: Of which kind its entities are.
        known_sources: Every source of the settings: a folder of another name would be read by none.

    Raises:
        ConfigError: A folder or file is named after nothing that is known.
    """
    folders = {name.split("/")[1]: path.parent for name, path in files.listing("sql", f"{FOLDER}/*/*.sql").items()}
    for folder in sorted(folders.keys() - {SHARED, source_id, *known_sources}):
        raise ConfigError(
            f"{files.shown(folders[folder])}: there is no source {folder}",
            cure=f"name the folder after a source of config/settings.yaml, or {SHARED} for all product databases",
        )
    found = files.listing("sql", f"{folder_of(source_id, kind)}/*.sql")
    known = [entity.name for entity in of_kind(kind)]
    stems = {Path(name).stem: path for name, path in found.items()}
    for stem, path in stems.items():
        if stem not in known:
            close = difflib.get_close_matches(stem, known, n=1)
            raise ConfigError(
                f"{files.shown(path)}: there is no entity {stem}",
                cure=f"did you mean {close[0]}.sql?" if close else f"known: {', '.join(known)}",
            )
    return {name: stems[name] for name in known if name in stems}


def load(entity: str, path: Path, backend: str) -> Query | None:
    """Read and check one file.

    Args:
        entity: What it gives.
        path: Where it is.
        backend: SQLAlchemy's name of the database's dialect.

    Returns:
        The query; None if the file holds nothing but comments, which switches the entity off.

    Raises:
        ConfigError: It is no single reading query; names file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{files.shown(path)} cannot be read: {error}", cure="make it a UTF-8 text file") from None
    return _checked(entity, path, text, _DIALECTS.get(backend, backend))


@cache
def _checked(entity: str, path: Path, text: str, dialect: str) -> Query | None:
    query = Query(entity, path, _LAST_SEMICOLON.sub("", text))
    try:
        statements = [one for one in sqlglot.parse(query.text, dialect=_known(dialect)) if one is not None]
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        raise query.error(
            f"is no valid SQL near {str(first.get('highlight', ''))!r}: {first.get('description', error)}",
            line=first.get("line"),
            column=first.get("col"),
            cure="correct that place",
        ) from None
    except sqlglot.errors.SqlglotError as error:
        raise query.error(f"is no valid SQL: {str(error).splitlines()[0]}", cure="correct the file") from None
    if not statements:
        return None
    if len(statements) > 1:
        raise query.error(f"holds {len(statements)} statements", cure="write one select")
    (statement,) = statements
    if not isinstance(statement, exp.Query):
        raise query.error("is no select", line=1, cure="write one select")
    writing = next(statement.find_all(*_FORBIDDEN), None)
    if writing is not None:
        raise query.error(f"would do more than read: {writing.sql()[:60]}", cure="write one select that only reads")
    for called in statement.find_all(exp.Func):
        name = called.name if isinstance(called, exp.Anonymous) else called.sql_name()
        if _FORBIDDEN_FUNCTIONS.fullmatch(name):
            raise query.error(f"calls {name}, which does more than read", cure="leave that call out")
    parameters = frozenset(parameter.name for parameter in statement.find_all(exp.Placeholder))
    unknown = min(parameters - set(PARAMETERS), default=None)
    if unknown is not None:
        line, column = query._find(unknown) or (None, None)
        raise query.error(
            f"has an unknown parameter :{unknown}", line=line, column=column, cure="known: :since, :until"
        )
    return replace(query, parameters=parameters)


def _known(dialect: str) -> str | None:
    """Return the dialect if sqlglot knows it; what it does not know is parsed as standard SQL."""
    return dialect if sqlglot.Dialect.get(dialect) else None
