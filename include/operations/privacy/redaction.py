"""Find and blank words in every text column of every table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# Views show their tables' data; partitions are updated through their parent.
_COLUMNS = sa.text(
    """
    select n.nspname as schema, c.relname as name, a.attname as column_name,
        format_type(a.atttypid, null) as type
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = any(:schemas)
        and c.relkind in ('r', 'p')
        and not c.relispartition
        and format_type(a.atttypid, null) in ('text', 'text[]', 'jsonb', 'json', 'character varying')
    order by 1, 2, a.attnum
    """
)
_WITH_STATISTICS = sa.text(
    """
    select distinct format('%I.%I', schemaname, tablename) from pg_stats
    where schemaname = any(:schemas) and tablename in (select relname from pg_class where relkind in ('r', 'p'))
    order by 1
    """
)
_DROP_STATISTICS = sa.text(
    """
    select pg_clear_attribute_stats(schemaname, tablename, attname, inherited) from pg_stats
    where format('%I.%I', schemaname, tablename) = :name
    """
)
SCHEMAS = ("raw", "quarantine", "meta", "core", "marts", "ops")
_AT_ONCE = 20  # words per statement
# Character -> its forms in HTML, and in JSON inside a text: https://html.spec.whatwg.org/multipage/named-characters.html
_WRITTEN = {
    "'": "['\u2019]|&#39;|&#x27;|&apos;|&rsquo;|&#8217;",
    "\u2019": "['\u2019]|&#39;|&#x27;|&apos;|&rsquo;|&#8217;",
    '"': r'\\*"|&quot;|&#34;',
    "\\": r"\\+",
    "&": "&amp;|&",
    "<": "&lt;|<",
    ">": "&gt;|>",
}


@dataclass(frozen=True)
class Texts:
    """The text columns of one table.

    Args:
        columns: Column -> type.
    """

    name: str
    columns: dict[str, str]


def tables(connection: Connection, schemas: Iterable[str] = SCHEMAS) -> list[Texts]:
    """Return every table with text columns."""
    found: dict[str, dict[str, str]] = {}
    for row in connection.execute(_COLUMNS, {"schemas": list(schemas)}):
        found.setdefault(f"{row.schema}.{row.name}", {})[row.column_name] = row.type
    return [Texts(name, columns) for name, columns in found.items()]


def blank(connection: Connection, texts: Texts, words: dict[str, str], where: str = "", **values: object) -> int:
    """Replace words in all text columns of a table. Return how many rows changed.

    Args:
        connection: In a transaction.
        words: Word -> its replacement. Replacements differ, so that keys stay distinct.
        where: Limits the rows.
    """
    total = 0
    for some in _chunks(words):
        names = {f"to_{number}": replacement for number, replacement in enumerate(some.values())}
        patterns = {f"from_{number}": pattern(word) for number, word in enumerate(some)}
        assignments = ", ".join(
            f'"{column}" = {_blanked(column, kind, len(some))}' for column, kind in texts.columns.items()
        )
        bound = {**names, **patterns, **values, "any": "|".join(map(pattern, some))}
        clause = sa.text(f"update {texts.name} set {assignments} where {_holds(texts)}{where and f' and ({where})'}")  # noqa: S608
        total += connection.execute(clause, bound).rowcount
    return total


def count(connection: Connection, texts: Texts, words: Iterable[str]) -> int:
    """Return how many rows of a table contain one of the words."""
    total = 0
    for some in _chunks(dict.fromkeys(words, "")):
        clause = sa.text(f"select count(*) from {texts.name} where {_holds(texts)}")  # noqa: S608
        total += connection.execute(clause, {"any": "|".join(map(pattern, some))}).scalar_one()
    return total


def forget_statistics(connection: Connection) -> None:
    """Refresh the planner's statistics: they keep column values, erased ones included, that every reader can see.

    ANALYZE leaves the statistics of an empty table unchanged. PostgreSQL 18 and newer can drop them.
    https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD
    """
    can_drop = int((connection.dialect.server_version_info or (0,))[0]) >= 18
    names = connection.execute(_WITH_STATISTICS, {"schemas": list(SCHEMAS)}).scalars().all()
    for name in names:
        connection.execute(sa.text(f"analyze {name}"))
        if can_drop and not connection.execute(sa.text(f"select exists (select from {name})")).scalar():  # noqa: S608
            connection.execute(_DROP_STATISTICS, {"name": name})


def pattern(word: str) -> str:
    """Return a case-insensitive PostgreSQL pattern for a whole word, also in its HTML and JSON forms."""
    # Parts of a name may be separated by any whitespace. In JSON a line break is the two characters \n, whose n does
    # not start a longer word.
    inner = r"(?:[[:space:]]|\\[nrt])+".join("".join(map(letter, part)) for part in word.split())
    return rf"(?:(?<![[:alnum:]._%+-])|(?<=\\[bfnrt])){inner}(?![[:alnum:]-]|[.][[:alnum:]])"


def letter(sign: str) -> str:
    """Return a PostgreSQL pattern for one character in all its forms.

    With the locale C, which the embedded server has, PostgreSQL ignores the case of ASCII letters only.
    """
    if sign in _WRITTEN:
        return f"(?:{_WRITTEN[sign]})"
    if sign.isascii():
        return re.escape(sign)
    cases = dict.fromkeys((sign, sign.lower(), sign.upper()))
    coded = (rf"\\+u{ord(case):04x}" for case in cases if len(case) == 1 and ord(case) < 0x10000)
    return f"(?:{'|'.join((*map(re.escape, cases), *coded))})"


def _holds(texts: Texts) -> str:
    return "(" + " or ".join(f'cast("{column}" as text) ~* :any' for column in texts.columns) + ")"


def _blanked(column: str, kind: str, n_words: int) -> str:
    text = f'cast("{column}" as text)'
    for number in range(n_words):
        text = f"regexp_replace({text}, :from_{number}, :to_{number}, 'gi')"
    return f"cast({text} as {kind})"


def _chunks(words: dict[str, str]) -> Iterator[dict[str, str]]:
    items = list(words.items())
    for start in range(0, len(items), _AT_ONCE):
        yield dict(items[start : start + _AT_ONCE])
