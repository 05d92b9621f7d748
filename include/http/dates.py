"""Parse times in response headers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Longer than any real daily quota takes to reset.
MAX_PAUSE_SECONDS = 48 * 3600.0


def pause(seconds: object) -> float | None:
    """Return a vendor's number of seconds to wait, limited to 0 to 48 hours; None if it is not a finite number."""
    try:
        number = float(str(seconds).strip())
    except ValueError:
        return None
    return min(max(0.0, number), MAX_PAUSE_SECONDS) if math.isfinite(number) else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by ``Retry-After``, which is a number or a date; None without it."""
    value = headers.get("Retry-After", "").strip()
    number = pause(value)
    if number is not None:
        return number
    moment = _moment(value)
    return None if moment is None else pause((moment - datetime.now(UTC)).total_seconds())


def skew(date: str) -> float:
    """Return by how many seconds the vendor's clock is ahead of ours. Dates have a resolution of one second."""
    moment = _moment(date)
    return 0.0 if moment is None else (moment - datetime.now(UTC)).total_seconds()


def _moment(date: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(date)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
