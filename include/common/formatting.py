"""How dates, times and amounts read in messages and tasks."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

UNKNOWN = "unknown"


def day(value: date | None) -> str:
    """Return a day, such as "16 Nov 2026"."""
    return f"{value.day} {value:%b %Y}" if value is not None else UNKNOWN


def weekday(value: date) -> str:
    """Return a day with its weekday, such as "Mon 16 Nov 2026"."""
    return f"{value:%a} {day(value)}"


def moment(value: datetime, zone: ZoneInfo) -> str:
    """Return a time in the reader's own zone, such as "16 Nov 2026 09:30 CET"."""
    local = value.astimezone(zone)
    return f"{day(local)} {local:%H:%M %Z}"


def number(value: float | Decimal | None) -> str:
    """Return a number without decimals, with thousands separators."""
    return f"{value:,.0f}" if value is not None else UNKNOWN


def percent(value: float | Decimal | None) -> str:
    """Return a ratio in whole percent."""
    return f"{float(value):.0%}" if value is not None else UNKNOWN


def money(amount: Decimal | None, currency: str | None) -> str:
    """Return an amount with its currency."""
    return f"{currency or ''} {number(amount)}".strip() if amount is not None else "amount unknown"


def count(number: int, noun: str) -> str:
    """Return how many of something, such as "1 day" or "30 days"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(value: str) -> str:
    """Return a code of the CRM as words: HOSPITAL_HEALTH_CARE as "hospital health care"; words stay as they are."""
    is_code = "_" in value and " " not in value
    return value.replace("_", " ").lower() if is_code and (value.isupper() or value.islower()) else value


def age(then: datetime, now: datetime) -> str:
    """Return how long ago something was, in the largest unit that fits."""
    hours = int((now - then).total_seconds() // 3600)
    if hours < 1:
        return "less than an hour"
    return count(hours, "hour") if hours < 48 else count(hours // 24, "day")


def shown(value: float | None, unit: str) -> str:
    """Return a value as people read it."""
    if value is None:
        return "none: nothing to divide by"
    return f"{value:.1%}" if unit == "share" else f"{value:,.2f}".removesuffix(".00")
