"""The supported subset of SOQL. Everything else is refused as malformed.

query     = "SELECT" fields "FROM" name [ "WHERE" condition ] [ "ORDER" "BY" order { "," order } ]
            [ "LIMIT" number ] [ "OFFSET" number ]
fields    = "COUNT" "(" ")" | field { "," field }
field     = name { "." name }
condition = simple { "AND" simple } | simple { "OR" simple }       (a mix needs parentheses)
simple    = "NOT" simple | "(" condition ")" | field operator value | field ["NOT"] "IN" "(" value {"," value} ")"
operator  = "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "LIKE"
value     = 'text' | number | date | datetime | "TRUE" | "FALSE" | "NULL"
order     = field [ "ASC" | "DESC" ] [ "NULLS" ("FIRST" | "LAST") ]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from include.sandbox.salesforce.errors import malformed

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?\d+(?:\.\d+)?)
  | (?P<word>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)
  | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_RESERVED = {"SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDER", "BY", "LIMIT", "OFFSET", "NULLS",
             "ASC", "DESC", "GROUP", "HAVING", "TYPEOF", "WITH", "FOR", "INCLUDES", "EXCLUDES"}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A literal.

    Args:
        kind: ``text``, ``number``, ``date``, ``datetime`` (milliseconds), ``boolean`` or ``null``.
        value: Its value.
    """

    kind: str
    value: Any


@dataclass(frozen=True)
class Test:
    """A comparison of a field with one or several values."""

    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Group:
    """Conditions joined by ``AND`` or ``OR``, or one negated by ``NOT``."""

    operator: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Order:
    """One ORDER BY key."""

    field: str
    is_descending: bool
    nulls_first: bool


@dataclass
class Query:
    """A parsed query. Without fields it is COUNT()."""

    fields: list[str]
    sobject: str
    where: Test | Group | None = None
    orders: list[Order] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Query:
    """Parse a query.

    Raises:
        Refusal: It does not match the grammar.
    """
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise malformed(f"unexpected token: '{text[position : position + 1]}'")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()
        self._next = 0

    def query(self) -> Query:
        self._expect("SELECT")
        fields = self._fields()
        self._expect("FROM")
        query = Query(fields, self._name())
        if self._take("WHERE"):
            query.where = self._condition()
        if self._take("ORDER"):
            self._expect("BY")
            query.orders.append(self._order())
            while self._take(","):
                query.orders.append(self._order())
        if self._take("LIMIT"):
            query.limit = self._whole_number()
        if self._take("OFFSET"):
            query.offset = self._whole_number()
        return query

    def end(self) -> None:
        if self._next < len(self._tokens):
            raise malformed(f"unexpected token: '{self._tokens[self._next][1]}'")

    def _fields(self) -> list[str]:
        if self._peek() == "COUNT" and self._peek(1) == "(":
            self._next += 2
            self._expect(")")
            return []
        fields = [self._name()]
        while self._take(","):
            fields.append(self._name())
        if len({name.lower() for name in fields}) < len(fields):
            raise malformed("duplicate field selected")
        return fields

    def _condition(self) -> Any:
        parts = [self._simple()]
        operator = self._peek()
        if operator not in ("AND", "OR"):
            return parts[0]
        while self._take(operator):
            parts.append(self._simple())
        if self._peek() in ("AND", "OR"):  # AND and OR mixed without parentheses
            raise malformed(f"unexpected token: '{self._peek()}'")
        return Group(operator, tuple(parts))

    def _simple(self) -> Any:
        if self._take("NOT"):
            return Group("NOT", (self._simple(),))
        if self._take("("):
            inner = self._condition()
            self._expect(")")
            return inner
        name = self._name()
        is_not = self._take("NOT")
        if self._take("IN"):
            self._expect("(")
            values = [self._value()]
            while self._take(","):
                values.append(self._value())
            self._expect(")")
            return Test(name, "NOT IN" if is_not else "IN", tuple(values))
        for operator in ("=", "!=", "<>", "<=", ">=", "<", ">", "LIKE"):
            if not is_not and self._take(operator):
                return Test(name, "!=" if operator == "<>" else operator, (self._value(),))
        raise malformed(f"unexpected token: '{self._shown()}'")

    def _value(self) -> Value:
        if self._next >= len(self._tokens):
            raise malformed("unexpected token: '<EOF>'")
        kind, text = self._tokens[self._next]
        self._next += 1
        if kind == "text":
            return Value("text", re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1]))
        if kind == "number":
            return Value("number", float(text))
        try:
            if kind == "date":
                return Value("date", date.fromisoformat(text))
            if kind == "datetime":
                at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
                return Value("datetime", round(at.timestamp() * 1000))
        except ValueError:
            raise malformed(f"Invalid date: {text}") from None
        word = text.upper()
        if word in ("TRUE", "FALSE"):
            return Value("boolean", word == "TRUE")
        if word == "NULL":
            return Value("null", None)
        raise malformed(f"unexpected token: '{text}'")

    def _order(self) -> Order:
        name = self._name()
        is_descending = self._take("DESC") or (self._take("ASC") and False)
        if not self._take("NULLS"):
            return Order(name, is_descending, True)
        if self._take("FIRST"):
            return Order(name, is_descending, True)
        self._expect("LAST")
        return Order(name, is_descending, False)

    def _whole_number(self) -> int:
        value = self._value()
        if value.kind != "number" or value.value != int(value.value) or value.value < 0:
            raise malformed("a whole number is expected after LIMIT and OFFSET")
        return int(value.value)

    def _name(self) -> str:
        kind, text = self._tokens[self._next] if self._next < len(self._tokens) else ("", "<EOF>")
        if kind != "word" or text.upper() in _RESERVED:
            raise malformed(f"unexpected token: '{text}'")
        self._next += 1
        return text

    def _peek(self, ahead: int = 0) -> str:
        at = self._next + ahead
        kind, text = self._tokens[at] if at < len(self._tokens) else ("", "")
        return text.upper() if kind in ("word", "sign") else ""

    def _take(self, what: str) -> bool:
        if self._peek() != what:
            return False
        self._next += 1
        return True

    def _expect(self, what: str) -> None:
        if not self._take(what):
            raise malformed(f"expecting {what}, found '{self._shown()}'")

    def _shown(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else "<EOF>"
