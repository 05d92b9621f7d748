"""Rebuild earlier states of a record from the vendor's history of single fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from include.connectors.base import Record

# (valid from, value) entries of one column, in any order.
Timeline = Sequence[tuple[datetime, Any]]


def states(now: Record, timelines: Mapping[str, Timeline], born: datetime | None = None) -> list[Record]:
    """Return the states of a record, oldest first; the last one is the current state by its timelines.

    A column has no value before the first entry of its timeline. A column without a timeline keeps its current value.

    Args:
        now: The current record.
        timelines: Column -> its values. If the vendor reports old and new values, put the first old value at ``born``.
        born: When the record was created; earlier entries are moved to this time.
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
