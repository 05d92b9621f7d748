"""Evaluate a rule's conditions in the warehouse: one statement per rule, for any number of accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide.recipients import Owner
from include.decide.rules.load import Rule

TIMEOUT = "30s"
Unfit = Mapping[str, Collection[str] | None]


@dataclass(frozen=True)
class Hit:
    """A subject that a rule must act on: it opens, is open, or was chosen by another rule.

    Args:
        values: All its columns.
        opens: Whether all opening conditions are true. A condition on an unknown value is neither true nor false.
        is_worse: Whether the condition of high severity is true.
        only_if: Step -> whether its condition holds; None while it is unknown.
    """

    subject_id: str
    values: Mapping[str, Any]
    opens: bool
    is_worse: bool = False
    closes: bool = False
    only_if: Mapping[str, bool | None] = field(default_factory=dict)

    @property
    def account_key(self) -> str:
        return str(self.values["account_key"])

    @property
    def owner(self) -> Owner:
        return Owner(**{name: self.values[name] for name in Owner.__dataclass_fields__})


def evaluate(
    connection: sa.Connection,
    as_of_day: date,
    rule: Rule[Any],
    ids: Collection[str] = (),
    unfit: Unfit | None = None,
) -> list[Hit]:
    """Evaluate a rule for the subjects of one day.

    Args:
        ids: Subjects to return regardless of the conditions: the rule is open for them, or another rule chose them.
        unfit: Kind of source -> accounts whose columns count as unknown; None for all accounts.

    Raises:
        ConfigError: A condition cannot be evaluated, for example because it compares a text with a number.
    """
    if rule.is_chosen and not ids:
        return []
    parameters: dict[str, object] = {"as_of_day": as_of_day, "ids": sorted(ids)}
    for condition in rule.conditions:
        parameters |= condition.parameters
    columns = [_known(rule, column, unfit or {}, parameters) for column in rule.table.columns]
    opens = " and ".join(f"({clause.condition.sql})" for clause in rule.open) or "true"
    worse, closes = (f"({one.sql}) is true" if one else "false" for one in (rule.worse, rule.close))
    chosen = f"{rule.table.key} = any(%(ids)s::text[])"
    statement = (
        f"select {', '.join(rule.table.columns)}, ({opens}) is true as _opens, {worse} as _worse, {closes} as _closes,"  # noqa: S608
        f" array[{', '.join(f'({each.sql})' for each in rule.only_if.values())}]::boolean[] as _only_if"
        f" from (select {', '.join([*columns, *_thresholds(rule, parameters)])} from {rule.table.name}"
        f" where as_of_day = %(as_of_day)s) as subject"
        f" where {chosen if rule.is_chosen else f'({opens}) is true or {chosen}'} order by {rule.table.key}"
    )
    connection.exec_driver_sql(f"set local statement_timeout = '{TIMEOUT}'")
    try:
        with connection.begin_nested():
            rows = connection.exec_driver_sql(statement, parameters).mappings().all()
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigError(
            f"{rule.file.type} {rule.file.name} cannot be evaluated: {reason}",
            cure=f"fix its conditions in {rule.path}, or set its status to draft",
        ) from None
    return [
        Hit(
            str(row[rule.table.key]),
            {column: row[column] for column in rule.table.columns},
            row["_opens"],
            row["_worse"],
            row["_closes"],
            dict(zip(rule.only_if, row["_only_if"], strict=True)),
        )
        for row in rows
    ]


def _known(rule: Rule[Any], column: str, unfit: Unfit, parameters: dict[str, object]) -> str:
    """Return a column as SQL. It is null for accounts whose source is not fit."""
    tests = []
    for kind in sorted(rule.table.kinds[column] & unfit.keys()):
        accounts = unfit[kind]
        if accounts is None:
            return f"cast(null as {rule.table.types[column]}) as {column}"
        parameters[f"unfit_{kind}"] = sorted(accounts)
        tests.append(f"account_key = any(%(unfit_{kind})s::text[])")
    return f"case when {' or '.join(tests)} then null else {column} end as {column}" if tests else column


def _thresholds(rule: Rule[Any], parameters: dict[str, object]) -> list[str]:
    """Return the thresholds as columns, each with the values of the tiers that override it."""
    columns = []
    for name, usual in rule.thresholds.items():
        parameters[f"usual_{name}"] = usual
        cases = ""
        for number, (tier, numbers) in enumerate(rule.tiers.items()):
            if name in numbers:
                parameters |= {f"tier_{number}": tier, f"tier_{number}_{name}": numbers[name]}
                cases += f" when lower(tier) = %(tier_{number})s then %(tier_{number}_{name})s::double precision"
        usual_value = f"%(usual_{name})s::double precision"
        columns.append(f'case{cases} else {usual_value} end as "{name}"' if cases else f'{usual_value} as "{name}"')
    return columns
