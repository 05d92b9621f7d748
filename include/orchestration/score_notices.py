"""Back-test the health score, and report missed floors to the head of customer success."""

from __future__ import annotations

from dataclasses import dataclass

from include import config
from include.common import texts
from include.common.texts import gettext, ngettext
from include.deliver import notices
from include.outbox.message import Message
from include.reports import periods
from include.scores.health import record
from include.scores.health.backtest import Backtest


@dataclass(frozen=True)
class BacktestResult:
    """The figures of one back-test."""

    n_losses: int
    n_left_out: int
    warnings: tuple[str, ...]


def judge() -> BacktestResult:
    """Back-test the score for last month, and notify the head of customer success, or the queue, of missed floors."""
    found = record.run(periods.last_month().first)
    if found.warnings:
        people = config.load().people
        notices.notify(people.head_or_queue, lambda: _missed(found))
    return BacktestResult(found.n_losses, found.n_left_out, found.warnings)


def _missed(found: Backtest) -> Message:
    counted = ngettext("The backtest covers {n} loss.", "The backtest covers {n} losses.", found.n_losses)
    return Message(
        subject=gettext("The health score is below {n} of its minimum figures", n=len(found.warnings)),
        summary=gettext("; ").join(found.warnings) + gettext(".") + texts.space() + counted,
        next_steps=(
            gettext("To see each measure alone: {command}", command="python -m include.cli score backtest"),
            gettext(
                "With 30 losses or more, to see learned weights: {command}",
                command="python -m include.cli score learn",
            ),
        ),
        footer=gettext("You are notified once a month while this is the case."),
    )
