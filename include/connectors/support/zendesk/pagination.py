"""Pagination of Zendesk's records: steps over a position.

* ``cursor``: the export of tickets and users. The next read continues from the cursor after the last page, even after
  the end of the stream. The stream ends where the vendor says so.
* ``time``: the export of organisations and ticket events, from a second on, inclusive: rows of that second come again.
* ``drain``: if one second has more rows than a page, the time export cannot get past it. The list of all records is
  read instead, and the export continues one second later.
* ``list``: ratings, by cursor.
* ``rest``: records that a full read cannot find in an export. The export leaves out the last minute, and a record that
  has just changed is not at its earlier place either. Without this phase they would be marked as deleted.
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
# (cursor, start) -> response
CursorExport = Callable[[str | None, int], Row]
# start -> response
TimeExport = Callable[[int], Row]
# after -> rows, and the cursor of the next page
ListPage = Callable[[str | None], tuple[list[Row], str | None]]


def cursor_step(position: Position, name: str, export: CursorExport) -> tuple[list[Row], Position]:
    data = export(position["cursor"], position["start"])
    rows = data[name]
    cursor = data.get("after_cursor") or position["cursor"]
    if data.get("end_of_stream", not rows):
        # If there is no cursor, or the vendor forgets it, the next read continues from ``start``.
        start = max(position["start"], position["at"] // 1000 - _SAFETY)
        return rows, _end(position, cursor=cursor, start=start)
    return rows, position | {"cursor": cursor}


def time_step(position: Position, name: str, export: TimeExport) -> tuple[list[Row], Position]:
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
    # If large pages time out, smaller ones are requested, so a full page may have fewer rows.
    return data.get("next_page") is None or (data.get("end_time") == start and n_rows < data.get("asked", EXPORT_PAGE))


def drain_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of the list of all records. The export then resumes after the crowded second."""
    return by_cursor(position, page, _from(position, position["start"] + 1))


def _from(position: Position, start: int) -> Position:
    """Continue from a second. If it is after ``at``, end the read: the vendor would reject it."""
    if start > position["at"] // 1000:
        return _end(position)
    return {"phase": "time", "start": start, "at": position["at"], "full": position.get("full")}


def _end(position: Position, **kept: Any) -> Position:
    """Return the end of a read; a full read first looks for records that its export left out."""
    if position.get("full"):
        return {"phase": "rest", "after": None, "at": position["at"], **kept}
    return {"phase": "done", "at": position["at"], **kept}


def rest_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    """Read one page of the records that an export left out."""
    kept = {name: value for name, value in position.items() if name != "after"}
    return by_cursor(position, page, kept | {"phase": "done"})


def list_step(position: Position, page: ListPage) -> tuple[list[Row], Position]:
    return by_cursor(position, page, {"phase": "done", "at": position["at"]})
