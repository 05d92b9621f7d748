"""The periods of reports: quarters, months, and weeks from Monday to Sunday."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from include import config
from include.common import formatting, quarters
from include.common.errors import ConfigError
from include.common.texts import gettext

Cadence = Literal["weekly", "monthly"]
Length = Literal["weekly", "monthly", "quarterly"]
UNIT: dict[Cadence, Literal["week", "month"]] = {"weekly": "week", "monthly": "month"}
_MONTH, _WEEK = re.compile(r"(2[01]\d\d)-(\d\d)"), re.compile(r"(2[01]\d\d)-W(\d\d)")


@dataclass(frozen=True)
class Period:
    """A week, a month or a quarter.

    Args:
        name: Such as 2026-W48, 2026-11 or 2026Q3.
    """

    name: str
    first: date
    last: date

    @property
    def length(self) -> Length:
        return "weekly" if "W" in self.name else "quarterly" if "Q" in self.name else "monthly"

    @property
    def label(self) -> str:
        """The name in the reader's words, such as November 2026."""
        if self.length == "monthly":
            return formatting.month(self.first)
        if self.length == "quarterly":
            return gettext("{first} to {last}", first=formatting.month(self.first), last=formatting.month(self.last))
        return gettext(
            "week {week}, {first} to {last}",
            week=self.first.isocalendar().week,
            first=formatting.day(self.first),
            last=formatting.day(self.last),
        )

    @property
    def before(self) -> Period:
        """The previous period."""
        return of(self.length, self.first - timedelta(days=1))


def of(length: Length, day: date) -> Period:
    """Return the period that contains a day."""
    if length == "quarterly":
        first = quarters.start(day)
        last = quarters.plus(first, 1) - timedelta(days=1)
        return Period(quarters.label(first), first, last)
    if length == "monthly":
        first = day.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return Period(f"{day:%Y-%m}", first, last)
    first = day - timedelta(days=day.weekday())
    last = first + timedelta(days=6)
    year, week, _ = day.isocalendar()
    return Period(f"{year}-W{week:02}", first, last)


def last_month() -> Period:
    """Return the month before the current one, in the reporting time zone."""
    return of("monthly", config.today()).before


def due(length: Length, newest: date, wait_days: int) -> Period:
    """Return the last period that ended at least ``wait_days`` ago."""
    return of(length, newest - timedelta(days=wait_days)).before


def named(length: Length, name: str) -> Period:
    """Return a period by its name.

    Raises:
        ConfigError: The name is not valid for this length.
    """
    try:
        if length == "quarterly":
            return of(length, quarters.parse(name))
        if length == "monthly" and (found := _MONTH.fullmatch(name)):
            return of(length, date(int(found[1]), int(found[2]), 1))
        if length == "weekly" and (found := _WEEK.fullmatch(name)):
            return of(length, date.fromisocalendar(int(found[1]), int(found[2]), 1))
    except ValueError:
        pass
    example = "2026-11" if length == "monthly" else "2026-W48"
    raise ConfigError(f"{name!r} is not a period of a {length} report", cure=f"write it like {example}")
