"""Forecast a whole quarter: the current one or one of the next three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from include.common import quarters
from include.scores.forecast import past, totals
from include.scores.forecast.lines import Line
from include.scores.forecast.past import Frozen
from include.scores.forecast.totals import IntervalScale, Total

AHEAD = 3  # how many quarters after the current one are forecast


@dataclass(frozen=True)
class Quarter:
    """The expected renewals of a quarter.

    Args:
        start: Its first day.
        lines: Its renewals.
        scale: How much the interval is widened, learned from past quarters forecast equally far ahead.
    """

    start: date
    lines: Sequence[Line]
    scale: IntervalScale

    @property
    def label(self) -> str:
        """Such as 2026Q3."""
        return quarters.label(self.start)

    @property
    def total(self) -> Total:
        return totals.total(self.lines, self.scale)

    @property
    def won(self) -> float:
        """ARR that is renewed already."""
        return float(sum(line.amount for line in self.lines if line.line_class == "won"))

    @property
    def lost(self) -> float:
        """ARR that is lost already: all of the renewals lost or under notice, and what the renewed ones gave up."""
        return float(sum(line.target for line in self.lines if not line.is_open)) - self.won


def starts(as_of: date) -> list[date]:
    """Return the first days of the quarters that are forecast on a day: its own and the next three."""
    this = quarters.start(as_of)
    return [quarters.plus(this, number) for number in range(AHEAD + 1)]


def of(start: date, lines: Sequence[Line], frozen: Sequence[Frozen]) -> Quarter:
    """Return one quarter's forecast.

    Args:
        start: Its first day.
        lines: Renewals of all quarters; at least one.
        frozen: Frozen forecasts of earlier quarters.
    """
    n_ahead = quarters.between(quarters.start(lines[0].as_of), start)
    scale = totals.interval_scale(past.quarters(frozen, n_ahead))
    return Quarter(start, [line for line in lines if line.quarter_start == start], scale)


def ahead(lines: Sequence[Line], frozen: Sequence[Frozen]) -> list[Quarter]:
    """Return the forecasts of the current and the next three quarters, skipping quarters without a renewal."""
    if not lines:
        return []
    this = quarters.start(lines[0].as_of)
    starts = sorted({line.quarter_start for line in lines if line.quarter_start >= this})
    return [of(start, lines, frozen) for start in starts]
