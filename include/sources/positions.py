"""Reading positions: small versioned JSON objects that outlive the code that wrote them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from include.errors import ConfigError
from include.sources.base import Position

VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start(**state: Any) -> Position:
    """Return a position in today's version."""
    return {"v": VERSION, **state}


def checked(position: Position) -> Position:
    """Return a stored position in today's version.

    Raises:
        ConfigError: It was written by a newer Perennial, whose meaning we cannot know.
    """
    version = position.get("v")
    if version == VERSION:
        return position
    raise ConfigError(
        f"a reading position has version {version}, and this Perennial knows up to {VERSION}",
        cure="run the newer Perennial again, or read everything anew with `ingest SOURCE --full`",
    )


def milliseconds(moment: datetime) -> int:
    """Return the moment in milliseconds since the epoch, exactly."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds_since_epoch: int) -> datetime:
    """Return the moment of so many milliseconds since the epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds_since_epoch)
