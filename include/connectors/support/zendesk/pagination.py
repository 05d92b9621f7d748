"""Pagination of Zendesk's records: steps over a position.

* ``cursor``: the export of tickets and users. The cursor behind the last page is where the next read continues, also
  after the end of the stream (case 22); the stream ends where the vendor says so (case 27).
* ``time``: the export of organisations, from a second on and including it: rows of that second come again (case 28).
* ``drain``: when one second holds more than a page the time export cannot get past it (case 29): the list of all is
  read instead, and the export continues a second later.
* ``list``: ratings, by cursor.
* ``rest``: what a full read cannot meet in an export, since that holds back what changed within the last minute, and a
  record that just changed is nowhere else in it either. What a full read does not meet counts as gone (E16).
* ``done``: everything before ``at`` was read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.connectors.base import Position
from include.connectors.pagination import by_cursor
from include.connectors.support.zendesk.resources import EXPORT_PAGE

_SAFETY = 3600

Row = dict[str, Any]
# (cursor, start) -> answer
CursorExport = Callable[[str | None, int], Row]
# start -> answer
TimeExport = Callable[[int], Row]
# after -> rows, where the next page starts
ListPage = Callable[[str | None], tuple[list[Row], str | None]]


def cursor_step(position: Position, name: str, export: CursorExport) -> tuple[list[Row], Position]:
    """Read one page of a cursor export."""
    data = export(position["cursor"], position["start"])
    rows = data[name]
    cursor = data.get("after_cursor") or position["cursor"]
    if data.get("end_of_stream", not rows):
        # From ``start`` the next read continues should there be no cursor, or should the vendor forget it.
        start = max(position["start"], position["at"] // 1000 - _SAFETY)
        return rows, _end(position, cursor=cursor, start=start)
    return rows, position | {"cursor": cursor}


def time_step(position: Position, name: str, export: TimeExport) -> tuple[list[Row], Position]:
    """Read one page of a time export."""
    start = position["start"]
    data = export(start)
    rows, end = data[name], data.get("end_time")
    if _is_last(data, len(rows), start):
        return rows, _end(position)
    if end is None or end <= start:
        return rows, position | {"phase": "drain", "after": None}
    return rows, _from(position, int(end))


def _is_last(data: Row, n_rows: int, start: int) -> bool:
    if "end_of_stream" in data:
        return bool(data["end_of_stream"])
    # A page of a desk that takes long over whole ones is full with fewer rows.
    return data.get("next_page") is None or (data.get("end_time") == start and n_rows < data.get("asked", EXPORT_PAGE))


def drain_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of the list of all, after which the export resumes behind the crowded second."""
    return by_cursor(position, page, _from(position, position["start"] + 1))


def _from(position: Position, start: int) -> Position:
    """Go on from a second. One younger than ``at`` belongs to the next read: the vendor refuses it (case 31)."""
    if start > position["at"] // 1000:
        return _end(position)
    return {"phase": "time", "start": start, "at": position["at"], "full": position.get("full")}


def _end(position: Position, **kept: Any) -> Position:
    """Return the end of a read, before which a full one meets what its export has left out."""
    if position.get("full"):
        return {"phase": "rest", "after": None, "at": position["at"], **kept}
    return {"phase": "done", "at": position["at"], **kept}


def rest_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of what an export has left out."""
    kept = {name: value for name, value in position.items() if name != "after"}
    return by_cursor(position, page, kept | {"phase": "done"})


def list_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of a list."""
    return by_cursor(position, page, {"phase": "done", "at": position["at"]})
