"""The words that every source speaks: records, pages of them, and where reading continues.

A source is read as a stream of pages. Each page says how to resume after it: who stores page and mark in one
transaction can be killed anywhere and lose nothing. A source never stores anything itself.
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
            later one then is at least as new. They may be made only when they are iterated (``LazyRecords``).
        mark: Hand it to ``read(mark=...)`` to continue after this page, in this or a later run. It is self-contained:
            a batch that is closed in the middle of a read has it as its ``cursor_after``.
        next_position: On the last page only: where the next run starts.
        read_until: On the last page only: the source was completely read up to here.
    """

    records: Collection[Record]
    mark: Position
    next_position: Position | None = None
    read_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a read is asked for.

    Args:
        until: Now, by the clock of the run. The source subtracts its own lag.
        position: The last page's ``next_position`` of an earlier read, or any page's mark; None for a first load.
        mark: Resume after this page instead; all other arguments but ``until`` then have no effect.
        since: Read again all that changed since then.
        full: Read everything again.
    """

    until: datetime
    position: Position | None = None
    mark: Position | None = None
    since: datetime | None = None
    full: bool = False


# A record's id, and when it was made or last changed if the vendor tells it along.
Listed = tuple[str, datetime | None]


@dataclass(frozen=True)
class Rights:
    """What a login may do, compared with what is needed.

    Args:
        missing: Needed and not granted.
        surplus: Granted and not needed.
        forbidden: What makes the login too powerful to be used.
    """

    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


class Source(ABC):
    """One connected system: all that is asked of a source, with defaults for what not every source can say.

    A source has ``vendor`` and ``kind``, and implements ``entities`` and ``pages``. One over HTTP has its ``client``.
    """

    vendor: str
    kind: Kind
    client: Client | None = None
    # Entity and ids of its records -> id and account id of those that the warehouse knows. Set before a read, so that
    # the vendor is asked for the others only.
    recall: Callable[[str, Sequence[str]], dict[str, str]] | None = None

    @abstractmethod
    def entities(self) -> tuple[str, ...]:
        """Return the names of the entities that this source has, in the order in which they are loaded."""

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
            AuthError: The source refused the credentials.
            QuotaExhausted: The source's daily quota is used up; what was yielded stays good.
            Unavailable: The source is down or misbehaves; what was yielded stays good.
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
        """Return which fields there are: name -> the source's own type; nothing where it cannot say."""
        return {}

    def mapped(self, entity: str) -> dict[str, str]:
        """Return which fields are mapped: name -> the columns that it fills, comma-separated."""
        return {}

    def history(self, entity: str, *, mark: Position | None = None) -> Iterator[Page]:
        """Yield pages of former states, the last of which has ``next_position``; nothing at all if none are kept.

        Each record is one state: ``source_at`` says from when on it was so, ``values`` has every column. A column of
        which the vendor keeps no history has its present value (see ``include.connectors.history``). All states of a
        record are on one page. States from after the first load may be among them: storing leaves them out.

        Args:
            mark: Resume after the page that had it.

        Raises:
            As ``read``.
        """
        return iter(())

    def is_whole(self, entity: str) -> bool:
        """Return whether each read of an entity gives all that there is, so that what it does not meet is gone."""
        return False

    def counts(self, entity: str) -> dict[str, int] | None:
        """Return how many records exist now, by part: a day of facts by days, "" for all of anything else.

        None where the vendor does not count cheaply, or not exactly.
        """
        return None

    def count(self, entity: str) -> int | None:
        """Return how many records exist now, exactly or nearly; None where the source does not count."""
        found = self.counts(entity)
        return None if found is None else sum(found.values())

    def ids(self, entity: str) -> Iterator[list[Listed]] | None:
        """Return pages of what exists now, without what is deleted; an id may come twice.

        None where that costs as much as reading everything again: the entity is then reconciled by a full read.
        """
        return None

    def rights(self, *, reads: bool, writes: Collection[str]) -> Rights | None:
        """Return what the login may do; None where the other side does not say."""
        return None

    def skew(self) -> float | None:
        """Return by how many seconds the source's clock is ahead of ours, where no ``client`` measures it."""
        return None

    def undated(self, entity: str) -> tuple[int, int, int] | None:
        """Count the rows, those without a time of change, and those with one in the future; None if nobody knows."""
        return None
