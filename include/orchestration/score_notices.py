"""Back-test the health score, and report missed floors to the head of customer success."""

from __future__ import annotations

from dataclasses import dataclass

from include import config
from include.deliver import notices
from include.outbox.message import Message
from include.reports import periods
from include.scores.health import record


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
        notices.notify(
            people.head or people.queue,
            Message(
                subject=f"The health score is below {len(found.warnings)} of its minimum figures",
                summary="; ".join(found.warnings) + f". The backtest covers {found.n_losses} losses.",
                next_steps=(
                    "To see each measure alone: python -m include.cli score backtest",
                    "With 30 losses or more, to see learned weights: python -m include.cli score learn",
                ),
                footer="You are notified once a month while this is the case.",
            ),
        )
    return BacktestResult(found.n_losses, found.n_left_out, found.warnings)
