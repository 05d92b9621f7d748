"""List forecast lines where people and the score disagree, and the decisions due each week."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from include import config
from include.common import formatting, working_days
from include.common.texts import gettext
from include.common.words import word
from include.scores.forecast.lines import Line

# A score that lost this many points in 28 days is falling. The same drop changes a band at once (sql/health).
FALL = 5
HIGH_PULSE = 4
BANDS = ("red", "yellow", "green", "unknown")


@dataclass(frozen=True)
class Disagreement:
    """A renewal whose human judgement contradicts the score.

    Args:
        surest: The forecast category with the highest probability.
    """

    line: Line
    surest: str

    @property
    def reason(self) -> str:
        """The contradiction in words; "" without one."""
        return gettext("; ").join(_reasons(self.line, self.surest))


@dataclass(frozen=True)
class Week:
    """The decisions of one week.

    Args:
        starts: Its Monday; None for decision dates that have passed.
        n: Number of renewals to be decided.
        at_stake: Their ARR.
        by_band: Their ARR for each band.
        n_reminded: For how many of them the CSM has received a reminder.
        holidays: Public holidays of that week in the regions of the accounts, such as "25 Dec Christmas Day (DE)".
    """

    starts: date | None
    n: int
    at_stake: Decimal
    by_band: dict[str, Decimal]
    n_reminded: int = 0
    holidays: tuple[str, ...] = ()


def disagreements(lines: Sequence[Line]) -> list[Disagreement]:
    """Return open renewals whose category or pulse is more optimistic than the health score, by decision date."""
    categories = config.load().kpis.forecast.categories
    surest = max(categories, key=lambda one: one.probability).category if categories else ""
    found = (Disagreement(line, surest) for line in lines if line.is_open)
    return [one for one in found if one.reason]


def calendar(lines: Sequence[Line], reminded: Collection[str] = (), weeks: int = 53) -> list[Week]:
    """Return the weeks in which open renewals are decided.

    Renewals that are already won, lost or under notice are not at stake.

    Args:
        reminded: The renewals whose CSM has received a reminder.
        weeks: How many weeks ahead.
    """
    members: dict[date | None, list[Line]] = {}
    for line in lines:
        if line.is_open:
            day = line.decision_date
            monday = day - timedelta(days=day.weekday()) if day >= line.as_of else None
            members.setdefault(monday, []).append(line)
    last = lines[0].as_of + timedelta(days=7 * weeks) if lines else date.max
    ordered = sorted((monday for monday in members if not monday or monday < last), key=lambda day: day or date.min)
    return [_week(monday, members[monday], reminded) for monday in ordered]


def _reasons(line: Line, surest: str) -> Iterator[str]:
    if line.category == surest and line.band == "red":
        yield gettext("{category} in the CRM, but health is red", category=word(surest))
    if line.pulse is None or line.score is None or line.score_28d_ago is None:
        return
    if line.pulse >= HIGH_PULSE and line.score_28d_ago - line.score >= FALL:
        yield gettext(
            "pulse {pulse}, but the score fell from {before} to {score} in 28 days",
            pulse=line.pulse,
            before=formatting.number(line.score_28d_ago),
            score=formatting.number(line.score),
        )


def _week(monday: date | None, lines: Sequence[Line], reminded: Collection[str]) -> Week:
    by_band = {band: sum((one.target for one in lines if one.band == band), Decimal()) for band in BANDS}
    n_reminded = sum(one.renewal_id in reminded for one in lines)
    regions = {one.region for one in lines}
    return Week(monday, len(lines), sum(by_band.values(), Decimal()), by_band, n_reminded, _holidays(monday, regions))


def _holidays(monday: date | None, regions: Collection[str]) -> tuple[str, ...]:
    if monday is None:
        return ()
    calendars = config.load().people.calendars
    countries = {calendars.get(region, calendars["default"]).country for region in regions}
    found = [
        (day, country, name)
        for country in countries
        for day, name in working_days.public_holidays(country, monday, monday + timedelta(days=6))
    ]
    return tuple(f"{day.day} {day:%b} {name} ({country})" for day, country, name in sorted(found))
