"""The Team page: each CSM's accounts, tasks, alerts against the budget, decisions, and places for key accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from include import config
from include.config.viewers import Viewer
from include.pages import scope
from include.reports import team_load
from include.warehouse.engine import engine, has_table

WORKING_DAYS = 20  # working days within the 28 days whose alerts are counted


@dataclass(frozen=True)
class Team:
    """One row per CSM.

    Args:
        day: The newest day with figures; None before the first build.
        budget: The most alerts that a person gets on a day.
    """

    day: date | None
    rows: Sequence[dict[str, Any]] = ()
    budget: int = 0


def read(viewer: Viewer) -> Team:
    """Return the workload of each CSM with accounts that the viewer may see."""
    with engine("reader").connect() as connection:
        if not all(has_table(connection, name) for name in team_load.TABLES):
            return Team(None)
        day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
        if day is None:
            return Team(None)
        found = team_load.by_csm(connection, day, scope.accounts(connection, viewer))
    settings = config.load()
    places, budget = settings.people.places, settings.attention.alerts_per_person_and_day
    for row in found:
        row["places"] = places.get(row.pop("email") or "")
        row["alerts_a_day"] = row.pop("n_alerts") / WORKING_DAYS
        row["is_over_places"] = row["places"] is not None and row["n_key_accounts"] > row["places"]
        row["is_over_budget"] = row["alerts_a_day"] > budget
    return Team(day, found, budget)
