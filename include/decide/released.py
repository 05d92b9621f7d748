"""Notify the owner of a release of its adoption, once its 28 days are over: once per release."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from include.analyses import releases
from include.common import formatting
from include.common.texts import gettext
from include.config import releases as settings
from include.decide.context import Day, Outcome
from include.outbox.message import Evidence, Message
from include.warehouse.engine import engine

RULE = "release_adoption"
KIND = "release"
# Releases whose days ended longer ago are not reported. This also skips the history of a first build.
REPORTED_DAYS = 28


def plan(day: Day) -> Outcome:
    """Return the notices that are due."""
    outcome = Outcome()
    known = settings.load()
    if not known:
        return outcome
    with engine("reader").connect() as connection:
        rows = releases.stored(connection)
    last = timedelta(days=releases.DAYS + REPORTED_DAYS)
    for row in rows:
        if not row["is_final"] or row["release"] not in known or day.today - row["released_on"] > last:
            continue
        owner = known[row["release"]].owner
        with day.reading(owner.email):
            written = message(row)
        outcome.actions.append(
            day.action(
                "email",
                written,
                entity_kind=KIND,
                entity_id=row["release"],
                rule=RULE,
                episode_no=1,
                step=f"day_{releases.DAYS}",
                account_key="",
                recipient=owner.email,
                reads=(),
                not_after=day.after(day.today + timedelta(days=REPORTED_DAYS)),
                version=f"{RULE} 1",
            )
        )
    return outcome


def message(row: Mapping[str, Any]) -> Message:
    """Return the notice, with the goal only if it was set by the day of the release."""
    adoption = formatting.percent(row["adoption"], 1) if row["adoption"] is not None else gettext("not available")
    subject = gettext("{release}: {share} of its targets adopted it", release=row["title"], share=adoption)
    counted = [
        gettext(
            "Reached: {n} of {total} targets ({share}) had a user",
            n=row["n_reached"],
            total=row["n_targets"],
            share=formatting.percent(row["reach"] or 0, 1),
        ),
        gettext(
            "Adopted: {n}, {share} of the reached, had {users} users or used it in {weeks} weeks",
            n=row["n_adopted"],
            share=formatting.percent(row["of_reached"] or 0, 1),
            users=releases.FEWEST_USERS,
            weeks=releases.FEWEST_WEEKS,
        ),
    ]
    if row["n_unknown"]:
        counted.append(gettext("{n} customers do not count, because their use is not known", n=row["n_unknown"]))
    if row["n_tickets"] is not None:
        counted.append(gettext("Tickets that name it: {n}", n=row["n_tickets"]))
    return Message(
        subject=subject,
        summary=_SUMMARIES[row["verdict"]](row),
        evidence=tuple(Evidence(text=text) for text in counted),
        next_steps=(gettext("See all releases: {command}", command="python -m include.cli releases list"),),
        footer=gettext("You are notified once of each release."),
    )


_SUMMARIES = {
    "reached_goal": lambda row: gettext(
        "It reached its goal of {goal} in 28 days.", goal=formatting.percent(row["goal"], 1)
    ),
    "missed_goal": lambda row: gettext(
        "It missed its goal of {goal} in 28 days.", goal=formatting.percent(row["goal"], 1)
    ),
    "no_goal": lambda row: gettext("No goal was set by the day of its release, so there is nothing to compare with."),
    "no_targets": lambda row: gettext("No customer with known use is among its targets."),
}
