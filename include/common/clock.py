"""Read the current time in one place, so that tests and replays can fix it."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from include.common.errors import ConfigError

_FIRST_YEAR, _LAST_YEAR = 1970, 2199


def now() -> datetime:
    """Return the current UTC time, or the ISO time in ``PERENNIAL_NOW`` when that is set."""
    fixed = os.environ.get("PERENNIAL_NOW")
    if fixed:
        return datetime.fromisoformat(fixed.replace("Z", "+00:00")).astimezone(UTC)
    return datetime.now(UTC)


def day_in(zone: str, moment: datetime | None = None) -> date:
    """Return the day of a moment, by default of now, in a time zone."""
    return (moment or now()).astimezone(ZoneInfo(zone)).date()


def parse_time(text: str, option: str) -> datetime:
    """Parse a date or time from the command line. Without a UTC offset it is UTC.

    Raises:
        ConfigError: The text is neither a date nor a time. The message names the option.
    """
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(
            f"{option} {text!r} is not a date or time", cure="write 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def parse_day(text: str, option: str) -> date:
    """Parse a date from the command line.

    Raises:
        ConfigError: The text is not a date of the years 1970 to 2199. The message names the option.
    """
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a day", cure="write it as 2026-01-31") from None
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ConfigError(f"{option} {text!r} is out of range", cure=f"give a day from {_FIRST_YEAR} to {_LAST_YEAR}")
    return day
