"""The walk that HTTP sources share: from a stored position, step by step, to the end, which it always reaches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from include.common.errors import Unavailable
from include.connectors import positions
from include.connectors.base import Page, Position, Record
from include.gate.source_failures import place
from include.http.loops import Loop

# Counts along the way; not a place.
_COUNTERS = {"pages", "rows", "left"}
# When one of these changes, what follows may go over the same records again.
_COURSE = ("phase", "object", "is_again")
# Many pages in a row may hold nothing that is wanted, as where most was archived long ago. So many do not.
MOST_EMPTY = 20_000


@dataclass(frozen=True, slots=True)
class Later(Collection[Record]):
    """Records that are made when they are gone through, each from its row.

    A page of a thousand large rows, all of them taken apart before the first is landed, does not fit into a processor's
    cache: fetching it back from memory takes as long as all the work on it.

    Args:
        what: As for ``walk``.
        rows: Of a page.
        make: Row -> its record.
    """

    what: str
    rows: Sequence[Any]
    make: Callable[[Any], Record]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Record]:
        with in_their_form(self.what):
            yield from map(self.make, self.rows)

    def __contains__(self, record: object) -> bool:
        return any(record == one for one in self)


def walk(
    what: str,
    *,
    position: Position | None,
    mark: Position | None,
    start: Callable[[Position | None], Position],
    step: Callable[[Position], tuple[Collection[Record], Position]],
    full: bool = False,
    upgrade: Callable[[Position], Position] = lambda position: position,
    most_empty: int = MOST_EMPTY,
) -> Iterator[Page]:
    """Yield the pages of a read.

    Args:
        what: What is read, for errors: "HubSpot's contacts".
        position: See ``Source.read``.
        mark: See ``Source.read``.
        start: Makes the first position of a new read from the last one's end, if there was one; gives that end back
            where nothing is to be read yet.
        step: Reads one page: position -> records and the position after them, whose phase at the end is ``done`` and
            whose ``at`` then says up to when all was read, in milliseconds.
        upgrade: See ``positions.checked``.
        full: Start from the beginning wherever the last read ended, even where this code cannot know what that means.
        most_empty: See ``Loop``.

    Raises:
        Unavailable: The vendor's answers lead nowhere, or have a form that they never have.
    """
    stored = mark or (None if full else position)
    here = positions.checked(stored, upgrade) if stored else None
    if mark and here and here["phase"] == "done":
        yield _last([], here)
        return
    if here is None or here["phase"] == "done":
        with in_their_form(what):
            here = start(here)
        if here["phase"] == "done":
            yield _last([], positions.start(**here))
            return
    loop = Loop(what, most_empty)
    while here["phase"] != "done":
        asked = here
        with in_their_form(what):
            records, there = step(here)
        here = positions.start(**there)
        if here["phase"] == "done":
            yield _last(records, here)
            return
        loop.answered(_place(asked), _place(here), _keys(records))
        if any(asked.get(name) != here.get(name) for name in _COURSE):
            loop.forget()
        yield Page(records, here)


@contextmanager
def in_their_form(what: str) -> Iterator[None]:
    """Turn what a malformed answer does to our code into an error for a person."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        raise Unavailable(
            f"{what} came in a form that is not theirs: {type(error).__name__} in {place(error)}",
            cure="check that the connection's host is the vendor's API; set PERENNIAL_DEBUG=1 to see where",
        ) from error


def _last(records: Collection[Record], here: Position) -> Page:
    return Page(records, here, next_position=here, read_until=positions.moment(here["at"]))


def _keys(records: Collection[Record]) -> Iterator[Hashable]:
    """Yield what tells records apart, without making those that are made later."""
    if not isinstance(records, Later):
        yield from (record.id for record in records)
        return
    for row in records.rows:
        yield row.get("id") if isinstance(row, dict) else row if isinstance(row, Hashable) else bytes(row)


def _place(here: Position) -> bytes:
    kept = {key: value for key, value in here.items() if key not in _COUNTERS and key != "v"}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
