"""Read one entity from its source into batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from include.common import clock
from include.common.errors import ConfigError, Unavailable
from include.config import load
from include.connectors.base import Page, Source
from include.ingest import batches, landing, schema_drift
from include.ingest.batches import Batch
from include.ingest.prefetch import prefetch

log = logging.getLogger(__name__)
_LOG_EVERY_SECONDS = 10.0
# Small pages are landed together, up to this many rows or seconds: a commit costs the same for few rows.
_LAND_ROWS, _LAND_SECONDS = 1000, 1.0


class Pull:
    """Read one entity into batches, on a connection that holds the entity's read lock."""

    def __init__(self, connection: Connection, source: Source, source_id: str, entity: str, run_id: str) -> None:
        self._connection, self._source, self._run_id = connection, source, run_id
        self._has_checked_schema = False
        self._source_id, self._entity = source_id, entity
        self._batch_rows = load().batch_rows
        self._logged_at = self._started = time.monotonic()
        self.n_rows = 0
        self.n_batches = 0

    def resume(self) -> bool:
        """Finish a read that an earlier run left unfinished; return whether there was one."""
        if not batches.is_unfinished(self._connection, self._source_id, self._entity):
            return False
        self._read(self._open(until=clock.now()))
        return True

    def lost_deletions_reason(self, until: datetime) -> str:
        """Return why the source may have discarded deletions since it was last read; "" if it has not.

        This happens after a long outage, or when a batch that was held for long is dropped.
        """
        settings = load().source(self._source_id)
        days = settings.keeps_deletions_days if settings else 0
        since = batches.read_from(self._connection, self._source_id, self._entity) if days else None
        if not since or until - since <= timedelta(days=days):
            return ""
        return (
            f"it was last read up to {since:%Y-%m-%d %H:%M} UTC, and the source reports deletions for only {days} days"
        )

    def check_schema(self) -> None:
        """Compare the source's fields with the last known ones. Done once, before the first row is landed."""
        if not self._has_checked_schema:
            schema_drift.check(self._source_id, self._source, self._entity)
            self._has_checked_schema = True

    def start(self, *, until: datetime, since: datetime | None, full: bool) -> None:
        """Read the new changes."""
        self._read(self._open(until=until, since=since, full=full))

    def _open(self, *, until: datetime, since: datetime | None = None, full: bool = False) -> Batch:
        return batches.open_or_resume(
            self._connection,
            self._source_id,
            self._source.vendor,
            self._entity,
            until=until,
            since=since,
            full=full,
            run_id=self._run_id,
        )

    def _read(self, batch: Batch) -> None:
        pages = self._source.read(
            self._entity,
            position=batch.position,
            mark=batch.read_mark,
            until=batch.until,
            since=batch.since,
            full=batch.is_full,
        )
        try:
            self._land(batch, combine_pages(pages, min(_LAND_ROWS, self._batch_rows)))
        except ConfigError:
            # If a field has disappeared from the source, report that as the cause.
            self.check_schema()
            raise

    def _land(self, batch: Batch, pages: Generator[Page]) -> None:
        for page in prefetch(self._with_schema_check(pages)):
            batch = landing.land_page(self._connection, batch, page)
            self._count_rows(len(page.records))
            if batch.state == "closed":
                self.n_batches += 1
                return
            if batch.n_rows >= self._batch_rows:
                batch = self._next_batch(batch)
        raise Unavailable(
            f"{self._source_id}.{self._entity} ended without a position for the next run",
            cure="run again; the landed rows are kept",
        )

    def _with_schema_check(self, pages: Generator[Page]) -> Generator[Page]:
        """Check the schema before yielding the first row.

        This happens in the reading thread, because a client must not be used by two threads.
        """
        with closing(pages):
            for page in pages:
                if page.records:
                    self.check_schema()
                yield page

    def _next_batch(self, full: Batch) -> Batch:
        """Close a full batch and return the next one of its read."""
        landing.close_full(self._connection, full)
        self.n_batches += 1
        batch = self._open(until=full.until)
        if batch.read_id != full.read_id:
            # Somebody dropped the read in between. It will restart at its first page, and this run is in the middle of
            # it.
            raise Unavailable(
                f"batch {full.batch_id} of {self._source_id}.{self._entity} was dropped during its read",
                cure="run again to read it again",
            )
        return batch

    def _count_rows(self, n_rows: int) -> None:
        self.n_rows += n_rows
        now = time.monotonic()
        if now - self._logged_at < _LOG_EVERY_SECONDS:
            return
        self._logged_at = now
        rate = self.n_rows / (now - self._started)
        log.info(
            "%s.%s: %s rows so far, %s a second", self._source_id, self._entity, f"{self.n_rows:,}", f"{rate:,.0f}"
        )


def combine_pages(pages: Iterator[Page], max_rows: int) -> Generator[Page]:
    """Combine small pages. If the source fails, the records read so far are yielded before the error is raised.

    Args:
        pages: As a source yields them.
        max_rows: Pages that together have this many records are yielded without waiting for more.
    """
    waiting: Page | None = None
    started = time.monotonic()
    try:
        for page in pages:
            waiting = replace(page, records=[*waiting.records, *page.records]) if waiting else page
            is_recent = time.monotonic() - started < _LAND_SECONDS
            if page.next_position is None and len(waiting.records) < max_rows and is_recent:
                continue
            combined, waiting = waiting, None
            yield combined
            started = time.monotonic()
    except Exception:
        if waiting:
            yield waiting
        raise
    if waiting:
        yield waiting
