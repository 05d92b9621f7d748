"""The types that every source uses: records, pages of records, and positions from which reading continues.

A source is read as a stream of pages. Each page carries a mark from which to resume after it. A caller that stores page
and mark in one transaction can be killed anywhere and lose nothing. A source never stores anything itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from include.common import clock
from include.entities.catalog import Kind
from include.http.client import Client

Position = dict[str, Any]


@dataclass(slots=True)  # not frozen: creating a frozen one takes three times as long, and there is one per row
class Record:
    """One version of one record, as its source has it now.

    Args:
        id: Its id in the source, as text.
        values: Columns of the entity (``entities/catalog.py``) -> str, int, Decimal, float, bool, date, aware datetime
            or None. A missing column does not exist in the source; None is a value that the source has cleared.
        payload: The source's data for it: mapped and allow-listed fields only, JSON-able. Texts, here and in
            ``values``, are unchanged and may contain characters that PostgreSQL rejects (NUL, lone surrogates).
        source_at: When the source last changed it, by the source's clock. The newer version wins.
        is_deleted: Whether the source has deleted it. ``values`` and ``payload`` then hold what the source still
            returns, often nothing: keep the last known values for missing columns.
        problems: Column -> the text that does not fit the column's type; its value is None. It is landed with the row,
            so that the contract can send the row to quarantine.
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
        records: May be empty: progress without rows is worth storing too. An id may occur again on a later page, which
            then has a version at least as new. ``LazyRecords`` are created only when they are iterated.
        mark: Passed to ``read(mark=...)``, it continues after this page, in this or a later run. It is self-contained:
            a batch that is closed in the middle of a read has it as its ``cursor_after``.
        next_position: On the last page only: where the next run starts.
        read_until: On the last page only: the time up to which the source was completely read.
    """

    records: Collection[Record]
    mark: Position
    next_position: Position | None = None
    read_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of a read.

    Args:
        until: Now, by the clock of the run. The source subtracts its own lag.
        position: The last page's ``next_position`` of an earlier read, or any page's mark; None for a first load.
        mark: Resume after this page instead; all other arguments except ``until`` are then ignored.
        since: Read all changes since then again.
        full: Read everything again.
    """

    until: datetime
    position: Position | None = None
    mark: Position | None = None
    since: datetime | None = None
    full: bool = False


# A record's id, and when it was created or last changed if the vendor returns that too.
Listed = tuple[str, datetime | None]


@dataclass(frozen=True)
class Rights:
    """The permissions of a login, compared with those needed.

    Args:
        missing: Needed but not granted.
        surplus: Granted but not needed.
        forbidden: Permissions that make the login too powerful to use.
    """

    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


class Source(ABC):
    """One connected system. Optional questions have defaults, because not every source can answer them.

    A source has ``vendor`` and ``kind``, and implements ``entities`` and ``pages``. A source over HTTP has a
    ``client``.
    """

    vendor: str
    kind: Kind
    client: Client | None = None
    # (entity, record ids) -> account ids of the records that the warehouse knows. Set before a read, so that the vendor
    # is asked only for the others.
    known_accounts: Callable[[str, Sequence[str]], dict[str, str]] | None = None

    @abstractmethod
    def entities(self) -> tuple[str, ...]:
        """Return the names of the source's entities, in load order."""

    @abstractmethod
    def pages(self, entity: str, request: Request) -> Iterator[Page]:
        """Yield pages, the last of which has ``next_position``; see ``read``."""

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
        """Read pages of an entity; see ``Request`` for the arguments.

        Raises:
            ConfigError: A mapping or query does not fit the source; names file, line and field.
            AuthError: The source rejected the credentials.
            QuotaExhausted: The source's daily quota is used up. Pages yielded so far are valid.
            Unavailable: The source is down or misbehaves. Pages yielded so far are valid.
        """
        return self.pages(entity, Request(until, position, mark, since, full))

    def sample(self, entity: str, n: int) -> list[Record]:
        """Return some rows, without reading more than a page or two."""
        records: list[Record] = []
        for page in islice(self.read(entity, position=None, until=clock.now()), 2):
            records += page.records
            if records:
                break
        return [record for record in records if not record.is_deleted][:n]

    def fields(self, entity: str) -> dict[str, str]:
        """Return the source's fields: name -> the source's own type; empty if it cannot describe them."""
        return {}

    def mapped(self, entity: str) -> dict[str, str]:
        """Return the mapped fields: name -> the columns filled from it, comma-separated."""
        return {}

    def history(self, entity: str, *, mark: Position | None = None) -> Iterator[Page]:
        """Yield pages of earlier states, the last of which has ``next_position``; nothing if the vendor keeps none.

        Each record is one state: ``source_at`` is the time from which it was valid, and ``values`` has every column.
        Columns without history have their current value (see ``include.connectors.history``). All states of a record
        are on one page. States from after the first load may be included; they are not stored.

        Args:
            mark: Resume after the page with this mark.

        Raises:
            As ``read``.
        """
        return iter(())

    def is_always_full(self, entity: str) -> bool:
        """Return whether each read of an entity returns all records, so that missing ones are deleted."""
        return False

    def counts(self, entity: str) -> dict[str, int] | None:
        """Return how many records exist now, by part: by day for daily facts, "" for everything else.

        None if the vendor cannot count cheaply and exactly.
        """
        return None

    def count(self, entity: str) -> int | None:
        """Return how many records exist now, at least approximately; None if the source cannot count."""
        found = self.counts(entity)
        return None if found is None else sum(found.values())

    def ids(self, entity: str) -> Iterator[list[Listed]] | None:
        """Yield pages of existing records, without deleted ones; an id may occur twice.

        None if that costs as much as reading everything again. The entity is then reconciled by a full read.
        """
        return None

    def rights(self, *, reads: bool, writes: Collection[str]) -> Rights | None:
        """Return the permissions of the login; None if the other system does not report them."""
        return None

    def skew(self) -> float | None:
        """Return by how many seconds the source's clock is ahead of ours, if no ``client`` measures it."""
        return None

    def undated(self, entity: str) -> tuple[int, int, int] | None:
        """Count all rows, those without a change time, and those with one in the future; None if unknown."""
        return None
