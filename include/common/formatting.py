"""Format dates, times, numbers and amounts for messages and pages, in the reader's language."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import dates, numbers

from include.common.texts import ENGLISH, gettext, language, locale, ngettext


def unknown() -> str:
    return gettext("unknown")


def day(value: date | None) -> str:
    """Format a day, such as "16 Nov 2026"."""
    if value is None:
        return unknown()
    # American order would be read as month first or day first, depending on the reader.
    if language() == ENGLISH:
        return f"{value.day} {value:%b %Y}"
    return str(dates.format_skeleton("yMMMd", value, locale=locale()))


def shown(value: Any) -> Any:
    """Format days among the values of a template. Others are unchanged."""
    return day(value) if type(value) is date else value


def weekday(value: date) -> str:
    """Format a day with its weekday, such as "Mon 16 Nov 2026"."""
    if language() == ENGLISH:
        return f"{value:%a} {day(value)}"
    return str(dates.format_skeleton("yMMMEd", value, locale=locale()))


def month(value: date) -> str:
    """Format a month, such as "November 2026"."""
    return str(dates.format_skeleton("yMMMM", value, locale=locale()))


def timestamp(value: datetime, zone: ZoneInfo) -> str:
    """Format a time in the reader's time zone, such as "16 Nov 2026 09:30 CET"."""
    local = value.astimezone(zone)
    short = f"{local:%Z}"
    if language() != ENGLISH:
        short = dates.get_timezone_name(local, "short", locale=locale())
    # CST is the name of four zones (https://github.com/okpy/ok/issues/1393), so English keeps those that readers know.
    elif short not in _known(zone, "daylight" if local.dst() else "standard"):
        short = ""
    if not short or short[0] in "+-":  # the language has no short name for this zone
        short = dates.get_timezone_gmt(local, "long", locale=locale())
    return f"{day(local)} {local:%H:%M} {short}"


@lru_cache(maxsize=256)
def _known(zone: ZoneInfo, variant: Literal["daylight", "standard"]) -> frozenset[str]:
    # America and Europe: neither knows the short names of the other's zones.
    return frozenset(
        dates.get_timezone_name(zone, "short", zone_variant=variant, locale=one) for one in ("en", "en_GB")
    )


def utc(value: datetime) -> str:
    """Format a time in UTC, for people who look after the data."""
    return timestamp(value, ZoneInfo("UTC"))


def number(value: float | Decimal | None) -> str:
    """Format a number without decimals, with thousands separators."""
    return decimal(value, 0) if value is not None else unknown()


def decimal(value: float | Decimal, decimals: int) -> str:
    """Format a number with a fixed number of decimals."""
    return _with(locale().decimal_formats[None], value, decimals)


def signed(value: float | Decimal, decimals: int = 0) -> str:
    """Format a change, such as "+1,200" or "-3.5"."""
    digits = locale().decimal_formats[None].pattern
    return _with(_pattern(f"+{digits};-{digits}"), value, decimals)


def percent(value: float | Decimal | None, decimals: int = 0) -> str:
    """Format a ratio as a percentage, without decimals unless asked for."""
    if value is None:
        return unknown()
    return _with(locale().percent_formats[None], value, decimals)


def money(amount: Decimal | None, currency: str | None) -> str:
    """Format an amount with its currency."""
    if amount is None:
        return gettext("amount unknown")
    if locale().currency_formats["standard"].pattern.startswith("¤"):
        return f"{currency or ''} {number(amount)}".strip()
    return f"{number(amount)} {currency or ''}".strip()


def count(number: int, noun: str) -> str:
    """Format a number with its English noun, such as "1 day" or "30 days", for logs and commands."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def days(n: int) -> str:
    return ngettext("{n} day", "{n} days", n)


def distance(left: int) -> str:
    """Format a number of days from today, such as "in 3 days", "today" or "1 day ago"."""
    if left == 0:
        return gettext("today")
    if left > 0:
        return ngettext("in {n} day", "in {n} days", left)
    return ngettext("{n} day ago", "{n} days ago", -left)


def plain(value: str) -> str:
    """Turn a CRM code into words: HOSPITAL_HEALTH_CARE becomes "hospital health care". Other text is unchanged."""
    is_code = "_" in value and " " not in value
    return value.replace("_", " ").lower() if is_code and (value.isupper() or value.islower()) else value


def age(then: datetime, now: datetime) -> str:
    """Format the time since an event, in whole hours up to two days, then in days."""
    hours = int((now - then).total_seconds() // 3600)
    if hours < 1:
        return gettext("less than an hour")
    return ngettext("{n} hour", "{n} hours", hours) if hours < 48 else days(hours // 24)


def kpi_value(value: float | None, unit: str) -> str:
    """Format the value of a KPI in its unit."""
    if value is None:
        return gettext("undefined (denominator is 0)")
    if unit == "share":
        return percent(value, 1)
    return decimal(value, 0 if round(value, 2) == round(value) else 2)


_pattern = lru_cache(numbers.parse_pattern)


def _with(pattern: numbers.NumberPattern, value: float | Decimal, decimals: int) -> str:
    shown = str(pattern.apply(value, locale(), force_frac=(decimals, decimals)))
    # What rounds to zero has no sign: "-0" reads as a loss (https://github.com/globalizejs/globalize/issues/766).
    if value < 0 and not re.search("[1-9]", shown):
        return str(pattern.apply(0, locale(), force_frac=(decimals, decimals)))
    return shown
