"""Backfill record history from the vendors' own history, once per entity."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from include.common import connections
from include.common.errors import PerennialError, Unavailable
from include.connectors import positions, registry
from include.connectors.base import Page, Source
from include.ingest import history
from include.warehouse import raw_tables
from include.warehouse.engine import engine

log = logging.getLogger(__name__)
# The history of a large CRM takes hours to read. Each ingest run spends this much time on it, after everything else.
SECONDS_PER_RUN = 120.0


@dataclass(frozen=True)
class Backfilled:
    """Result of one backfill run.

    Args:
        n_states: New states stored.
        finished: Entities whose history is complete now.
        waiting: Entities that resume with the next run.
    """

    source: str
    n_states: int = 0
    finished: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


def backfill(source_id: str, *, seconds: float = SECONDS_PER_RUN) -> Backfilled:
    """Store earlier states of a source's records, from before their first load, where its vendor keeps them.

    A failure never makes the source red, because current facts do not depend on history. The error is stored with the
    progress and shown by ``status``. The next run resumes where this one stopped.

    Args:
        source_id: Connection id, listed in the settings.
        seconds: No new page is requested after this time.
    """
    raw_tables.ensure_raw_tables()
    source = registry.connect(connections.get(source_id))
    with engine("reader").connect() as connection:
        waiting = history.waiting(connection, source_id, source.entities())
    deadline = time.monotonic() + seconds
    n_states, finished = 0, []
    for each in waiting:
        try:
            n_new, is_finished = _backfill_entity(source, source_id, each.entity, deadline)
        except PerennialError as error:
            log.warning(
                "history backfill of %s.%s failed, the next run retries: %s", source_id, each.entity, error.message
            )
            if isinstance(error, Unavailable):
                break
            continue
        n_states += n_new
        finished += [each.entity] if is_finished else []
    if n_states:
        log.info("%s: %s earlier states stored from the vendor's history", source_id, f"{n_states:,}")
    unfinished = tuple(each.entity for each in waiting if each.entity not in finished)
    return Backfilled(source_id, n_states, tuple(finished), unfinished)


def _backfill_entity(source: Source, source_id: str, entity: str, deadline: float) -> tuple[int, bool]:
    """Store pages until the end or the deadline; return the number of new states and whether history is complete."""
    n_states = 0
    with history.storing(source_id, entity) as connection:
        progress = history.progress(connection, source_id, entity)
        if progress.finished_at:
            return 0, False
        try:
            for page in source.history(entity, mark=progress.mark):
                n_states += history.land(connection, source_id, source.vendor, entity, page)
                if page.next_position is not None:
                    return n_states, True
                if time.monotonic() > deadline:
                    return n_states, False
        except PerennialError as error:
            history.store_problem(connection, source_id, entity, error)
            raise
        # The vendor keeps no history of this entity.
        end = positions.start(phase="done")
        history.land(connection, source_id, source.vendor, entity, Page([], end, next_position=end))
        return n_states, True
