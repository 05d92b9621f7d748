"""Asks the warehouse for which subjects a signal's conditions hold: one statement per signal, however many accounts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.decide.recipients import Owner
from include.decide.signals.load import Loaded

TIMEOUT = "30s"


@dataclass(frozen=True)
class Hit:
    """A subject that a signal has to look at: it opens, or is open.

    Args:
        subject_id: Which one.
        values: All its columns.
        opens: Whether the condition to open is true; what is unknown makes it neither true nor false.
        is_worse: Whether that of high severity is.
        closes: Whether that to close is.
    """

    subject_id: str
    values: dict[str, Any]
    opens: bool
    is_worse: bool
    closes: bool

    @property
    def account_key(self) -> str:
        """The account that it belongs to."""
        return str(self.values["account_key"])

    @property
    def owner(self) -> Owner:
        """The account's CSM."""
        return Owner(**{name: self.values[name] for name in Owner.__dataclass_fields__})


def evaluate(connection: sa.Connection, as_of_day: date, loaded: Loaded, open_ids: Collection[str]) -> list[Hit]:
    """Evaluate one signal over the subjects of one day.

    Args:
        connection: Of the reader role.
        as_of_day: The newest built day.
        loaded: The signal.
        open_ids: Subjects with an open episode of it: they are returned whatever their conditions say.

    Raises:
        ConfigError: A condition cannot be evaluated, as with a text compared to a number.
    """
    worse = loaded.worse.sql if loaded.worse else "false"
    parameters: dict[str, object] = {"as_of_day": as_of_day, "open_ids": sorted(open_ids)}
    for expression in (loaded.open, loaded.worse, loaded.close):
        parameters |= expression.parameters if expression else {}
    columns = ", ".join((*loaded.table.columns, *_thresholds(loaded, parameters)))
    statement = (
        f"select {', '.join(loaded.table.columns)}, ({loaded.open.sql}) is true as _opens,"  # noqa: S608
        f" ({worse}) is true as _worse, ({loaded.close.sql}) is true as _closes"
        f" from (select {columns} from {loaded.table.name} where as_of_day = %(as_of_day)s) as subject"
        f" where ({loaded.open.sql}) is true or {loaded.table.key} = any(%(open_ids)s::text[])"
        f" order by {loaded.table.key}"
    )
    connection.exec_driver_sql(f"set local statement_timeout = '{TIMEOUT}'")
    try:
        with connection.begin_nested():
            rows = connection.exec_driver_sql(statement, parameters).mappings().all()
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigError(
            f"signal {loaded.signal.name} cannot be evaluated: {reason}",
            cure=f"correct its conditions in {loaded.path}, or set its status to draft",
        ) from None
    return [
        Hit(
            str(row[loaded.table.key]),
            {column: row[column] for column in loaded.table.columns},
            row["_opens"],
            row["_worse"],
            row["_closes"],
        )
        for row in rows
    ]


def _thresholds(loaded: Loaded, parameters: dict[str, object]) -> list[str]:
    """Return the thresholds as columns, each with the values of the tiers that differ."""
    signal, columns = loaded.signal, []
    for name, usual in signal.thresholds.items():
        parameters[f"usual_{name}"] = usual
        cases = ""
        for number, (tier, numbers) in enumerate(signal.tiers.items()):
            if name in numbers:
                parameters |= {f"tier_{number}": tier, f"tier_{number}_{name}": numbers[name]}
                cases += f" when lower(tier) = %(tier_{number})s then %(tier_{number}_{name})s::double precision"
        usual_value = f"%(usual_{name})s::double precision"
        columns.append(f'case{cases} else {usual_value} end as "{name}"' if cases else f'{usual_value} as "{name}"')
    return columns
