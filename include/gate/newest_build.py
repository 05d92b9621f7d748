"""The newest finished build: the tables that everybody acts on and reports."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa


class NewestBuild(NamedTuple):
    """The newest finished forward build.

    Args:
        newest_day: The day that its tables are for.
        watermarks: Source -> time up to which its tables contain the source.
    """

    build_id: str
    newest_day: date
    watermarks: dict[str, datetime]


def read(connection: sa.Connection) -> NewestBuild | None:
    """Return the newest finished forward build. Rebuilds of past days do not count."""
    row = connection.execute(_NEWEST).one_or_none()
    if row is None:
        return None
    watermarks = {source: datetime.fromisoformat(until) for source, until in row.watermarks.items() if until}
    return NewestBuild(row.build_id, row.newest_day, watermarks)


_NEWEST = sa.text(
    "select build_id, newest_day, watermarks from meta.build where kind = 'forward' and state = 'done'"
    " order by newest_day desc, started_at desc limit 1"
)
