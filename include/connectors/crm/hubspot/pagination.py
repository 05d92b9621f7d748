"""Pagination of HubSpot objects that change meanwhile: none is lost or missed. Pure steps over a position.

Each step takes a position and returns rows and the position after them, so that a read can stop and continue anywhere.

* ``list``: all objects by id, then the archived ones. An edit neither moves nor repeats a row. It comes first, and
  again once a day in place of the search: associations and calculated properties change without moving the cursor.
* ``search``: objects changed in ``[lo, hi)`` by their cursor property, by id: each query asks for the ids above the
  last one seen. The search ends at 10,000 results and its offsets shift when a row is edited out of the window, so no
  offset is ever used; and since ids neither change nor tie, neither ten thousand rows of one millisecond (case 2), nor
  a boundary millisecond cut by a page (case 3), nor a row that shows a newer time than the one it was found by can end
  or stall it. Rows may come out of order, twice, or with a stray one among them, and a total may be too small: before
  it continues above an id it counts what is below, and it ends where nothing comes any more, or with a page that is not
  full and holds what it counts.
* ``archived``: objects archived since the last such pass, which the search never returns (case 11); hourly.
* ``done``: everything before ``at`` was read.

The search's index lags (case 4): ``hi`` stays behind the start of the run, and every read starts over an hour behind
the last one. The next read starts from ``hi``, not from the newest row seen (case 5).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from include.common.errors import Unavailable
from include.connectors.base import Position
from include.connectors.crm.hubspot.resources import SEARCH_PAGE
from include.connectors.pagination import by_cursor

Row = dict[str, Any]
# (is_archived, after) -> rows, where the next page starts
ListPage = Callable[[bool, str | None], tuple[list[Row], str | None]]
# filters -> rows in the order of their ids, and how many match in all
Search = Callable[[list[dict[str, str]]], tuple[list[Row], int]]
# Row -> when it was archived, in milliseconds; None if it does not say
Clock = Callable[[Row], int | None]

# An hour in milliseconds, less what the starts of runs drift apart.
HOUR = 3300 * 1000
# Archived objects can only be listed from the start: hourly where that takes one page, and so many hours apart at most
# where it takes more.
_SELDOM = 6


def first(hi: int, floor: int = 0) -> Position:
    """Return the position before everything.

    Args:
        hi: First millisecond that counts as not read.
        floor: What was archived before is known already.
    """
    return {"phase": "list", "after": None, "hi": hi, "floor": floor}


def again(lo: int, hi: int, done: Position) -> Position:
    """Return the position before everything but what was archived long ago; arguments as for ``changes``."""
    return first(hi, min(lo, done.get("archived_at", lo)))


def changes(lo: int, hi: int, done: Position) -> Position:
    """Return the position before all that changed in ``[lo, hi)``.

    Args:
        lo: First millisecond. HubSpot's search answers 500 when asked from the epoch on.
        hi: First millisecond that is not read.
        done: Where the last read ended.
    """
    lo = max(lo, 1)
    hours = min(max(done.get("archived_pages", 1), 1), _SELDOM)
    is_due = hi - done.get("walked_at", 0) >= hours * HOUR
    # An archived pass that was left out is made up for by the next: it starts where the last one ended.
    floor = min(lo, done.get("archived_at", lo)) if is_due else None
    return {"phase": "search", "lo": lo, "hi": hi, "after": "0", "floor": floor} | memory(done)


def list_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of the pass over all objects."""
    hi, floor = position["hi"], position.get("floor", 0)
    end = {"phase": "archived", "after": None, "hi": hi, "floor": floor, "pages": 0, "listed_at": hi}
    return by_cursor(position, partial(page, False), end)


def archived_step(position: Position, page: ListPage, archived_at: Clock, trailing: int) -> tuple[list[Row], Position]:
    """Read one page of the pass over archived objects; those archived before ``floor`` are known already."""
    rows, after = page(True, position["after"])
    pages = position["pages"] + 1
    new = [row for row in rows if (archived_at(row) or position["hi"]) >= position["floor"]]
    if after is not None:
        return new, position | {"after": after, "pages": pages}
    at = position["hi"]
    return new, memory(position) | {
        "phase": "done",
        "at": at,
        "archived_at": at - trailing,
        "archived_pages": pages,
        "walked_at": at,
    }


def search_step(position: Position, search: Search, cursor: str) -> tuple[list[Row], Position]:
    """Read one page of what changed."""
    if position["lo"] >= position["hi"]:
        return [], _after_search(position)
    after = int(position["after"])

    def matching(until: int | None = None) -> tuple[list[Row], int]:
        bounds = [(cursor, "GTE", position["lo"]), (cursor, "LT", position["hi"]), ("hs_object_id", "GT", after)]
        bounds += [("hs_object_id", "LT", until + 1)] if until is not None else []
        return search([{"propertyName": name, "operator": how, "value": str(value)} for name, how, value in bounds])

    rows, total = matching()
    if not rows and not total:
        return [], _after_search(position)
    ids = sorted({one for row in rows if (one := int(row["id"])) > after})
    if len(rows) < SEARCH_PAGE and total == len(ids) == len(rows):
        return rows, _after_search(position)
    if len(rows) >= SEARCH_PAGE or total > len(ids):
        # What is counted up to an id and did not come is below it: continue from a lower one.
        while ids and matching(ids[-1])[1] > len(ids):
            ids = ids[: len(ids) // 2]
    if not ids:
        raise Unavailable(
            f"HubSpot's search says that {total} objects match, but does not show the first of them after id {after}",
            cure="try again later; if it stays so, ask HubSpot's support",
        )
    return rows, position | {"after": str(ids[-1])}


def _after_search(position: Position) -> Position:
    if position["floor"] is None:
        return {"phase": "done", "at": position["hi"]} | memory(position)
    archived = {"phase": "archived", "after": None, "hi": position["hi"], "floor": position["floor"], "pages": 0}
    return archived | memory(position)


def memory(position: Position) -> Position:
    """Return what is remembered of the last walks through archived and through all objects."""
    kept = ("archived_at", "archived_pages", "walked_at", "listed_at")
    return {key: position[key] for key in kept if key in position}
