"""Calendar quarters, each known by its first day."""

from __future__ import annotations

from datetime import date, timedelta

MONTHS = 3


def start(day: date) -> date:
    """Return the first day of the quarter that a day is in."""
    return date(day.year, (day.month - 1) // MONTHS * MONTHS + 1, 1)


def plus(start: date, quarters: int) -> date:
    """Return the first day of the quarter so many quarters later."""
    months = start.month - 1 + MONTHS * quarters
    return date(start.year + months // 12, months % 12 + 1, 1)


def between(one: date, other: date) -> int:
    """Return how many quarters the second one, given by its first day, is later."""
    return (12 * (other.year - one.year) + other.month - one.month) // MONTHS


def last_over(day: date) -> date:
    """Return the last day of the newest quarter that is over by a day's close."""
    return start(day + timedelta(days=1)) - timedelta(days=1)


def label(start: date) -> str:
    """Return a quarter as people say it, such as 2026Q3."""
    return f"{start.year}Q{(start.month + MONTHS - 1) // MONTHS}"
