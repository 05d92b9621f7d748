"""Pagination shared by HTTP sources: from a stored position, page by page, to the end. Every read ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from include.common.errors import Unavailable
from include.connectors import positions
from include.connectors.base import Page, Position, Record, Request
from include.gate.source_failures import code_location
from include.http.loops import Loop

# Counters within a read; they do not identify a place.
_COUNTERS = {"pages", "rows", "left"}
# When one of these changes, the following pages may repeat earlier records.
_RESTART_KEYS = ("phase", "object", "is_again")
# Many pages in a row may have no relevant rows, for example if most were archived long ago; this many may not.
MAX_EMPTY = 20_000


@dataclass(frozen=True, slots=True)
class LazyRecords(Collection[Record]):
    """Records that are created from their rows only when they are iterated.

    Converting a whole page of a thousand large rows before the first one is landed exceeds the processor's cache.
    Fetching the data from memory again takes as long as all the work on it.

    Args:
        what: As for ``read_pages``.
        rows: Rows of a page.
        make: Row -> its record.
    """

    what: str
    rows: Sequence[Any]
    make: Callable[[Any], Record]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Record]:
        with response_errors(self.what):
            yield from map(self.make, self.rows)

    def __contains__(self, record: object) -> bool:
        return any(record == one for one in self)


def read_pages(
    what: str,
    request: Request,
    *,
    start: Callable[[Position | None], Position],
    step: Callable[[Position], tuple[Collection[Record], Position]],
    upgrade: Callable[[Position], Position] = lambda position: position,
    max_empty: int = MAX_EMPTY,
    latest: Callable[[], int] | None = None,
) -> Iterator[Page]:
    """Yield the pages of a read.

    Args:
        what: What is read, for errors: "HubSpot's contacts".
        request: A full read starts from the beginning and ignores the stored position, even one of an unknown version.
        start: The end of the last read (None without one) -> the first position of a new read. Returns that end
            unchanged if nothing is due yet.
        step: Reads one page: position -> records and the next position. At the end, its phase is ``done`` and its
            ``at`` is the time up to which everything was read, in milliseconds.
        upgrade: As for ``positions.checked``.
        max_empty: As for ``Loop``.
        latest: Returns the latest end of a read that began now, in milliseconds. Called after the vendor has responded:
            only then is it known whether its clock is behind ours.

    Raises:
        Unavailable: The pagination makes no progress, or a response has an unexpected format.
    """
    mark = request.mark
    stored = mark or (None if request.full else request.position)
    here = positions.checked(stored, upgrade) if stored else None
    if mark and here and here["phase"] == "done":
        yield _last_page([], here)
        return
    if here is None or here["phase"] == "done":
        with response_errors(what):
            here = start(here)
        if here["phase"] == "done":
            yield _last_page([], positions.start(**here))
            return
    loop = Loop(what, max_empty)
    while here["phase"] != "done":
        asked = here
        with response_errors(what):
            records, there = step(here)
        here = positions.start(**there)
        if here["phase"] == "done":
            here |= {"at": min(here["at"], latest())} if latest else {}
            yield _last_page(records, here)
            return
        loop.check(_cursor_key(asked), _cursor_key(here), _record_keys(records))
        if any(asked.get(name) != here.get(name) for name in _RESTART_KEYS):
            loop.forget()
        yield Page(records, here)


def by_cursor(
    position: Position, page: Callable[[str | None], tuple[list[Any], str | None]], end: Position
) -> tuple[list[Any], Position]:
    """Read one page of a cursor-based list.

    Args:
        position: Its ``after`` is the cursor of the page; None for the first page.
        page: Cursor -> rows, and the cursor of the next page; None on the last page.
        end: The position after the last page.
    """
    rows, after = page(position["after"])
    return rows, end if after is None else position | {"after": after}


def all_by_cursor(page: Callable[[str | None], tuple[list[Any], str | None]]) -> Iterator[list[Any]]:
    """Yield all pages of a cursor-based list.

    ``page`` is as for ``by_cursor``, and must itself fail on a repeated cursor.
    """
    rows, after = page(None)
    yield rows
    while after is not None:
        rows, after = page(after)
        yield rows


def check_keyset(what: str, rows: Sequence[Any], n_more: int, last: str) -> None:
    """Check that a query in key order returns rows while it counts some.

    Args:
        what: What is queried, for the error.
        rows: Rows of the page.
        n_more: How many rows the vendor counts after ``last``.
        last: The last key read; "" before the first.
    """
    if n_more and not rows:
        raise Unavailable(
            f"{what} reports {n_more} more matching rows, but returned none{f' after {last}' if last else ''}",
            cure="try again later",
        )


@contextmanager
def response_errors(what: str) -> Iterator[None]:
    """Turn the errors that a malformed response causes in our code into an error for a person."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        raise Unavailable(
            f"{what}: unexpected response format ({type(error).__name__} in {code_location(error)})",
            cure="check that the connection's host is the vendor's API; set PERENNIAL_DEBUG=1 to see where",
        ) from error


def _last_page(records: Collection[Record], here: Position) -> Page:
    return Page(records, here, next_position=here, read_until=positions.moment(here["at"]))


def _record_keys(records: Collection[Record]) -> Iterator[Hashable]:
    """Yield the keys of records, without creating lazy ones."""
    if not isinstance(records, LazyRecords):
        yield from (record.id for record in records)
        return
    for row in records.rows:
        yield row.get("id") if isinstance(row, dict) else row if isinstance(row, Hashable) else bytes(row)


def _cursor_key(here: Position) -> bytes:
    kept = {key: value for key, value in here.items() if key not in _COUNTERS and key != "v"}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
