"""Holds a decision to the caps of a run: what is above them is parked behind a question to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from include.alerts import episodes
from include.alerts.day import Day, Outcome
from include.config import authors, files
from include.delivery import approvals, caps
from include.delivery.outbox import Action
from include.warehouse.engine import has_table


class Rule(Protocol):
    """A signal or playbook that was read from a file."""

    @property
    def path(self) -> Path: ...


def limit(
    connection: sa.Connection,
    decision_id: str,
    day: Day,
    outcomes: Sequence[Outcome],
    rules: Mapping[str, Rule],
    by: str = "",
) -> list[Action]:
    """Return all actions of a decision, those above the caps parked.

    Args:
        connection: Of the builder role, within the decision's transaction.
        decision_id: The decision.
        day: The day that is decided on.
        outcomes: What the planners want.
        rules: Rules by name.
        by: Who started the decision, when that was a person.
    """
    actions = [action for outcome in outcomes for action in outcome.actions]
    found = caps.sort(connection, actions, decision_id, day.settings.caps, _book(connection, day))
    who = (by, *_authors({action.rule for action in found.above}, rules)) if found.above else ()
    return found.within + approvals.ask(connection, found.above, decision_id, found.reason, who, day.settings, day.now)


def _authors(names: set[str], rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """Return who last changed the rules of parked actions, and the settings that decide how much goes out."""
    settings = ["caps.yaml", "channels.yaml", *(["renewals.yaml"] if episodes.RENEWAL in names else [])]
    paths = [rules[name].path for name in names if name in rules]
    return authors.of(paths + [path for name in settings if (path := files.find("config", name))])


def _book(connection: sa.Connection, day: Day) -> int:
    """Return how many customers there are."""
    if not has_table(connection, "marts.act_account"):
        return len({renewal.account_key for renewal in day.renewals.values()})
    return connection.execute(
        sa.text("select count(*) from marts.act_account where as_of_day = :day"), {"day": day.as_of}
    ).scalar_one()
