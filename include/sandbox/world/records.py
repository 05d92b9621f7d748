"""Records and their changes: the form in which the world is told, whatever vendor shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = date(1970, 1, 1)


def millis(day: date, hour: float = 0.0) -> int:
    """Return milliseconds since 1970 of a day's UTC hour."""
    return (day - EPOCH).days * DAY + int(hour * HOUR)


def day_of(at: int) -> date:
    """Return the UTC day of milliseconds since 1970."""
    return EPOCH + timedelta(days=at // DAY)


def moment(at: int) -> datetime:
    """Return milliseconds since 1970 as a UTC datetime."""
    return datetime.fromtimestamp(at / 1000, UTC)


@dataclass(slots=True)
class Change:
    """What happened to one record at one moment.

    Args:
        at: Milliseconds since 1970.
        values: Fields that take a new value.
        op: ``set``; ``delete`` (it stays to be seen as deleted); ``restore``; ``erase`` (it is gone without a trace).
        quiet: The vendor does not move the record's update time.
    """

    at: int
    values: dict[str, Any] = field(default_factory=dict)
    op: str = "set"
    quiet: bool = False


class Record:
    """One record of the world and everything that will ever happen to it.

    A value may be another Record, or a list of them; when all are numbered it becomes that record's id.

    Args:
        kind: What it is, for example ``company``.
        at: When it comes into being, in milliseconds since 1970.
        values: Its fields at that moment.
    """

    __slots__ = ("changes", "id", "kind")

    def __init__(self, kind: str, at: int, /, **values: Any) -> None:
        self.kind = kind
        self.id = 0
        self.changes = [Change(at, values)]

    @property
    def at(self) -> int:
        """When it comes into being."""
        return self.changes[0].at

    def change(self, at: int, /, *, quiet: bool = False, **values: Any) -> None:
        """Add a change of fields."""
        self.changes.append(Change(at, values, quiet=quiet))

    def end(self, at: int, op: str = "delete") -> None:
        """Add the record's deletion or erasure."""
        self.changes.append(Change(at, {}, op=op))


# Where the numbering of each kind starts and how far apart two ids are: in the vendors' own magnitudes.
NUMBERING = {
    "owner": (31_871_000, 7),
    "company": (1_001, 1),
    "contact": (50_001, 1),
    "deal": (200_001, 1),
    "line_item": (700_001, 1),
    "subscription": (41_112_001, 1),
    "contract": (810_001, 1),
    "cpq_subscription": (820_001, 1),
    "call": (41_870_001, 3),
    "meeting": (52_870_002, 3),
    "email": (63_870_003, 3),
    "note": (74_870_004, 3),
    "invoice": (8_700_001, 1),
    "feedback": (9_600_001, 1),
    "milestone": (3_100_001, 1),
    "objective": (3_500_001, 1),
    "organization": (361_898_904_000, 40),
    "support_user": (369_531_345_000, 20),
    "ticket": (101, 1),
    "comment": (2_127_301_000, 3),
    "rating": (360_255_188_000, 10),
    "workspace": (1, 1),
    "member": (10_001, 1),
}


def number(records: list[Record]) -> None:
    """Give every record its id, rising with its birth as real ones do, and turn references into ids."""
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    for kind, members in by_kind.items():
        start, step = NUMBERING[kind]
        for position, record in enumerate(sorted(members, key=lambda record: record.at)):
            record.id = start + position * step
    for record in records:
        record.changes.sort(key=lambda change: change.at)
        for change in record.changes:
            change.values = {name: _resolved(value) for name, value in change.values.items()}


def _resolved(value: Any) -> Any:
    if isinstance(value, Record):
        return value.id
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    return value
