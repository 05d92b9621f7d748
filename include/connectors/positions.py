"""Positions of reads: small versioned JSON objects that outlive the code that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from include.common.errors import ConfigError
from include.connectors.base import Position

# 2: HubSpot's positions name the object being read, and store where each object's last read ended.
VERSION = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start(**state: Any) -> Position:
    """Return a position in the current version."""
    return {"v": VERSION, **state}


def latest(until: datetime, lag: timedelta, skew_seconds: float) -> int:
    """Return the latest end of a read, in milliseconds.

    If the vendor's clock is behind ours, changes stamped in the meantime must fall into the next read. The skew is
    unknown before the first response, so ``read_pages`` asks again at the end of the read.

    Args:
        until: When the run began.
        lag: How old a change must be to be read.
        skew_seconds: How far the vendor's clock is ahead of ours.
    """
    return milliseconds(until - lag + timedelta(seconds=min(0.0, skew_seconds)))


def checked(position: Position, upgrade: Callable[[Position], Position] = lambda position: position) -> Position:
    """Return a stored position in the current version.

    Args:
        position: As it was stored.
        upgrade: Converts a position of version 1; by default only the version number changes.

    Raises:
        ConfigError: A newer Perennial wrote it, so its meaning is unknown.
    """
    version = position.get("v")
    if version == VERSION:
        return position
    if version == 1:
        return upgrade(position) | {"v": VERSION}
    raise ConfigError(
        f"the stored read position has version {version}, but this Perennial supports versions up to {VERSION}",
        cure="run the newer version of Perennial again, or read everything again with `ingest SOURCE --full`",
    )


def milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds_since_epoch: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds_since_epoch)
