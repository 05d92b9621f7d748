"""Rebuilds what a record was from what its vendor remembers of single fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from include.connectors.base import Record

# (since when, value): a column's values in any order.
Timeline = Sequence[tuple[datetime, Any]]


def states(now: Record, timelines: Mapping[str, Timeline], born: datetime | None = None) -> list[Record]:
    """Return what a record was, oldest state first; the last one is how it is by its timelines.

    A column has no value before the first entry of its timeline; one without a timeline is taken as it is now.

    Args:
        now: The record as it is.
        timelines: Column -> its values. From a vendor that tells old and new values, put the first old value at
            ``born``.
        born: When the record came into being: what is said of an earlier time holds from then on.
    """
    entries = [
        (max(at, born) if born else at, column, value)
        for column, timeline in timelines.items()
        for at, value in sorted(timeline, key=lambda entry: entry[0])
    ]
    values = dict(now.values) | dict.fromkeys(timelines)
    found: dict[datetime, dict[str, Any]] = {}
    for at, column, value in sorted(entries, key=lambda entry: entry[0]):
        values = values | {column: value}
        found[at] = values
    made: list[Record] = []
    for at, state in found.items():
        if not made or made[-1].values != state:
            made.append(replace(now, values=state, payload={}, source_at=at, is_deleted=False, problems={}))
    return made
