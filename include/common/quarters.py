"""Calendar quarters, each identified by its first day."""

from __future__ import annotations

import re
from datetime import date, timedelta

from include.common.errors import ConfigError

MONTHS = 3


def parse(text: str) -> date:
    """Return the first day of a quarter written like 2026Q3.

    Raises:
        ConfigError: The text is not a quarter.
    """
    found = re.fullmatch(r"(2[01][0-9]{2})Q([1-4])", text.strip().upper())
    if not found:
        raise ConfigError(f"{text!r} is not a quarter", cure="write it as 2026Q3")
    return date(int(found[1]), MONTHS * int(found[2]) - 2, 1)


def start(day: date) -> date:
    """Return the first day of the quarter that contains a day."""
    return date(day.year, (day.month - 1) // MONTHS * MONTHS + 1, 1)


def plus(start: date, quarters: int) -> date:
    """Return the first day of the quarter that is ``quarters`` later."""
    months = start.month - 1 + MONTHS * quarters
    return date(start.year + months // 12, months % 12 + 1, 1)


def between(one: date, other: date) -> int:
    """Return the number of quarters from one first day to the other."""
    return (12 * (other.year - one.year) + other.month - one.month) // MONTHS


def last_ended(day: date) -> date:
    """Return the last day of the newest quarter that has ended at the close of a day."""
    return start(day + timedelta(days=1)) - timedelta(days=1)


def label(start: date) -> str:
    """Return a quarter's label, such as 2026Q3."""
    return f"{start.year}Q{(start.month + MONTHS - 1) // MONTHS}"
