"""Apply the caps of a run to a decision: actions above a cap are parked until a person approves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from include.decide.context import Day, Outcome
from include.outbox import approvals, caps
from include.outbox.store import Action
from include.warehouse.engine import has_table


def limit(
    connection: sa.Connection,
    decision_id: str,
    day: Day,
    outcomes: Sequence[Outcome],
    by: str = "",
    overlay: Mapping[str, str] | None = None,
) -> list[Action]:
    """Return all actions of a decision, with those above the caps parked.

    Args:
        by: The person who started the decision; "" if the schedule did.
        overlay: The state of the config overlay, read before the decision started.
    """
    actions = [action for outcome in outcomes for action in outcome.actions]
    found = caps.split(connection, actions, decision_id, day.settings.caps, _book(connection, day))
    above = approvals.request(
        connection, found.above, decision_id, found.reason, by, day.settings, day.now, overlay=overlay
    )
    return found.within + above


def _book(connection: sa.Connection, day: Day) -> int:
    """Return the number of customers."""
    if not has_table(connection, "marts.act_account"):
        return len({renewal.account_key for renewal in day.renewals.values()})
    return connection.execute(
        sa.text("select count(*) from marts.act_account where as_of_day = :day"), {"day": day.as_of}
    ).scalar_one()
