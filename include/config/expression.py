"""Check SQL conditions from YAML files with sqlglot before they run.

Anyone may edit these files. So every node of a condition must be on the lists below, and every name must be an allowed
column: a condition can read its row and nothing else. It runs as the reader role, which cannot write and has a
statement timeout.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal

from sqlglot import exp

from include.warehouse import sql_guard

MAX_NODES = 200
Parts = tuple[type[exp.Expr], ...]
_TRUTH: Parts = (
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
_PATTERNS: Parts = (exp.Like, exp.ILike, exp.RegexpLike)
# For built tables, where values are typed and normalized.
_ON_BUILT: Parts = (
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
    exp.Nullif,
)
# For rows as the vendor sent them, where the condition checks the format itself.
_ON_LANDED: Parts = (
    *_ON_BUILT,
    *_PATTERNS,
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
        sql: PostgreSQL text.
        columns: The columns it reads, in the order of the text.
        parameters: Values of its ``%(name)s`` parameters.
    """

    sql: str
    columns: tuple[str, ...]
    parameters: dict[str, object] = field(default_factory=dict)


def on_landed(text: str, columns: Collection[str]) -> Condition:
    """Check a condition on landed rows. Values stay in the text, since Great Expectations binds no parameters.

    Args:
        text: The condition on a row, in SQL.
        columns: The columns it may name.

    Returns:
        The condition, with braces and colons escaped so that they are not read as parameters.

    Raises:
        ValueError: The text is not SQL, is not a condition, or uses something that is not allowed. The message says
            what.
    """
    tree, used = _checked(text, columns, _ON_LANDED)
    if not used:
        raise ValueError("names no column, so every row would have the same result")
    sql = tree.sql(dialect="postgres", comments=False)
    return Condition(sql.replace("{", "{{").replace("}", "}}").replace(":", r"\:"), used)


def on_built(text: str, columns: Collection[str], prefix: str = "p") -> Condition:
    """Check a condition on a built table, and bind its values as parameters.

    Args:
        text: The condition, in SQL.
        columns: The columns it may name.
        prefix: Prefix of the parameter names, so that several conditions fit into one statement.

    Raises:
        ValueError: The text is not SQL, is not a condition, or uses something that is not allowed. The message says
            what.
    """
    tree, used = _checked(text, columns, _ON_BUILT)
    parameters: dict[str, object] = {}

    def bind(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Literal):
            return node
        name = f"{prefix}{len(parameters)}"
        parameters[name] = str(node.this) if node.is_string else _number(str(node.this))
        return exp.Placeholder(this=name)

    bound = tree.transform(bind)
    return Condition(bound.sql(dialect="postgres", identify=True, comments=False), used, parameters)


def literal_condition(text: str, columns: Collection[str]) -> str:
    """Check a condition on a built table, and keep its values in the text, for use in a generated query.

    Raises:
        ValueError: The text is not SQL, is not a condition, or uses something that is not allowed. The message says
            what.
    """
    tree, _ = _checked(text, columns, _ON_BUILT)
    if ":" in text:
        raise ValueError("contains a colon, which would be read as a parameter")
    return tree.sql(dialect="postgres", identify=True, comments=False)


def number_of(text: str, columns: Collection[str]) -> str:
    """Check a numeric expression. Columns are cast to double precision, so that no division is an integer division.

    Raises:
        ValueError: The text is not SQL or uses something that is not allowed. The message says what.
    """
    tree, _ = _used(text, columns, _ON_BUILT)

    def as_fraction(node: exp.Expr) -> exp.Expr:
        return exp.cast(node.copy(), "double precision") if isinstance(node, exp.Column) else node

    return tree.transform(as_fraction).sql(dialect="postgres", identify=True, comments=False)


def _checked(text: str, columns: Collection[str], allowed: Parts) -> tuple[exp.Expr, tuple[str, ...]]:
    """Return a condition's tree and the columns it names, in the order of the text."""
    tree, used = _used(text, columns, allowed)
    condition = tree
    while isinstance(condition, exp.Paren):
        condition = condition.this
    if not isinstance(condition, (*_TRUTH, *_PATTERNS)):
        raise ValueError("is not a condition: it must be true or false, such as `amount < 1000000`")
    return tree, used


def _used(text: str, columns: Collection[str], allowed: Parts) -> tuple[exp.Expr, tuple[str, ...]]:
    tree = _parse(text)
    used: list[str] = []
    for number, node in enumerate(tree.walk(bfs=False)):
        if number >= MAX_NODES:
            raise ValueError(f"is too long: more than {MAX_NODES} parts")
        _check(node, columns, allowed)
        if isinstance(node, exp.Column):
            used.append(node.name)
    return tree, tuple(dict.fromkeys(used))


def _parse(text: str) -> exp.Expr:
    try:
        statements = sql_guard.parse(text, "postgres")
    except sql_guard.NotValid as error:
        raise ValueError(f"is not a valid SQL condition: {str(error).rstrip('.')}") from None
    if len(statements) != 1:
        raise ValueError("must be exactly one SQL condition")
    return statements[0]


def _check(node: exp.Expr, columns: Collection[str], allowed: Parts) -> None:
    if not isinstance(node, allowed):
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
        raise ValueError(f"names the column `{node.name}`, which does not exist")


def _number(text: str) -> int | Decimal:
    return int(text) if text.isdigit() else Decimal(text)
