"""The one place that asks what time it is, so that tests and replays can answer instead."""

from __future__ import annotations

import os
from datetime import UTC, datetime


def now() -> datetime:
    """Return the current UTC time, or the ISO time in ``PERENNIAL_NOW`` when that is set."""
    fixed = os.environ.get("PERENNIAL_NOW")
    if fixed:
        return datetime.fromisoformat(fixed.replace("Z", "+00:00")).astimezone(UTC)
    return datetime.now(UTC)
