"""Records and their changes: the world's own format, independent of any vendor."""

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
    """A change of one record at one time.

    Args:
        at: Milliseconds since 1970.
        values: Fields with their new values.
        op: ``set``; ``delete`` (it stays visible as deleted); ``restore``; ``erase`` (it disappears without a trace).
        quiet: Whether the vendor leaves the record's update time unchanged.
    """

    at: int
    values: dict[str, Any] = field(default_factory=dict)
    op: str = "set"
    quiet: bool = False


class Record:
    """One record of the world with all its past and future changes.

    A value may be another Record or a list of them. Numbering replaces it by that record's id.

    Args:
        kind: Its kind, for example ``company``.
        at: When it is created, in milliseconds since 1970.
        values: Its fields at that time.
    """

    __slots__ = ("changes", "id", "kind")

    def __init__(self, kind: str, at: int, /, **values: Any) -> None:
        self.kind = kind
        self.id = 0
        self.changes = [Change(at, values)]

    @property
    def at(self) -> int:
        """When it is created."""
        return self.changes[0].at

    def change(self, at: int, /, *, quiet: bool = False, **values: Any) -> None:
        self.changes.append(Change(at, values, quiet=quiet))

    def end(self, at: int, op: str = "delete") -> None:
        """Add the record's deletion or erasure."""
        self.changes.append(Change(at, {}, op=op))


# Kind -> first id and distance between ids, of the same magnitude as the vendors' own.
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
    """Assign ids in order of creation, as real systems do, and replace references by ids."""
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
