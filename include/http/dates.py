"""What the headers of an answer say of time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# No honest vendor closes an account's day for longer.
LONGEST_PAUSE = 48 * 3600.0


def pause(seconds: object) -> float | None:
    """Return a vendor's number of seconds to wait, between none and two days; None if it is not a finite number."""
    try:
        number = float(str(seconds).strip())
    except ValueError:
        return None
    return min(max(0.0, number), LONGEST_PAUSE) if math.isfinite(number) else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait, which comes as a number or as a date; None without it."""
    value = headers.get("Retry-After", "").strip()
    number = pause(value)
    if number is not None:
        return number
    moment = _moment(value)
    return None if moment is None else pause((moment - datetime.now(UTC)).total_seconds())


def skew(date: str) -> float:
    """Return by how many seconds the vendor's clock is ahead of ours; dates have a resolution of one second."""
    moment = _moment(date)
    return 0.0 if moment is None else (moment - datetime.now(UTC)).total_seconds()


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
