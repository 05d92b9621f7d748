"""Say which parts of a condition do not hold for a subject, with the values that it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlglot import exp

from include.common import formatting
from include.config import expression
from include.decide.explain.record import SHOWN_WITH
from include.warehouse import sql_guard

_SIGNS: Mapping[type[exp.Expr], str] = {
    exp.LT: "below",
    exp.LTE: "at or below",
    exp.GT: "above",
    exp.GTE: "at or above",
    exp.EQ: "at",
}


@dataclass(frozen=True)
class Part:
    """One part of a condition. All parts must hold.

    Args:
        sql: The part as written in the file.
        holds: Whether it holds; None while a value is unknown.
    """

    sql: str
    holds: bool | None
    values: dict[str, Any]
    thresholds: dict[str, float]
    text: str


def parts(
    connection: sa.Connection,
    condition: str,
    thresholds: Mapping[str, float],
    facts: Mapping[str, Any],
    types: Mapping[str, str],
) -> list[Part]:
    """Evaluate the parts of a condition over the values recorded by a decision.

    Args:
        facts: Column -> recorded value.
        types: Column -> PostgreSQL type.
    """
    tree = sql_guard.parse(condition, "postgres")[0]
    split = [part.unnest() for part in tree.flatten()] if isinstance(tree, exp.And) else [tree]
    texts = [part.sql(dialect="postgres") for part in split]
    known = (*types, *thresholds)
    checked = [expression.on_built(text, known, f"c{number}_") for number, text in enumerate(texts)]
    used = {column for one in checked for column in one.columns}
    parameters: dict[str, Any] = {f"v_{name}": facts.get(name) for name in used if name in types}
    parameters |= {f"t_{name}": thresholds[name] for name in used if name in thresholds}
    columns = [f'cast(%(v_{name})s as {types[name]}) as "{name}"' for name in sorted(used) if name in types]
    columns += [f'cast(%(t_{name})s as double precision) as "{name}"' for name in sorted(used) if name in thresholds]
    for one in checked:
        parameters |= one.parameters
    chosen = ", ".join(f"({one.sql})" for one in checked)
    statement = f"select {chosen} from (select {', '.join(columns) or '1'}) as subject"  # noqa: S608
    answers = connection.exec_driver_sql(statement, parameters).one()
    found = []
    for part, text, one, holds in zip(split, texts, checked, answers, strict=True):
        values = {name: facts.get(name) for name in one.columns if name in types}
        limits = {name: thresholds[name] for name in one.columns if name in thresholds}
        found.append(Part(text, holds, values, limits, _text(part, text, facts, limits)))
    return found


def _text(part: exp.Expr, text: str, facts: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    sign = _SIGNS.get(type(part))
    column = part.this.name if isinstance(part.this, exp.Column) else ""
    if sign and column and column not in limits:
        at = part.expression
        limit = limits.get(at.name) if isinstance(at, exp.Column) else _number(at)
        if limit is not None:
            return f"{_value(column, facts)}; opens {sign} {_figure(column, limit)}"
    read = [name for name in dict.fromkeys(each.name for each in part.find_all(exp.Column)) if name not in limits]
    values_shown = ", ".join(_value(name, facts) for name in read)
    shown = ", ".join(f"{name} = {limit:g}" for name, limit in limits.items())
    return f"{values_shown}; opens at: {text}" + (f" ({shown})" if shown else "")


def _value(column: str, facts: Mapping[str, Any]) -> str:
    value, name = facts.get(column), _named(column)
    if (
        value is not None
        and all(facts.get(other) is not None for other in SHOWN_WITH.get(column, ()))
        and column in SHOWN_WITH
    ):
        now, usual = (_figure(other, facts[other]) for other in SHOWN_WITH[column])
        return f"{_named(SHOWN_WITH[column][0])} is {now} against a baseline of {usual} ({_figure(column, value)})"
    return f"{name} is {_figure(column, value)}"


def _named(column: str) -> str:
    words = column.removeprefix("n_").removeprefix("is_").split("_")
    return " ".join(f"{word[:-1]} d" if word[:-1].isdigit() and word.endswith("d") else word for word in words)


def _figure(column: str, value: Any) -> str:
    if value is None:
        return formatting.unknown()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    if any(word in ("ratio", "share", "utilisation", "breadth") for word in column.split("_")):
        return formatting.percent(value)
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _number(node: exp.Expr) -> float | None:
    return float(node.this) if isinstance(node, exp.Literal) and not node.is_string else None
