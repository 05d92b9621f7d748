"""Trigger expressions: what a playbook may ask about a row, and nothing else.

A trigger is text in a file that anyone may change, so it is parsed, not pasted: sqlglot turns it into a tree, every
node must be on the allow-list below, every name a column of the table, and every literal becomes a bound parameter.
The statement then runs as the reader role, which can change nothing, and ends after a few seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

MAX_NODES = 200

_ALLOWED: tuple[type[exp.Expr], ...] = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.Between,
    exp.In,
    exp.Is,
    exp.Null,
    exp.Boolean,
    exp.Literal,
    exp.Neg,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Column,
    exp.Identifier,
    exp.Coalesce,
    exp.Abs,
    exp.Greatest,
    exp.Least,
    exp.Lower,
)
_TRUTH = (
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
    exp.Boolean,
    exp.Column,
    exp.Coalesce,
)


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Args:
        sql: PostgreSQL text whose parameters are ``%(<prefix>0)s`` and so on.
        parameters: Their values.
        columns: The columns that it reads.
    """

    sql: str
    parameters: dict[str, object]
    columns: frozenset[str]


def compile_expression(text: str, columns: Collection[str], prefix: str = "p") -> Expression:
    """Check an expression and bind its literals.

    Args:
        text: A condition over the columns, in SQL.
        columns: The columns that it may name.
        prefix: Start of the parameters' names, so that several expressions fit into one statement.

    Raises:
        ValueError: It is not SQL, is no condition, or uses something that is not allowed; says what.
    """
    tree = _parse(text)
    used: set[str] = set()
    for number, node in enumerate(tree.walk()):
        if number >= MAX_NODES:
            raise ValueError(f"is too long: more than {MAX_NODES} parts")
        _check(node, columns, used)
    condition = tree
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if not isinstance(condition, _TRUTH):
        raise ValueError("is no condition: it must be true or false, such as `usage_ratio < 0.7`")
    parameters: dict[str, object] = {}

    def bind(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Literal):
            return node
        name = f"{prefix}{len(parameters)}"
        parameters[name] = str(node.this) if node.is_string else _number(str(node.this))
        return exp.Placeholder(this=name)

    bound = tree.transform(bind)
    return Expression(bound.sql(dialect="postgres", identify=True), parameters, frozenset(used))


def _parse(text: str) -> exp.Expr:
    try:
        statements = sqlglot.parse(text, dialect="postgres")
    except SqlglotError as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"is not a valid SQL condition: {said}") from None
    if len(statements) != 1 or statements[0] is None:
        raise ValueError("must be exactly one SQL condition")
    return statements[0]


def _check(node: exp.Expr, columns: Collection[str], used: set[str]) -> None:
    if not isinstance(node, _ALLOWED):
        raise ValueError(f"uses `{node.sql(dialect='postgres')[:60]}`, which is not allowed in a condition")
    if isinstance(node, exp.In) and not node.expressions:
        raise ValueError("`in` must be followed by a list of values")
    if not isinstance(node, exp.Column):
        return
    if len(node.parts) != 1:
        raise ValueError(f"names `{node.sql(dialect='postgres')}`: write the column alone, without a table")
    if node.name not in columns:
        raise ValueError(f"names the column `{node.name}`, which the table does not have")
    used.add(node.name)


def _number(text: str) -> int | Decimal:
    return int(text) if text.isdigit() else Decimal(text)
