"""Report the reasons for which deals were lost while a competitor was named, and that nothing answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from include import config
from include.analyses import competitors
from include.common import formatting
from include.common.texts import gettext
from include.config import competitors as settings
from include.deliver import notices
from include.outbox.message import Evidence, Message
from include.reports import periods
from include.warehouse.engine import engine

_SHOWN = 10


def list_competitors() -> dict[str, int]:
    """Notify the owner of each competitor's answers, else the head, if a deal of last month was lost for such a reason.

    Returns:
        Competitor -> number of its reasons without an answer, of those that were given last month.
    """
    month = periods.last_month()
    with engine("reader").connect() as connection:
        found = competitors.unanswered(competitors.reasons(connection, month.last))
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        if row["last_lost"] >= month.first:
            by_name.setdefault(row["competitor"], []).append(row)
    known, people = settings.load(), config.load().people
    for name, rows in by_name.items():
        to = known[name].owner if name in known else people.head_or_queue
        notices.notify(to, lambda name=name, rows=rows: _unanswered(name, rows))  # type: ignore[misc]
    return {name: len(rows) for name, rows in by_name.items()}


def _unanswered(name: str, rows: Sequence[dict[str, Any]]) -> Message:
    return Message(
        subject=gettext(
            "Lost while {competitor} was named; reasons without an answer: {n}", competitor=name, n=len(rows)
        ),
        summary=gettext("Several deals of a year were lost for each of them. CSMs need something to say."),
        evidence=tuple(
            Evidence(
                text=gettext(
                    "{reason}: {n} lost, last on {day}",
                    reason=row["lost_reason"],
                    n=row["n_lost"],
                    day=formatting.day(row["last_lost"]),
                )
            )
            for row in rows[:_SHOWN]
        ),
        next_steps=(
            gettext("Write what answers them into {folder} of the settings", folder="config/competitors/"),
            gettext("See all of them: {command}", command="python -m include.cli competitors reasons --unanswered"),
        ),
        footer=gettext("You get this list once a month, if there are any."),
    )
