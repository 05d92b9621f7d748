"""When something becomes known: one clock for all machines, the database's, and one lock between writers and builds.

What a merge, a page of history or an answer writes becomes known at a stamp; a build fixes up to when it knows. Both
come from the database's clock, never from that of the machine that runs the task, and neither ever goes back: a stamp
is behind every build planned so far, and a build knows every stamp given so far. So what a build cannot see is dated
after it, and the next build takes it, whatever the clocks do.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock

# Every lock of the warehouse, each with a number of its own: two with the same one would wait for each other.
# Shared by writers of what builds read, exclusive for the moment in which a build fixes its known_at.
SETTLE_LOCK = 0x5053_4554
# Shared by what lands records, exclusive for an erasure. Taken before SETTLE_LOCK by whoever takes both.
SUPPRESSION_LOCK = 0x5045_5355
SENDER_LOCK = 0x5045_5253  # one pass of ``deliver`` at a time, for minutes
DECIDER_LOCK = 0x5045_5244
MIGRATION_LOCK = 0x5045_5245
INCIDENTS_LOCK = 0x5045_494E
REPORTS_LOCK = 0x5045_5250
LOGINS_LOCK = 0x5045_4C4F  # the logins are the server's, not one database's
_TICK = timedelta(microseconds=1)


def now(connection: Connection) -> datetime:
    """Return the database's time, or that in ``PERENNIAL_NOW`` when it is set."""
    if os.environ.get("PERENNIAL_NOW"):
        return clock.now()
    return connection.execute(sa.text("select clock_timestamp()")).scalar_one()


def stamp(connection: Connection) -> datetime:
    """Return when what this transaction writes becomes known; builds that are being planned wait for its end."""
    connection.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": SETTLE_LOCK})
    newest: datetime | None = connection.execute(sa.text("select max(known_at) from meta.build")).scalar()
    at = now(connection)
    return at if newest is None or at > newest else newest + _TICK


def settled_at(connection: Connection) -> datetime:
    """Return the time up to which everything that will ever carry an earlier stamp is committed.

    A build that knows up to here sees the same rows when it is run again.

    Args:
        connection: In a transaction that ends soon: anyone who takes a stamp waits for it.
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
