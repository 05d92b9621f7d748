"""Format dates, times and amounts for messages and tasks."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

UNKNOWN = "unknown"


def day(value: date | None) -> str:
    """Format a day, such as "16 Nov 2026"."""
    return f"{value.day} {value:%b %Y}" if value is not None else UNKNOWN


def weekday(value: date) -> str:
    """Format a day with its weekday, such as "Mon 16 Nov 2026"."""
    return f"{value:%a} {day(value)}"


def timestamp(value: datetime, zone: ZoneInfo) -> str:
    """Format a time in the reader's time zone, such as "16 Nov 2026 09:30 CET"."""
    local = value.astimezone(zone)
    return f"{day(local)} {local:%H:%M %Z}"


def number(value: float | Decimal | None) -> str:
    """Format a number without decimals, with thousands separators."""
    return f"{value:,.0f}" if value is not None else UNKNOWN


def percent(value: float | Decimal | None) -> str:
    """Format a ratio as a whole percentage."""
    return f"{float(value):.0%}" if value is not None else UNKNOWN


def money(amount: Decimal | None, currency: str | None) -> str:
    """Format an amount with its currency."""
    return f"{currency or ''} {number(amount)}".strip() if amount is not None else "amount unknown"


def count(number: int, noun: str) -> str:
    """Format a number with its noun, such as "1 day" or "30 days"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def plain(value: str) -> str:
    """Turn a CRM code into words: HOSPITAL_HEALTH_CARE becomes "hospital health care". Other text is unchanged."""
    is_code = "_" in value and " " not in value
    return value.replace("_", " ").lower() if is_code and (value.isupper() or value.islower()) else value


def age(then: datetime, now: datetime) -> str:
    """Format the time since an event, in whole hours up to two days, then in days."""
    hours = int((now - then).total_seconds() // 3600)
    if hours < 1:
        return "less than an hour"
    return count(hours, "hour") if hours < 48 else count(hours // 24, "day")


def kpi_value(value: float | None, unit: str) -> str:
    """Format the value of a KPI in its unit."""
    if value is None:
        return "undefined (denominator is 0)"
    return f"{value:.1%}" if unit == "share" else f"{value:,.2f}".removesuffix(".00")
