"""Calculate the renewal ladder: which reminder is due on a day before a decision, and how long it is worth sending.

This is pure date arithmetic, without a store or a clock.

The *decision date* of a renewal is the last day on which the customer can still decline: the notice deadline if there
is one, else the due date. The ladder counts back from it. The ladder of an auto-renewing contract therefore ends at the
notice deadline: afterwards there is nothing left to decide.

After a gap (no decision ran for two weeks) only the most urgent rung is sent. The rungs that were reached during the
gap are *passed over*: they are recorded as expired, and never sent late on top of a more urgent one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from include.config.renewals import Ladder


@dataclass(frozen=True)
class Rung:
    """One reminder of one renewal.

    Args:
        days: Days before the decision date.
        on: The first day on which it may be sent.
        until: The first day on which it is no longer sent.
    """

    days: int
    on: date
    until: date


def decision_date(due_date: date, notice_deadline: date | None) -> date:
    """Return the last day on which the customer can decline the renewal."""
    return notice_deadline or due_date


def rungs(decision: date, term_days: int, ladder: Ladder) -> tuple[Rung, ...]:
    """Return the reminders of one renewal, by date.

    Rungs longer than half the term are skipped, so that a customer who has just signed is not asked about renewing.
    Short terms get only the last rung.
    """
    if term_days < ladder.short_term_days:
        chosen = ladder.rungs[-1:]
    else:
        chosen = tuple(days for days in ladder.rungs if 2 * days <= term_days)
    reminders = []
    for days, following in zip(chosen, (*chosen[1:], None), strict=True):
        on = decision - timedelta(days=days)
        if following is None:
            until = decision + timedelta(days=1)
        else:
            until = min(decision - timedelta(days=following), on + timedelta(days=ladder.late_by_days))
        reminders.append(Rung(days, on, until))
    return tuple(reminders)


def due_on(day: date, decision: date, term_days: int, ladder: Ladder) -> Rung | None:
    """Return the reminder to send on a day: the most urgent one reached, or None."""
    reached = [rung for rung in rungs(decision, term_days, ladder) if rung.on <= day]
    if not reached or day >= reached[-1].until:
        return None
    return reached[-1]


def passed_over(after: date, day: date, decision: date, term_days: int, ladder: Ladder) -> tuple[Rung, ...]:
    """Return the reminders that were due in a gap and will not be sent.

    Args:
        after: The last day for which a decision was made.
    """
    due = due_on(day, decision, term_days, ladder)
    return tuple(rung for rung in rungs(decision, term_days, ladder) if after < rung.on <= day and rung != due)
