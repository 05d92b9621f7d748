"""Count due dates and working time in working days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import holidays

from include.common import texts
from include.common.errors import ConfigError

_DUE_AT = time(17, 0)


class WorkingCalendar(Protocol):
    """The working days of a country, as due dates need them."""

    def is_working_day(self, key: date) -> bool:
        """Return whether people work on the day."""

    def get_nth_working_day(self, key: date, n: int) -> date:
        """Return the n-th working day after the day. For n = 0, return the day itself or the next working day."""


@lru_cache(maxsize=64)
def calendar(country: str) -> WorkingCalendar:
    """Return the working calendar of a country: weekends, public holidays and make-up working days.

    Args:
        country: ISO 3166 code, such as DE.

    Raises:
        ConfigError: No public holidays are known for the country.
    """
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        raise ConfigError(
            f"people.yaml: no public holidays known for the country {country!r}",
            cure="use a two-letter ISO 3166 code, such as DE or US",
        ) from None


def public_holidays(country: str, first: date, last: date) -> list[tuple[date, str]]:
    """Return the public holidays of a country between two days, both included, named in the reader's language if known.

    Other names are English. Days off that are made up for on a weekend are included.

    Raises:
        ConfigError: No public holidays are known for the country.
    """
    calendar(country)
    named = holidays.country_holidays(country).supported_languages
    language = texts.language() if texts.language() in named else "en_US"
    known = holidays.country_holidays(country, years=range(first.year, last.year + 1), language=language)
    return sorted((day, name) for day, name in known.items() if first <= day <= last)


def due_date(start: date, working_days: int, days: WorkingCalendar) -> date:
    """Return the day on which a task is due.

    Args:
        start: The day on which the task is assigned. It does not count itself.
        working_days: The working days allowed for it. 0 means the same day, or the next working day.
        days: The region's calendar.
    """
    return days.get_nth_working_day(start, working_days)


def end_of_work(day: date, zone: ZoneInfo) -> datetime:
    """Return the time at which a task due on a day is due: 17:00 in the region's time zone."""
    return datetime.combine(day, _DUE_AT, zone).astimezone(UTC)


def worked(
    since: datetime, until: datetime, zone: ZoneInfo, days: WorkingCalendar, first: time, last: time
) -> timedelta:
    """Return the working time between two times.

    Args:
        since: Start.
        until: End. Before ``since``, the result is zero.
        zone: The region's time zone.
        days: The region's calendar.
        first: Start of the working day, in the region's time zone.
        last: End of the working day.
    """
    total, day = timedelta(), since.astimezone(zone).date()
    while day <= until.astimezone(zone).date():
        if days.is_working_day(day):
            begin = max(since, datetime.combine(day, first, zone))
            end = min(until, datetime.combine(day, last, zone))
            # Python subtracts two times of one zone by the wall clock, which is wrong across a DST change.
            total += max(timedelta(), end.astimezone(UTC) - begin.astimezone(UTC))
        day += timedelta(days=1)
    return total


def next_working_time(now: datetime, zone: ZoneInfo, days: WorkingCalendar, first: time, last: time) -> datetime:
    """Return the next time within working hours: now, if it is one.

    Args:
        zone: The region's time zone.
        days: The region's calendar.
        first: Start of the working day, in the region's time zone.
        last: End of the working day.
    """
    here = now.astimezone(zone)
    today = here.date()
    if days.is_working_day(today):
        if first <= here.time() < last:
            return now
        if here.time() < first:
            return datetime.combine(today, first, zone)
    return datetime.combine(days.get_nth_working_day(today + timedelta(days=1), 0), first, zone)
