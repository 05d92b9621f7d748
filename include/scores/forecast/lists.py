"""List forecast lines where people and the score disagree, and the decisions due each week."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from include import config
from include.scores.forecast.lines import Line

# A score that lost this many points in 28 days is falling. The same drop changes a band at once (sql/health).
FALL = 5
HIGH_PULSE = 4
BANDS = ("red", "yellow", "green", "unknown")


@dataclass(frozen=True)
class Disagreement:
    """A renewal whose human judgement contradicts the score."""

    line: Line
    reason: str


@dataclass(frozen=True)
class Week:
    """The decisions of one week.

    Args:
        starts: Its Monday; None for decision dates that have passed.
        n: Number of renewals to be decided.
        at_stake: Their ARR.
        by_band: Their ARR for each band.
    """

    starts: date | None
    n: int
    at_stake: Decimal
    by_band: dict[str, Decimal]


def disagreements(lines: Sequence[Line]) -> list[Disagreement]:
    """Return open renewals whose category or pulse is more optimistic than the health score, by decision date."""
    categories = config.load().kpis.forecast.categories
    surest = max(categories, key=lambda one: one.probability).category if categories else ""
    found = []
    for line in lines:
        if line.is_open and (reason := "; ".join(_reasons(line, surest))):
            found.append(Disagreement(line, reason))
    return found


def calendar(lines: Sequence[Line]) -> list[Week]:
    """Return the weeks in which open renewals are decided.

    Renewals that are already won, lost or under notice are not at stake.
    """
    members: dict[date | None, list[Line]] = {}
    for line in lines:
        if line.is_open:
            day = line.decision_date
            monday = day - timedelta(days=day.weekday()) if day >= line.as_of else None
            members.setdefault(monday, []).append(line)
    return [_week(monday, members[monday]) for monday in sorted(members, key=lambda day: day or date.min)]


def _reasons(line: Line, surest: str) -> Iterator[str]:
    if line.category == surest and line.band == "red":
        yield f"{surest} in the CRM, but health is red"
    if line.pulse is None or line.score is None or line.score_28d_ago is None:
        return
    if line.pulse >= HIGH_PULSE and line.score_28d_ago - line.score >= FALL:
        yield f"pulse {line.pulse}, but the score fell from {line.score_28d_ago:.0f} to {line.score:.0f} in 28 days"


def _week(monday: date | None, lines: Sequence[Line]) -> Week:
    by_band = {band: sum((one.target for one in lines if one.band == band), Decimal()) for band in BANDS}
    return Week(monday, len(lines), sum(by_band.values(), Decimal()), by_band)
