"""What a query tells of itself: the tables and parameters it reads, the columns it selects, its fingerprint.

Parsing the forty queries and their checks costs a third of a second of CPU, and every task of a build would pay it
again in its own process. So the facts are kept on disk by the query's own text; a changed query is another text.
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
    """What one query reads and selects.

    Args:
        tables: (schema, name) of every table it names; the schema is "" where it names none.
        with_names: The names of its common table expressions.
        columns: What it selects, in order.
        parameters: The parameters it takes, sorted.
        fingerprint: Of its words alone: comments, layout and the case of what is not quoted do not count.
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
    """The text is no SQL that PostgreSQL would take.

    Args:
        message: What is wrong.
        line: In which line of the text.
        near: The text there.
    """

    def __init__(self, message: str, line: int, near: str) -> None:
        self.line, self.near = line, near
        super().__init__(message)


class NotAllowed(ValueError):
    """The text says something that no query may say; the message continues a sentence about it."""


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


def keep() -> None:
    """Write what was found, whole or not at all; where nothing can be written, the next process parses again."""
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
    return home.entry("cache") / f"sql-facts-{version('sqlglot')}-{_guard()}.json"


@lru_cache(maxsize=1)
def _guard() -> str:
    """Return what tells the rules of today from others: what was let through under other ones is parsed again."""
    from include.warehouse import sql_guard

    rules = (Path(__file__), Path(sql_guard.__file__), sql_guard.FUNCTIONS)
    return hashlib.sha256(b"".join(path.read_bytes() for path in rules)).hexdigest()[:12]


@lru_cache(maxsize=4)
def _known(file: Path) -> _Known:
    try:
        kept = json.loads(file.read_text())
        return _Known({key: _facts(**fields) for key, fields in kept.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return _Known({})  # never written yet, or by another hand: parsing finds it all again


def _facts(tables: list[list[str]], fingerprint: str, **lists: list[str]) -> Facts:
    known = {name: tuple(texts) for name, texts in lists.items()}
    return Facts(tables=tuple((db, name) for db, name in tables), fingerprint=fingerprint, **known)
