"""Pagination of HubSpot objects that change during the read, without losing any. Pure steps over a position.

Each step takes a position and returns rows and the next position, so a read can stop and resume anywhere.

* ``list``: all objects by id, then the archived ones. An edit neither moves nor repeats a row. This phase comes first,
  and replaces the search once a day: associations and calculated properties change without updating the cursor
  property.
* ``search``: objects changed in ``[lo, hi)`` by their cursor property, in id order. Each query asks for ids above the
  last one seen, and never uses an offset: the search ends at 10,000 results, and its offsets shift when a row is edited
  out of the window. Ids neither change nor tie. So the search does not fail or stall on ten thousand rows of one
  millisecond, on a millisecond split between two pages, or on a row that shows a newer time than the one it was found
  by. Rows may come out of order or twice, include a wrong one, or the total may be too small. So before it continues
  above an id, it counts the rows below. It ends when nothing more comes, or with a partial page that has as many rows
  as it counts.
* ``archived``: objects archived since the last such pass, which the search never returns; hourly.
* ``done``: everything before ``at`` was read.

The search index lags. So ``hi`` stays behind the start of the run, and every read overlaps the last one by an hour. The
next read starts from ``hi``, not from the newest row seen.
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
# (is_archived, after) -> rows, and the cursor of the next page
ListPage = Callable[[bool, str | None], tuple[list[Row], str | None]]
# filters -> rows in id order, and the total number of matches
Search = Callable[[list[dict[str, str]]], tuple[list[Row], int]]
# Row -> when it was archived, in milliseconds; None if unknown
Clock = Callable[[Row], int | None]

# An hour in milliseconds, minus the drift between starts of runs.
HOUR = 3300 * 1000
# Archived objects can only be listed from the start. The pass runs every hour if it takes one page, every two hours if
# it takes two, and so on up to this many hours.
_MAX_ARCHIVED_HOURS = 6


def first(hi: int, floor: int = 0) -> Position:
    """Return the position at the beginning of everything.

    Args:
        hi: First millisecond that does not count as read.
        floor: Objects archived before this time are already known.
    """
    return {"phase": "list", "after": None, "hi": hi, "floor": floor}


def relist(lo: int, hi: int, done: Position) -> Position:
    """Return the position before everything except objects archived long ago; arguments as for ``changes``."""
    return first(hi, min(lo, done.get("archived_at", lo)))


def changes(lo: int, hi: int, done: Position) -> Position:
    """Return the position before all changes in ``[lo, hi)``.

    Args:
        lo: First millisecond. HubSpot's search returns 500 for a range from the epoch on.
        hi: First millisecond that is not read.
        done: Where the last read ended.
    """
    lo = max(lo, 1)
    hours = min(max(done.get("archived_pages", 1), 1), _MAX_ARCHIVED_HOURS)
    is_due = hi - done.get("walked_at", 0) >= hours * HOUR
    # The next archived pass makes up for a skipped one: it starts where the last one ended.
    floor = min(lo, done.get("archived_at", lo)) if is_due else None
    return {"phase": "search", "lo": lo, "hi": hi, "after": "0", "floor": floor} | pass_state(done)


def list_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of the list of all objects."""
    hi, floor = position["hi"], position.get("floor", 0)
    end = {"phase": "archived", "after": None, "hi": hi, "floor": floor, "pages": 0, "listed_at": hi}
    return by_cursor(position, partial(page, False), end)


def archived_step(position: Position, page: ListPage, archived_at: Clock, trailing: int) -> tuple[list[Row], Position]:
    """Read one page of archived objects, and skip those archived before ``floor``."""
    rows, after = page(True, position["after"])
    pages = position["pages"] + 1
    new = [row for row in rows if (archived_at(row) or position["hi"]) >= position["floor"]]
    if after is not None:
        return new, position | {"after": after, "pages": pages}
    at = position["hi"]
    return new, pass_state(position) | {
        "phase": "done",
        "at": at,
        "archived_at": at - trailing,
        "archived_pages": pages,
        "walked_at": at,
    }


def search_step(position: Position, search: Search, cursor: str) -> tuple[list[Row], Position]:
    """Read one page of changes."""
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
        # If more rows are counted up to an id than were returned, some below it are missing: continue from a lower id.
        while ids and matching(ids[-1])[1] > len(ids):
            ids = ids[: len(ids) // 2]
    if not ids:
        raise Unavailable(
            f"HubSpot's search reports {total} matches, but did not return the first one after id {after}",
            cure="try again later; if it persists, ask HubSpot support",
        )
    return rows, position | {"after": str(ids[-1])}


def _after_search(position: Position) -> Position:
    if position["floor"] is None:
        return {"phase": "done", "at": position["hi"]} | pass_state(position)
    archived = {"phase": "archived", "after": None, "hi": position["hi"], "floor": position["floor"], "pages": 0}
    return archived | pass_state(position)


def pass_state(position: Position) -> Position:
    """Return the state to keep from the last passes over archived and over all objects."""
    kept = ("archived_at", "archived_pages", "walked_at", "listed_at")
    return {key: position[key] for key in kept if key in position}
