"""Reading positions: small versioned JSON objects that outlive the code that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from include.common.errors import ConfigError
from include.connectors.base import Position

# 2: HubSpot's positions name the object that is read, and keep where each object's last read ended.
VERSION = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start(**state: Any) -> Position:
    """Return a position in today's version."""
    return {"v": VERSION, **state}


def checked(position: Position, upgrade: Callable[[Position], Position] = lambda position: position) -> Position:
    """Return a stored position in today's version.

    Args:
        position: As it was stored.
        upgrade: Turns a position of version 1 into one of today; by default they mean the same.

    Raises:
        ConfigError: It was written by a newer Perennial, whose meaning we cannot know.
    """
    version = position.get("v")
    if version == VERSION:
        return position
    if version == 1:
        return upgrade(position) | {"v": VERSION}
    raise ConfigError(
        f"a reading position has version {version}, and this Perennial knows up to {VERSION}",
        cure="run the newer Perennial again, or read everything again with `ingest SOURCE --full`",
    )


def milliseconds(moment: datetime) -> int:
    """Return the moment in milliseconds since the epoch, exactly."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds_since_epoch: int) -> datetime:
    """Return the moment of so many milliseconds since the epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds_since_epoch)
