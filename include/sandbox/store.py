"""What the vendors hold now: the world up to the present, and on top of it what was written or altered by hand.

Every write of an API and every alteration by a test is a change like the world's own, kept in the diary (see
``include.sandbox.diary``), so that a restart, or a clock turned back, ends in the same state.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from include.sandbox.diary import Diary
from include.sandbox.world.records import Change, Record

FIRST_WRITTEN_ID = 65_039_244_000  # what is made through an API is numbered from here, above all of the world's own


@dataclass(slots=True)
class Item:
    """One record as it is now.

    Args:
        kind: Its kind in the world's words.
        id: Its number.
        created_at: Milliseconds since 1970.
        updated_at: The vendor's own update time.
        touched_at: When anything at all last happened to it, also what the vendor's update time does not show.
        values: Its fields.
        deleted_at: When it was deleted; None for live ones.
        log: All changes that made it what it is, oldest first.
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
        """Return the record as it was at a moment; None when it did not exist yet."""
        if self.touched_at <= at:
            return self
        return replay(self.kind, self.id, [change for change in self.log if change.at <= at])


def replay(kind: str, number: int, changes: list[Change]) -> Item | None:
    """Return the record that a list of changes makes."""
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
        diary: Where changes from outside are kept.
        now: Returns the world's time in milliseconds since 1970.
    """

    def __init__(self, records: list[Record], diary: Diary, now: Callable[[], int]) -> None:
        self._world = sorted(
            (
                (change.at, position, record.kind, record.id, change)
                for position, record in enumerate(records)
                for change in record.changes
            ),
            key=lambda entry: entry[:2],
        )
        self._diary = diary
        self._now = now
        self.version = 0  # moves with every change, so that others can keep what they derived
        self._rebuild()

    def _rebuild(self) -> None:
        self._items: dict[str, dict[int, Item]] = {}
        self._erased: set[tuple[str, int]] = set()
        self._graves: dict[str, dict[int, Item]] = {}
        self._timeline = self._world + [
            (change.at, len(self._world) + position, kind, number, change)
            for position, (kind, number, change) in enumerate(self._diary.changes())
        ]
        self._timeline.sort(key=lambda entry: entry[:2])
        self._next = 0
        self._reached = 0
        self._sorted: dict[str, list[int]] = {}
        self._indexes: dict[tuple[str, str], dict[str, int]] = {}

    def advance(self) -> int:
        """Let everything happen that is due; return the present."""
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
        """Start over with the world alone."""
        self._diary.forget_changes()
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
            self._graves.setdefault(kind, {})[number] = items.pop(number)
            self._erased.add((kind, number))
        else:
            items[number] = after
        if before is None or after is None:
            self._sorted.pop(kind, None)
        for (indexed_kind, name), index in self._indexes.items():
            if indexed_kind == kind and after is not None and (value := after.values.get(name)):
                index[str(value)] = number

    def items(self, kind: str) -> dict[int, Item]:
        """Return the records of a kind that exist now, deleted ones included."""
        return self._items.setdefault(kind, {})

    def graves(self, kind: str) -> dict[int, Item]:
        """Return the records of a kind that were erased, as they were last."""
        return self._graves.get(kind, {})

    def ordered(self, kind: str) -> list[int]:
        """Return the ids of a kind in rising order."""
        if kind not in self._sorted:
            self._sorted[kind] = sorted(self.items(kind))
        return self._sorted[kind]

    def live(self, kind: str) -> Iterator[Item]:
        """Yield the records of a kind that are not deleted, by id."""
        items = self.items(kind)
        return (items[number] for number in self.ordered(kind) if items[number].deleted_at is None)

    def find(self, kind: str, name: str, value: str) -> Item | None:
        """Return the live record whose field has a value that no two records share."""
        if (kind, name) not in self._indexes:
            found = ((item.values.get(name), item.id) for item in self.live(kind))
            self._indexes[kind, name] = {str(held): number for held, number in found if held}
        item = self.items(kind).get(self._indexes[kind, name].get(value, 0))
        is_it = item is not None and item.deleted_at is None and str(item.values.get(name)) == value
        return item if is_it else None

    def next_id(self, kind: str) -> int:
        """Return a free id for a record made through an API."""
        return max(FIRST_WRITTEN_ID, self._diary.highest_id(kind) + 1)

    def write(self, kind: str, number: int, change: Change) -> Item | None:
        """Make a change from outside happen and keep it; return what the record is then."""
        self.advance()
        self._diary.add_change(kind, number, change)
        if change.at > self._reached:
            insort(
                self._timeline, (change.at, 2 * len(self._timeline), kind, number, change), key=lambda entry: entry[:2]
            )
            return self.items(kind).get(number)
        self._apply(kind, number, change)
        return self.items(kind).get(number)
