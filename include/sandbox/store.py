"""The vendors' current records: the world up to the present, plus writes through APIs and mutations by tests.

Every API write and every test mutation is a change like the world's own. Changes are kept in the journal (see
``include.sandbox.journal``), so that a restart or a clock turned back leads to the same state.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from include.sandbox.journal import Journal
from include.sandbox.world.records import Change, Record

FIRST_WRITTEN_ID = 65_039_244_000  # records created through an API get ids from here, above all of the world's own


@dataclass(slots=True)
class Item:
    """One record in its current state.

    Args:
        kind: The world's kind.
        id: Its number.
        created_at: Milliseconds since 1970.
        updated_at: The vendor's update time.
        touched_at: Time of the last change of any kind, including those that do not move the vendor's update time.
        values: Its fields.
        deleted_at: When it was deleted; None if it is live.
        log: All its changes, oldest first.
    """

    kind: str
    id: int
    created_at: int
    updated_at: int
    touched_at: int
    values: dict[str, Any]
    deleted_at: int | None = None
    log: list[Change] = field(default_factory=list)

    def as_of(self, at: int) -> Item | None:
        """Return the record as of a time; None if it did not exist yet."""
        if self.touched_at <= at:
            return self
        return replay(self.kind, self.id, [change for change in self.log if change.at <= at])


def replay(kind: str, number: int, changes: list[Change]) -> Item | None:
    """Apply a list of changes, and return the resulting record."""
    item: Item | None = None
    for change in changes:
        item = _applied(item, kind, number, change)
    return item


def _applied(item: Item | None, kind: str, number: int, change: Change) -> Item | None:
    if change.op == "erase":
        return None
    if item is None:
        return Item(kind, number, change.at, change.at, change.at, dict(change.values), log=[change])
    item.values.update(change.values)
    item.log.append(change)
    item.touched_at = change.at
    if not change.quiet and change.op != "delete":
        item.updated_at = change.at
    if change.op == "delete":
        item.deleted_at = change.at
    elif change.op == "restore":
        item.deleted_at = None
    return item


class Store:
    """All records up to the present.

    Args:
        records: The world's records.
        journal: Stores changes from outside.
        now: Returns the world's time in milliseconds since 1970.
    """

    def __init__(self, records: list[Record], journal: Journal, now: Callable[[], int]) -> None:
        self._world = sorted(
            (
                (change.at, position, record.kind, record.id, change)
                for position, record in enumerate(records)
                for change in record.changes
            ),
            key=lambda entry: entry[:2],
        )
        self._journal = journal
        self._now = now
        self.version = 0  # increases with every change, so that derived data can be cached
        self._rebuild()

    def _rebuild(self) -> None:
        self._items: dict[str, dict[int, Item]] = {}
        self._erased: set[tuple[str, int]] = set()
        self._tombstones: dict[str, dict[int, Item]] = {}
        self._timeline = self._world + [
            (change.at, len(self._world) + position, kind, number, change)
            for position, (kind, number, change) in enumerate(self._journal.changes())
        ]
        self._timeline.sort(key=lambda entry: entry[:2])
        self._next = 0
        self._reached = 0
        self._sorted: dict[str, list[int]] = {}
        self._indexes: dict[tuple[str, str], dict[str, int]] = {}

    def advance(self) -> int:
        """Apply all changes that are due. Return the world's time."""
        now = self._now()
        if now < self._reached:
            self._rebuild()
        self._reached = now
        timeline = self._timeline
        while self._next < len(timeline) and timeline[self._next][0] <= now:
            _, _, kind, number, change = timeline[self._next]
            self._apply(kind, number, change)
            self._next += 1
        return now

    def forget_writes(self) -> None:
        """Drop all writes: only the world remains."""
        self._journal.forget_changes()
        self._rebuild()
        self.version += 1

    def _apply(self, kind: str, number: int, change: Change) -> None:
        self.version += 1
        items = self.items(kind)
        before = items.get(number)
        if (kind, number) in self._erased or (before is None and change.op != "set"):
            return
        after = _applied(before, kind, number, change)
        if after is None:
            self._tombstones.setdefault(kind, {})[number] = items.pop(number)
            self._erased.add((kind, number))
        else:
            items[number] = after
        if before is None or after is None:
            self._sorted.pop(kind, None)
        for (indexed_kind, name), index in self._indexes.items():
            if indexed_kind == kind and after is not None and (value := after.values.get(name)):
                index[str(value)] = number

    def items(self, kind: str) -> dict[int, Item]:
        """Return the existing records of a kind, including deleted ones."""
        return self._items.setdefault(kind, {})

    def tombstones(self, kind: str) -> dict[int, Item]:
        """Return the erased records of a kind in their last state."""
        return self._tombstones.get(kind, {})

    def ordered(self, kind: str) -> list[int]:
        """Return the ids of a kind in ascending order."""
        if kind not in self._sorted:
            self._sorted[kind] = sorted(self.items(kind))
        return self._sorted[kind]

    def live(self, kind: str) -> Iterator[Item]:
        """Yield the records of a kind that are not deleted, by id."""
        items = self.items(kind)
        return (items[number] for number in self.ordered(kind) if items[number].deleted_at is None)

    def find(self, kind: str, name: str, value: str) -> Item | None:
        """Return the live record with a unique field value."""
        if (kind, name) not in self._indexes:
            found = ((item.values.get(name), item.id) for item in self.live(kind))
            self._indexes[kind, name] = {str(held): number for held, number in found if held}
        item = self.items(kind).get(self._indexes[kind, name].get(value, 0))
        is_it = item is not None and item.deleted_at is None and str(item.values.get(name)) == value
        return item if is_it else None

    def next_id(self, kind: str) -> int:
        """Return a free id for a record created through an API."""
        return max(FIRST_WRITTEN_ID, self._journal.highest_id(kind) + 1)

    def write(self, kind: str, number: int, change: Change) -> Item | None:
        """Apply and store a change from outside. Return the resulting record."""
        self.advance()
        self._journal.add_change(kind, number, change)
        if change.at > self._reached:
            insort(
                self._timeline, (change.at, 2 * len(self._timeline), kind, number, change), key=lambda entry: entry[:2]
            )
            return self.items(kind).get(number)
        self._apply(kind, number, change)
        return self.items(kind).get(number)
