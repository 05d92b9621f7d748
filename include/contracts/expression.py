"""Conditions that a file may put on a row: parsed by sqlglot, never pasted.

Every part must be on the list below and every name a column of the entity, so that a condition can read nothing but
the row. It runs as the reader role, which changes nothing and is ended after a minute.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

MAX_NODES = 200
_TRUTH: tuple[type[exp.Expr], ...] = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.Between,
    exp.In,
    exp.Is,
    exp.Like,
    exp.ILike,
    exp.RegexpLike,
    exp.Boolean,
    exp.Column,
    exp.Coalesce,
)
_ALLOWED: tuple[type[exp.Expr], ...] = (
    *_TRUTH,
    exp.Paren,
    exp.Null,
    exp.Literal,
    exp.Neg,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Identifier,
    exp.Abs,
    exp.Greatest,
    exp.Least,
    exp.Lower,
    exp.Upper,
    exp.Trim,
    exp.Length,
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.Cast,
    exp.DataType,
)
_CASTS = frozenset({"DATE", "TIMESTAMPTZ", "TEXT", "DECIMAL", "BIGINT", "INT", "BOOLEAN"})


@dataclass(frozen=True)
class Condition:
    """A checked condition.

    Args:
        sql: PostgreSQL text without braces and colons that would be read as places for values.
        columns: The columns that it reads, in the order of the text.
    """

    sql: str
    columns: tuple[str, ...]


def parse(text: str, columns: Collection[str]) -> Condition:
    """Check a condition.

    Args:
        text: What must hold of a row, in SQL.
        columns: The columns that it may name.

    Raises:
        ValueError: It is not SQL, is no condition, or uses something that is not allowed; says what.
    """
    try:
        statements = sqlglot.parse(text, dialect="postgres")
    except SqlglotError as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"is not a valid SQL condition: {said}") from None
    if len(statements) != 1 or statements[0] is None:
        raise ValueError("must be exactly one SQL condition")
    tree = statements[0]
    used: list[str] = []
    for number, node in enumerate(tree.walk(bfs=False)):
        if number >= MAX_NODES:
            raise ValueError(f"is too long: more than {MAX_NODES} parts")
        _check(node, columns, used)
    condition = tree
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if not isinstance(condition, _TRUTH):
        raise ValueError("is no condition: it must be true or false, such as `amount < 1000000`")
    if not used:
        raise ValueError("names no column, so that it would say the same of every row")
    sql = tree.sql(dialect="postgres", comments=False)
    return Condition(sql.replace("{", "{{").replace("}", "}}").replace(":", r"\:"), tuple(dict.fromkeys(used)))


def _check(node: exp.Expr, columns: Collection[str], used: list[str]) -> None:
    if not isinstance(node, _ALLOWED):
        raise ValueError(f"uses `{node.sql(dialect='postgres')[:60]}`, which is not allowed in a condition")
    if isinstance(node, exp.In) and not node.expressions:
        raise ValueError("`in` must be followed by a list of values")
    if isinstance(node, exp.DataType) and getattr(node.this, "value", "") not in _CASTS:
        raise ValueError(f"casts to {node.sql(dialect='postgres')[:40]}, which is not allowed in a condition")
    if not isinstance(node, exp.Column):
        return
    if len(node.parts) != 1:
        raise ValueError(f"names `{node.sql(dialect='postgres')}`: write the column alone, without a table")
    if node.name not in columns:
        raise ValueError(f"names the column `{node.name}`, which the entity does not have")
    used.append(node.name)
