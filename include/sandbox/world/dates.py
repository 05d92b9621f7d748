"""Date arithmetic and random draws for the world."""

from __future__ import annotations

import calendar
import random
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar

T = TypeVar("T")


def add_months(day: date, months: int) -> date:
    """Return the same day ``months`` later, or the last day of that month if it has no such day."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def whole_months(start: date, end: date) -> int | None:
    """Return the number of whole months between two days; None if it is not an integer."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months if months > 0 and add_months(start, months) == end else None


def years_between(start: date, end: date) -> Decimal:
    """Return the years between two days: by whole months if possible, else by days."""
    months = whole_months(start, end)
    return Decimal(months) / 12 if months else Decimal((end - start).days) / 365


def working_day(day: date) -> date:
    """Return the day itself, or the next Monday if it is on a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) % 7 if day.weekday() > 4 else 0)


def between(rng: random.Random, bounds: tuple[float, float]) -> float:
    """Return a uniform draw from a closed interval."""
    return rng.uniform(*bounds)


def whole(rng: random.Random, bounds: tuple[int, int]) -> int:
    """Return a uniform integer draw, both ends included."""
    return rng.randint(*bounds)


def pick(rng: random.Random, weights: dict[T, float]) -> T:
    """Return one key, drawn by its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def office_hour(rng: random.Random) -> float:
    """Return a UTC hour within business hours, with minutes, seconds and milliseconds."""
    return 7.5 + 9.5 * rng.betavariate(2.2, 2.2)
