"""Parse queries: the tables and parameters they read, the columns they select, and their fingerprint.

Parsing the hundred queries and their checks costs three seconds of CPU, in every task of a build. So the results are
cached on disk, keyed by the query's text.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from include.common import home


@dataclass(frozen=True)
class Facts:
    """The parsed facts of a query.

    Args:
        tables: (schema, name) of every table it names. The schema is "" if it names none.
        with_names: Names of its common table expressions.
        columns: The selected columns, in order.
        parameters: Its parameters, sorted.
        fingerprint: A hash of its tokens. Comments, layout and the case of unquoted words do not count.
    """

    tables: tuple[tuple[str, str], ...]
    with_names: tuple[str, ...]
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    fingerprint: str


@dataclass
class _Known:
    facts: dict[str, Facts]
    is_changed: bool = False


class NotOneSelect(ValueError):
    """The text is valid SQL, but not exactly one SELECT."""


class NotValid(ValueError):
    """The text is not SQL that PostgreSQL accepts.

    Args:
        message: What is wrong.
        line: Line of the text.
        near: The text at that place.
    """

    def __init__(self, message: str, line: int, near: str) -> None:
        self.line, self.near = line, near
        super().__init__(message)


class NotAllowed(ValueError):
    """The query uses something that is not allowed. The message continues a sentence about it."""


def of(query: str) -> Facts:
    """Return the facts of a query.

    Raises:
        NotOneSelect: It is not a single SELECT.
        NotAllowed: It does more than read tables, or calls a function that is not on the list.
        NotValid: It is not valid SQL.
    """
    known = _known(_file())
    key = hashlib.sha256(query.encode()).hexdigest()
    if key not in known.facts:
        known.facts[key] = _parse(query)
        known.is_changed = True
    return known.facts[key]


def save_cache() -> None:
    """Write the cache atomically. If it cannot be written, the next process parses again."""
    file = _file()
    known = _known(file)
    if not known.is_changed:
        return
    known.is_changed = False
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w") as output:
            json.dump({key: asdict(facts) for key, facts in known.facts.items()}, output)
        Path(temporary).replace(file)
    except OSError:
        return


@lru_cache(maxsize=1024)
def _parse(query: str) -> Facts:
    from sqlglot import exp

    from include.warehouse import sql_guard

    try:
        trees = sql_guard.parse(query, "postgres")
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            raise NotOneSelect
        sql_guard.check(trees[0])
    except sql_guard.NotValid as error:
        raise NotValid(str(error), error.line or 1, error.near) from None
    except sql_guard.NotAllowed as error:
        raise NotAllowed(str(error)) from None
    tree = trees[0]
    return Facts(
        tables=tuple(sorted({(table.db, table.name) for table in tree.find_all(exp.Table)})),
        with_names=tuple(sorted({cte.alias for cte in tree.find_all(exp.CTE)})),
        columns=tuple(tree.named_selects),
        parameters=tuple(sorted({taken.name for taken in tree.find_all(exp.Placeholder)})),
        fingerprint=_fingerprint(query),
    )


def _fingerprint(query: str) -> str:
    from sqlglot import Dialect
    from sqlglot.tokens import TokenType

    quoted = (TokenType.STRING, TokenType.IDENTIFIER)
    words = [
        (token.token_type.name, token.text if token.token_type in quoted else token.text.lower())
        for token in Dialect.get_or_raise("postgres").tokenize(query)
    ]
    return hashlib.sha256(repr(words).encode()).hexdigest()


def _file() -> Path:
    return home.entry("cache") / f"sql-facts-{_guard()}.json"


@lru_cache(maxsize=1)
def _guard() -> str:
    """Return a hash of the parser and the current rules, so that a query cached under others is parsed again."""
    from include.warehouse import sql_guard

    rules = (Path(__file__), Path(sql_guard.__file__), sql_guard.FUNCTIONS)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in rules)).hexdigest()[:12]
    return f"{version('sqlglot')}-{digest}"


@lru_cache(maxsize=4)
def _known(file: Path) -> _Known:
    try:
        kept = json.loads(file.read_text())
        return _Known({key: _facts(**fields) for key, fields in kept.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return _Known({})  # not written yet, or not readable: parse again


def _facts(tables: list[list[str]], fingerprint: str, **lists: list[str]) -> Facts:
    known = {name: tuple(texts) for name, texts in lists.items()}
    return Facts(tables=tuple((db, name) for db, name in tables), fingerprint=fingerprint, **known)
