"""Asks the warehouse which open renewals a playbook's conditions hold for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from include.errors import ConfigError
from include.playbooks.load import Loaded
from include.renewals.checkpoint import COLUMNS, EVIDENCE_KINDS, TABLE

TIMEOUT = "15s"


@dataclass(frozen=True)
class Answer:
    """For which renewals a playbook's conditions are true; where something is unknown, neither is.

    Args:
        triggered: Ids of the renewals that it starts for.
        ended: Ids of the renewals whose risk is gone.
        problem: Why it could not be evaluated; then both are empty. The other playbooks are not affected.
    """

    triggered: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    problem: ConfigError | None = None


def evaluate(
    connection: sa.Connection,
    as_of_day: date,
    playbooks: Sequence[Loaded],
    unfit: Mapping[str, Collection[str] | None],
) -> dict[str, Answer]:
    """Evaluate playbooks over the open renewals of one day.

    Args:
        connection: Of the reader role.
        as_of_day: The newest built day.
        playbooks: Which ones.
        unfit: Kind of source -> accounts for which its columns count as unknown; None for all accounts.
    """
    connection.exec_driver_sql(f"set local statement_timeout = '{TIMEOUT}'")
    return {loaded.playbook.name: _evaluate(connection, as_of_day, loaded, unfit) for loaded in playbooks}


def _evaluate(
    connection: sa.Connection, as_of_day: date, loaded: Loaded, unfit: Mapping[str, Collection[str] | None]
) -> Answer:
    parameters: dict[str, object] = {"as_of_day": as_of_day, **loaded.trigger.parameters, **loaded.exit.parameters}
    columns = []
    for column in COLUMNS:
        kind = EVIDENCE_KINDS.get(column, "")
        if kind not in unfit:
            columns.append(column)
            continue
        accounts = unfit[kind]
        parameters[f"unfit_{kind}"] = None if accounts is None else sorted(accounts)
        columns.append(
            f"case when %(unfit_{kind})s::text[] is null or account_key = any(%(unfit_{kind})s::text[])"
            f" then null else {column} end as {column}"
        )
    statement = (
        f"select renewal_id, ({loaded.trigger.sql}) is true, ({loaded.exit.sql}) is true"  # noqa: S608
        f" from (select {', '.join(columns)} from {TABLE} where as_of_day = %(as_of_day)s) as renewal"
    )
    try:
        with connection.begin_nested():
            rows = connection.exec_driver_sql(statement, parameters).all()
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0]
        problem = ConfigError(
            f"playbook {loaded.playbook.name}: its trigger or exit cannot be evaluated: {reason}",
            cure=f"correct the condition in {loaded.path}, or set its status to draft",
        )
        return Answer(problem=problem)
    return Answer(frozenset(row[0] for row in rows if row[1]), frozenset(row[0] for row in rows if row[2]))
