"""Working days: the calendar that due dates are counted in."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import holidays

from include.common.errors import ConfigError

_DUE_AT = time(17, 0)


class WorkingCalendar(Protocol):
    """What due dates need to know: which day is worked, and which is the n-th worked day after another."""

    def is_working_day(self, key: date) -> bool:
        """Return whether the day is worked."""

    def get_nth_working_day(self, key: date, n: int) -> date:
        """Return the n-th working day after the day; for n = 0 the day itself or, if it is free, the next one."""


@lru_cache(maxsize=64)
def calendar(country: str) -> WorkingCalendar:
    """Return the working calendar of a country: its weekends, public holidays and make-up working days.

    Args:
        country: ISO 3166 code, such as DE.

    Raises:
        ConfigError: No public holidays are known for that country.
    """
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        raise ConfigError(
            f"people.yaml: no public holidays are known for the country {country!r}",
            cure="use a two-letter ISO 3166 code, such as DE or US",
        ) from None


def due_date(start: date, working_days: int, days: WorkingCalendar) -> date:
    """Return the day on which something is due.

    Args:
        start: The day on which it is given out; it does not count itself.
        working_days: How many working days there are for it; 0 means the same day, or the next worked one.
        days: The calendar of the region.
    """
    return days.get_nth_working_day(start, working_days)


def end_of_work(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment at which something that is due on a day is due."""
    return datetime.combine(day, _DUE_AT, zone).astimezone(UTC)


def worked(
    since: datetime, until: datetime, zone: ZoneInfo, days: WorkingCalendar, first: time, last: time
) -> timedelta:
    """Return how much working time is between two moments.

    Args:
        since: From then on.
        until: Up to then; before ``since`` it is none.
        zone: The region's time zone.
        days: Its calendar.
        first: When a working day begins, by the region's clock.
        last: When it ends.
    """
    total, day = timedelta(), since.astimezone(zone).date()
    while day <= until.astimezone(zone).date():
        if days.is_working_day(day):
            begin = max(since, datetime.combine(day, first, zone))
            end = min(until, datetime.combine(day, last, zone))
            # Two moments of one zone would be subtracted by the clock on the wall, wrong across a change of time.
            total += max(timedelta(), end.astimezone(UTC) - begin.astimezone(UTC))
        day += timedelta(days=1)
    return total


def next_moment(now: datetime, zone: ZoneInfo, days: WorkingCalendar, first: time, last: time) -> datetime:
    """Return when work is next done: now, if it is a working day and between the hours.

    Args:
        zone: The region's time zone.
        days: Its calendar.
        first: When a working day begins, by the region's clock.
        last: When it ends.
    """
    here = now.astimezone(zone)
    today = here.date()
    if days.is_working_day(today):
        if first <= here.time() < last:
            return now
        if here.time() < first:
            return datetime.combine(today, first, zone)
    return datetime.combine(days.get_nth_working_day(today + timedelta(days=1), 0), first, zone)
