"""Time stamps from one clock, the database's, and the advisory locks of the warehouse.

Each write of a merge, a backfill page or an answer carries a stamp: the time from which it is known. Each build fixes a
``known_at``: it sees everything known up to then. Both come from the database's clock, never from the machine that runs
the task, and neither ever goes back. A stamp is later than the ``known_at`` of every build planned so far, and a
build's ``known_at`` is no earlier than any stamp so far. So rows that a build cannot see are stamped after it, and the
next build picks them up, whatever the clocks do.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock

# All advisory locks of the warehouse. Each needs a distinct number, or unrelated tasks would block each other. Shared
# by writers of build inputs; exclusive while a build fixes its known_at.
SETTLE_LOCK = 0x5053_4554
# Shared by tasks that land records; exclusive for an erasure. Whoever needs both takes it before SETTLE_LOCK.
SUPPRESSION_LOCK = 0x5045_5355
SENDER_LOCK = 0x5045_5253  # one pass of ``deliver`` at a time, for minutes
DECIDER_LOCK = 0x5045_5244
MIGRATION_LOCK = 0x5045_5245
INCIDENTS_LOCK = 0x5045_494E
REPORTS_LOCK = 0x5045_5250
LOGINS_LOCK = 0x5045_4C4F  # logins belong to the server, not to one database
REQUESTS_LOCK = 0x5045_5251
_TICK = timedelta(microseconds=1)


def now(connection: Connection) -> datetime:
    """Return the database's time, or ``PERENNIAL_NOW`` if that is set."""
    if os.environ.get("PERENNIAL_NOW"):
        return clock.now()
    return connection.execute(sa.text("select clock_timestamp()")).scalar_one()


def stamp(connection: Connection) -> datetime:
    """Return the time from which this transaction's writes are known, and make build planning wait for its end."""
    connection.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": SETTLE_LOCK})
    newest: datetime | None = connection.execute(sa.text("select max(known_at) from meta.build")).scalar()
    at = now(connection)
    return at if newest is None or at > newest else newest + _TICK


def settled_at(connection: Connection) -> datetime:
    """Return a time such that every write with an earlier stamp is committed.

    A build with this ``known_at`` sees the same rows when it is run again.

    Args:
        connection: A connection in a short transaction: everyone who needs a stamp waits for its end.
    """
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": SETTLE_LOCK})
    newest: datetime | None = connection.execute(_NEWEST_STAMP).scalar()
    at = now(connection)
    return at if newest is None or at > newest else newest


_NEWEST_STAMP = sa.text(
    "select greatest((select max(merged_at) from meta.batch), (select max(updated_at) from meta.history),"
    " (select max(erased_at) from meta.erasure),"
    " (select max(greatest(known_from, known_to)) from meta.identity_answer))"
)
