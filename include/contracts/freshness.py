"""Rules on a source over time: is it read up to now, and is it still active."""

from __future__ import annotations

from include.contracts.limits import LAST_EVENT_HOURS
from include.contracts.rule import Rule, rule, warn
from include.entities.catalog import Entity

COMPLETELY_READ = "completely_read"
LAST_EVENT_RECENT = "last_event_recent"


def rules(entity: Entity) -> tuple[Rule, ...]:
    """Return the freshness rules of an entity. The gate checks the first, the end of every ingest run the second."""
    read = rule(
        entity.name,
        COMPLETELY_READ,
        lambda facts: None,
        "the source has not been completely read for too long",
        why="changes since then are unknown: an alert would be based on outdated data",
        cure="find out why ingest runs are missing or fail, then run `python -m include.cli ingest SOURCE`",
        scope="source",
    )
    if entity.name not in LAST_EVENT_HOURS:
        return (read,)
    happened = warn(
        entity.name,
        LAST_EVENT_RECENT,
        lambda facts: None,
        "the newest record is old, although the source was completely read",
        why="the system behind the source may have stopped writing, or nothing has happened",
        cure="compare with the newest record in the source",
        scope="source",
    )
    return read, happened
