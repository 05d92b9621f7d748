"""Forecast a whole quarter, the current one or one of the next three; or the decisions of a month."""

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
    """The expected renewals of a quarter, or of a month's decisions.

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

    @property
    def at_stake(self) -> float:
        """ARR that is still open."""
        return float(sum(line.target for line in self.lines if line.is_open))


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
    return _of(start, [line for line in lines if line.quarter_start == start], lines[0].as_of, frozen)


def of_month(month: date, lines: Sequence[Line], frozen: Sequence[Frozen]) -> Quarter:
    """Return the forecast of the open renewals that are decided in a month, whenever their terms end.

    Args:
        month: Its first day.
        lines: Renewals of all quarters; at least one.
        frozen: Frozen forecasts of earlier quarters.
    """
    decided = [line for line in lines if line.is_open and line.decision_date.replace(day=1) == month]
    return _of(month, decided, lines[0].as_of, frozen)


def ahead(lines: Sequence[Line], frozen: Sequence[Frozen]) -> list[Quarter]:
    """Return the forecasts of the current and the next three quarters, skipping quarters without a renewal."""
    if not lines:
        return []
    this = quarters.start(lines[0].as_of)
    starts = sorted({line.quarter_start for line in lines if line.quarter_start >= this})
    return [of(start, lines, frozen) for start in starts]


def _of(start: date, chosen: Sequence[Line], as_of: date, frozen: Sequence[Frozen]) -> Quarter:
    n_ahead = max(0, quarters.between(quarters.start(as_of), quarters.start(start)))
    return Quarter(start, chosen, totals.interval_scale(past.quarters(frozen, n_ahead)))
