"""Pagination that HTTP sources share: from a stored position, page by page, to the end, which it always reaches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from include.common.errors import Unavailable
from include.connectors import positions
from include.connectors.base import Page, Position, Record, Request
from include.gate.source_failures import place
from include.http.loops import Loop

# Counts along the way; not a place.
_COUNTERS = {"pages", "rows", "left"}
# When one of these changes, what follows may go over the same records again.
_COURSE = ("phase", "object", "is_again")
# Many pages in a row may hold nothing that is wanted, as where most was archived long ago. So many do not.
MOST_EMPTY = 20_000


@dataclass(frozen=True, slots=True)
class LazyRecords(Collection[Record]):
    """Records that are made when they are iterated, each from its row.

    A page of a thousand large rows, all of them taken apart before the first is landed, does not fit into a processor's
    cache: fetching it back from memory takes as long as all the work on it.

    Args:
        what: As for ``read_pages``.
        rows: Of a page.
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
    most_empty: int = MOST_EMPTY,
) -> Iterator[Page]:
    """Yield the pages of a read.

    Args:
        what: What is read, for errors: "HubSpot's contacts".
        request: Full: start from the beginning wherever the last read ended, even where this code cannot know what that
            means.
        start: Makes the first position of a new read from the last one's end, if there was one; gives that end back
            where nothing is to be read yet.
        step: Reads one page: position -> records and the position after them, whose phase at the end is ``done`` and
            whose ``at`` then says up to when all was read, in milliseconds.
        upgrade: See ``positions.checked``.
        most_empty: See ``Loop``.

    Raises:
        Unavailable: The vendor's answers lead nowhere, or have a form that they never have.
    """
    mark = request.mark
    stored = mark or (None if request.full else request.position)
    here = positions.checked(stored, upgrade) if stored else None
    if mark and here and here["phase"] == "done":
        yield _last([], here)
        return
    if here is None or here["phase"] == "done":
        with response_errors(what):
            here = start(here)
        if here["phase"] == "done":
            yield _last([], positions.start(**here))
            return
    loop = Loop(what, most_empty)
    while here["phase"] != "done":
        asked = here
        with response_errors(what):
            records, there = step(here)
        here = positions.start(**there)
        if here["phase"] == "done":
            yield _last(records, here)
            return
        loop.answered(_place(asked), _place(here), _keys(records))
        if any(asked.get(name) != here.get(name) for name in _COURSE):
            loop.forget()
        yield Page(records, here)


def by_cursor(
    position: Position, page: Callable[[str | None], tuple[list[Any], str | None]], end: Position
) -> tuple[list[Any], Position]:
    """Read one page of a list by cursor.

    Args:
        position: Its ``after`` is the cursor of the page; None for the first one.
        page: Cursor -> rows, and the cursor of the next page; None on the last one.
        end: The position after the last page.
    """
    rows, after = page(position["after"])
    return rows, end if after is None else position | {"after": after}


def all_by_cursor(page: Callable[[str | None], tuple[list[Any], str | None]]) -> Iterator[list[Any]]:
    """Yield all pages of a list by cursor; ``page`` as for ``by_cursor``, and fails itself on a cursor that repeats."""
    rows, after = page(None)
    yield rows
    while after is not None:
        rows, after = page(after)
        yield rows


def check_keyset(what: str, rows: Sequence[Any], n_more: int, last: str) -> None:
    """Make sure that a query in the order of its keys shows rows while it counts some.

    Args:
        what: What is queried, for the error.
        rows: Of the page.
        n_more: How many rows the vendor counts after ``last``.
        last: The last key that was read; "" before the first.
    """
    if n_more and not rows:
        raise Unavailable(
            f"{what} says that {n_more} more rows match, but shows none after {last or 'the first'}",
            cure="try again later",
        )


@contextmanager
def response_errors(what: str) -> Iterator[None]:
    """Turn what a malformed answer does to our code into an error for a person."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        raise Unavailable(
            f"{what}: unexpected response format ({type(error).__name__} in {place(error)})",
            cure="check that the connection's host is the vendor's API; set PERENNIAL_DEBUG=1 to see where",
        ) from error


def _last(records: Collection[Record], here: Position) -> Page:
    return Page(records, here, next_position=here, read_until=positions.moment(here["at"]))


def _keys(records: Collection[Record]) -> Iterator[Hashable]:
    """Yield what tells records apart, without making those that are made later."""
    if not isinstance(records, LazyRecords):
        yield from (record.id for record in records)
        return
    for row in records.rows:
        yield row.get("id") if isinstance(row, dict) else row if isinstance(row, Hashable) else bytes(row)


def _place(here: Position) -> bytes:
    kept = {key: value for key, value in here.items() if key not in _COUNTERS and key != "v"}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
