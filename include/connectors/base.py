"""The words that every source speaks: records, pages of them, and where reading continues.

A source is read as a stream of pages. Each page says how to resume after it: who stores page and mark in one
transaction can be killed anywhere and lose nothing. A source never stores anything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from include.entities.catalog import Kind

Position = dict[str, Any]


@dataclass(slots=True)  # not frozen: making one would take three times as long, and one is made for every row
class Record:
    """One version of one thing, as its source has it now.

    Args:
        id: Its id in the source, as text.
        values: Columns of the entity (``entities.py``) -> str, int, Decimal, float, bool, date, aware datetime or None.
            A column that is missing here is one that the source does not have; None is a value that it has cleared.
        payload: What the source said of it: mapped fields and an allow-list only, JSON-able. Texts, here and in
            ``values``, are as they came: they may hold characters that PostgreSQL refuses (NUL, lone surrogates).
        source_at: When the source last changed it, by the source's own clock; the newer version wins.
        is_deleted: Whether the source has it no longer. ``values`` and ``payload`` then hold what the source still
            says, often nothing: keep the last known values for columns that are missing here.
        problems: Column -> the text that does not fit the column's type; ``values`` has None there. It is landed beside
            the row, so that the contract can send it to quarantine.
    """

    id: str
    values: dict[str, Any]
    payload: dict[str, Any]
    source_at: datetime | None
    is_deleted: bool = False
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and how to continue after them.

    Args:
        records: May be empty: progress without rows is worth keeping too. An id may come again on a later page; the
            later one then is at least as new. They may be made only when they are gone through (``walk.Later``).
        mark: Hand it to ``read(mark=...)`` to continue after this page, in this or a later run. It is self-contained:
            a batch that is closed in the middle of a read has it as its ``cursor_after``.
        next_position: On the last page only: where the next run starts.
        read_until: On the last page only: the source was completely read up to here.
    """

    records: Collection[Record]
    mark: Position
    next_position: Position | None = None
    read_until: datetime | None = None


class Source(Protocol):
    """One connected system.

    One that can say which fields it has also has ``fields(entity)``, which returns name -> the source's own type, and
    ``mapped(entity)``, which returns name -> the columns that it fills, comma-separated; see ``drift.py``.
    """

    vendor: str
    kind: Kind

    def entities(self) -> tuple[str, ...]:
        """Return the names of the entities that this source has, in the order in which they are loaded."""
        ...

    def read(
        self,
        entity: str,
        *,
        position: Position | None,
        mark: Position | None = None,
        until: datetime,
        since: datetime | None = None,
        full: bool = False,
    ) -> Iterator[Page]:
        """Yield pages, the last of which has ``next_position``.

        Args:
            entity: One of ``entities()``.
            position: The last page's ``next_position`` of an earlier read, or any page's mark; None for a first load.
            mark: Go on after this page instead; all other arguments but ``until`` then have no effect.
            until: Now, by the clock of the run. The source subtracts its own lag.
            since: Read again all that changed since then.
            full: Read everything again.

        Raises:
            ConfigError: A mapping or query does not fit the source; names file, line and field.
            AuthError: The source refused the credentials.
            QuotaExhausted: The source's daily quota is used up; what was yielded stays good.
            Unavailable: The source is down or misbehaves; what was yielded stays good.
        """
        ...


@runtime_checkable
class Remembers(Protocol):
    """A source whose vendor keeps what its records were before we first read them."""

    def history(self, entity: str, *, mark: Position | None = None) -> Iterator[Page]:
        """Yield pages of former states, the last of which has ``next_position``; nothing at all if none are kept.

        Each record is one state: ``source_at`` says from when on it was so, ``values`` has every column. A column of
        which the vendor keeps no history has its present value (see ``include.connectors.history``). All states of a
        record are on one page. States from after the first load may be among them: storing leaves them out.

        Args:
            entity: One of ``entities()``.
            mark: Go on after the page that had it.

        Raises:
            As ``Source.read``.
        """
        ...


@runtime_checkable
class Recalls(Protocol):
    """A source that asks its vendor whose a record is only where we do not know.

    ``recall`` takes an entity and ids of its records and returns id -> account id of those that are known here; it may
    be replaced before anything is read.
    """

    recall: Callable[[str, Sequence[str]], dict[str, str]]


# A record's id, and when it was made or last changed if the vendor tells it along.
Listed = tuple[str, datetime | None]


@runtime_checkable
class Inventory(Protocol):
    """What a source can say of all that it holds, next to what changed; ``reconcile`` asks for it.

    A source without it is reconciled by reading everything again.
    """

    def counts(self, entity: str) -> dict[str, int] | None:
        """Return how many records exist now, by part: a day of facts by days, "" for all of anything else.

        None where the vendor does not count cheaply, or not exactly.
        """
        ...

    def ids(self, entity: str) -> Iterator[list[Listed]] | None:
        """Return pages of what exists now, without what is deleted; an id may come twice.

        None where that costs as much as reading everything again.
        """
        ...


@dataclass(frozen=True)
class Rights:
    """What a login may do, against what is needed; a source that can tell has ``rights(reads=..., writes=...)``.

    Args:
        missing: Needed and not granted.
        surplus: Granted and not needed.
        forbidden: What makes the login too powerful to be used.
    """

    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
