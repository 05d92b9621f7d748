"""Asks the warehouse what a playbook's conditions say of the things that it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide.playbooks.load import Loaded

TIMEOUT = "15s"


@dataclass(frozen=True)
class Answer:
    """What is known of one thing, and what the conditions say of it; where something is unknown, they say None.

    Args:
        values: Its columns; those of a source that is not fit are None.
        starts: Whether the trigger holds.
        ends: Whether the exit's condition does.
        only_if: Step -> whether its condition holds.
    """

    values: Mapping[str, Any]
    starts: bool
    ends: bool
    only_if: Mapping[str, bool | None]


def evaluate(
    connection: sa.Connection,
    as_of_day: date,
    loaded: Loaded,
    unfit: Mapping[str, Collection[str] | None],
    ids: Collection[str] = (),
) -> dict[str, Answer]:
    """Evaluate a playbook over the things of one day.

    Args:
        connection: Of the reader role.
        as_of_day: The newest built day.
        loaded: The playbook.
        unfit: Kind of source -> accounts for which its columns count as unknown; None for all accounts.
        ids: The things to look at, beside those which have reached the rung.

    Raises:
        ConfigError: A condition cannot be evaluated, as with a text compared to a number.
    """
    if not ids and loaded.playbook.trigger.rung is None:
        return {}
    parameters: dict[str, object] = {"as_of_day": as_of_day, "ids": sorted(ids), "rung": loaded.playbook.trigger.rung}
    for expression in (loaded.starts, loaded.ends, *loaded.only_if.values()):
        parameters |= expression.parameters if expression else {}
    chosen = f"{loaded.table.key} = any(%(ids)s::text[])"
    reached = "true"
    if loaded.playbook.trigger.rung is not None:
        reached = "days_to_decision between 0 and %(rung)s and term_days >= 2 * %(rung)s"
        chosen = f"({chosen} or {reached})"
    starts = f"({loaded.starts.sql}) is true" if loaded.starts else "true"
    columns = ", ".join(_known(loaded, column, unfit, parameters) for column in loaded.table.columns)
    statement = (
        f"select {', '.join(loaded.table.columns)}, {reached} and {starts} as _starts,"  # noqa: S608
        f" {f'({loaded.ends.sql}) is true' if loaded.ends else 'false'} as _ends,"
        f" array[{', '.join(f'({each.sql})' for each in loaded.only_if.values())}]::boolean[] as _only_if"
        f" from (select {columns} from {loaded.table.name} where as_of_day = %(as_of_day)s) as subject"
        f" where {chosen} order by {loaded.table.key}"
    )
    connection.exec_driver_sql(f"set local statement_timeout = '{TIMEOUT}'")
    try:
        with connection.begin_nested():
            rows = connection.exec_driver_sql(statement, parameters).mappings().all()
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigError(
            f"playbook {loaded.playbook.name}: its conditions cannot be evaluated: {reason}",
            cure=f"correct them in {loaded.path}, or set its status to draft",
        ) from None
    return {
        str(row[loaded.table.key]): Answer(
            {column: row[column] for column in loaded.table.columns},
            row["_starts"],
            row["_ends"],
            dict(zip(loaded.only_if, row["_only_if"], strict=True)),
        )
        for row in rows
    }


def _known(
    loaded: Loaded, column: str, unfit: Mapping[str, Collection[str] | None], parameters: dict[str, object]
) -> str:
    """Return a column as SQL, null where a source that it rests on is not fit."""
    kinds = sorted(loaded.table.kinds[column] & unfit.keys())
    if not kinds:
        return column
    tests = []
    for kind in kinds:
        accounts = unfit[kind]
        if accounts is None:
            return f"cast(null as {loaded.table.types[column]}) as {column}"
        parameters[f"unfit_{kind}"] = sorted(accounts)
        tests.append(f"account_key = any(%(unfit_{kind})s::text[])")
    return f"case when {' or '.join(tests)} then null else {column} end as {column}"
