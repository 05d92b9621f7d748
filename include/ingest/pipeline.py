"""Ingest one source: extract new records, validate and merge them, and publish the verdict.

Each step can be killed anywhere and run again. A failed step is recorded, so that ``publish`` makes the source red with
the reason and the cure. The record is deleted when the step succeeds.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from include.common import clock, connections, user
from include.common.errors import ConfigError, NotOffered, PerennialError, QuotaExhausted, Unavailable
from include.config import load
from include.connectors import registry
from include.connectors.base import Source
from include.entities.catalog import of_kind
from include.gate import availability, source_failures, verdicts
from include.gate.verdicts import Verdict
from include.ingest import batches, held_batches, history_backfill, schema_drift
from include.ingest import merge as merging
from include.ingest.batches import Batch
from include.ingest.known_accounts import accounts_of
from include.ingest.merge import Merged
from include.ingest.pull import Pull
from include.warehouse import raw_tables
from include.warehouse.engine import engine

log = logging.getLogger(__name__)
_GC_THRESHOLDS = (100_000, 20, 100)


@dataclass(frozen=True)
class Extracted:
    """Result of one extraction.

    Args:
        entity: Name of the entity.
        n_rows: Rows landed by this run.
        n_batches: Batches closed by this run.
        seconds: Duration.
        note: Why not everything was read; "" if it was.
        is_partial: A quota is used up; ``note`` says when reading resumes.
    """

    source: str
    entity: str
    n_rows: int = 0
    n_batches: int = 0
    seconds: float = 0.0
    note: str = ""
    is_partial: bool = False


@dataclass(frozen=True)
class Validated:
    """Result of validating the landed batches."""

    n_batches: int = 0
    n_rows: int = 0
    n_quarantined: int = 0
    held: tuple[int, ...] = ()


def extract(
    source_id: str,
    entity: str,
    *,
    run_id: str = "",
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    full: bool = False,
) -> Extracted:
    """Land the new records of one entity.

    A read that a killed run left unfinished is finished first; then new changes are read.

    Args:
        source_id: Connection id, listed in the settings.
        entity: Name of the entity.
        run_id: For the record.
        since: Read changes since then again.
        until: Read only up to this time; now by default.
        full: Read everything again, and mark records that the source no longer has as deleted.

    Raises:
        ConfigError: Connection, settings or mapping are wrong.
        AuthError: The source rejects the credentials.
        Unavailable: The source does not respond, or another run is reading the same entity.
    """
    started = time.monotonic()
    _check_bounds(until, full)
    upper = _moment(until, "--until") or clock.now()
    lower = _moment(since, "--since")
    # Pages of rows produce garbage faster than the default collector handles well. This nearly doubles the rate.
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        with source_failures.recorded(source_id, "extract", entity=entity, run_id=run_id):
            source = _connect(source_id)
            if entity not in source.entities():
                return Extracted(source_id, entity, note=f"{source.vendor} has no {entity}, or it is not mapped")
            raw_tables.ensure_raw_tables()
            with batches.reading(source_id, entity) as connection:
                source.known_accounts = partial(accounts_of, source_id, source.vendor)
                pull = Pull(connection, source, source_id, entity, run_id)
                if schema_drift.is_due(source_id, source, entity):
                    pull.check_schema()
                if pull.resume():
                    log.info("%s.%s: finished an interrupted read, now reading new changes", source_id, entity)
                reason = (
                    ""
                    if until
                    else batches.full_refresh_reason(connection, source_id, entity) or pull.lost_deletions_reason(upper)
                )
                if reason:
                    log.info("%s.%s: reading everything again: %s", source_id, entity, reason)
                is_always_full = not until and source.is_always_full(entity)
                pull.start(until=upper, since=lower, full=full or is_always_full or bool(reason))
    except NotOffered as error:
        if availability.was_read(source_id, entity):
            raise
        log.info("%s.%s: %s", source_id, entity, error.message)
        return Extracted(source_id, entity, note=error.message)
    except QuotaExhausted as error:
        # Not a failure: landed rows are validated and merged, and a run after that time resumes at the next page.
        log.warning("%s.%s: %s", source_id, entity, error.message)
        return Extracted(source_id, entity, note=error.message, is_partial=True)
    seconds = time.monotonic() - started
    rate = f", {pull.n_rows / seconds:,.0f} a second" if pull.n_rows >= 1000 else ""
    log.info("%s.%s: %s rows landed in %.1f s%s", source_id, entity, f"{pull.n_rows:,}", seconds, rate)
    return Extracted(source_id, entity, pull.n_rows, pull.n_batches, round(seconds, 3))


def extract_each(source_id: str, entities: Iterable[str], **how: Any) -> list[Extracted]:
    """Land several entities, one after the other.

    Args:
        source_id: Connection id, listed in the settings.
        entities: Names; entities that the source does not have are skipped with a note.
        **how: As for ``extract``.

    Raises:
        Exception: The first error, after the other entities were read. If the source does not respond, reading stops
            there.
    """
    found, errors = _extract_all(source_id, entities, **how)
    if errors:
        raise errors[0]
    return found


def validate(source_id: str, run_id: str = "") -> Validated:
    """Validate all landed batches that were not validated yet, in one Great Expectations process."""
    with source_failures.recorded(source_id, "validate", run_id=run_id):
        with engine("loader").connect() as connection:
            waiting = [batch for batch in batches.queue(connection, source_id) if batch.validated_at is None]
        if not any(batch.needs_validation for batch in waiting):
            return Validated(n_batches=len(waiting))
        # Imported only if there is something to validate: Great Expectations costs seconds and 200 MB.
        from include.contracts import validate as contracts

        judged = contracts.validate(source_id, run_id=run_id)
        for each in judged:
            if each.n_quarantined:
                log.info("%s.%s: %s of %s rows quarantined", source_id, each.entity, each.n_quarantined, each.n_rows)
            if each.hold_reason:
                log.warning("%s.%s: batch %s is held: %s", source_id, each.entity, each.batch_id, each.hold_reason)
        return Validated(
            n_batches=len(judged),
            n_rows=sum(each.n_rows for each in judged),
            n_quarantined=sum(each.n_quarantined for each in judged),
            held=tuple(each.batch_id for each in judged if each.hold_reason),
        )


def merge(source_id: str, run_id: str = "") -> Merged:
    """Merge the validated batches of a source."""
    with source_failures.recorded(source_id, "merge", run_id=run_id):
        raw_tables.ensure_raw_tables()
        merged = merging.merge(source_id)
    log.info("%s: %s rows merged, %s unchanged", source_id, f"{merged.n_merged:,}", f"{merged.n_unchanged:,}")
    return merged


def publish(source_id: str) -> Verdict:
    """Write and return the verdict on a source, whatever the outcome of its run."""
    absent = availability.refused(source_id)
    verdict = verdicts.publish(source_id, [name for name in _entities(source_id) if name not in absent])
    from include.contracts import source_checks

    source_checks.check(source_id)
    return verdict


def run(
    source_id: str,
    *,
    only: Iterable[str] = (),
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    full: bool = False,
    run_id: str = "",
) -> Verdict:
    """Extract, validate, merge and publish one source.

    If one entity fails, the others are still read. If the source does not respond, reading stops there.

    Args:
        source_id: Connection id, listed in the settings.
        only: Names of entities; all of the source's by default.
        since: As for ``extract``.
        until: As for ``extract``.
        full: As for ``extract``.
        run_id: For the record.

    Raises:
        Exception: The first error, after everything else is done and published.
    """
    _check_bounds(until, full)
    names = _selected(source_id, tuple(only))
    _, errors = _extract_all(source_id, names, since=since, until=until, full=full, run_id=run_id)
    # Landed rows are validated and merged even if another entity failed. The verdict is published in any case.
    for step in (validate, merge):
        try:
            step(source_id, run_id)
        except Exception as error:
            errors.append(error)
            break
    for last in (history_backfill.backfill, publish) if not errors else (publish,):
        try:
            last(source_id)
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return next(each for each in verdicts.verdicts() if each.source == source_id and not each.entity)


def sources_named(name: str) -> tuple[str, ...]:
    """Return the ids of the sources that a name means: the source with that id, or else all of that kind.

    Raises:
        ConfigError: There is no such source.
    """
    settings = load()
    if not settings.source(name) and (found := settings.of_kind(name)):
        return tuple(each.id for each in found)
    return (settings.listed(name).id,)


def accept(batch_id: int, *, reason: str, by: str = "") -> Verdict:
    """Accept and merge a held batch, and the batches behind it."""
    batch = held_batches.accept(batch_id, reason=reason, by=by or user.user())
    merge(batch.source)
    return publish(batch.source)


def drop(batch_id: int, *, reason: str, by: str = "") -> list[Batch]:
    """Drop a batch and all behind it. The next run reads them again."""
    dropped = held_batches.drop(batch_id, reason=reason, by=by or user.user())
    publish(dropped[0].source)
    return dropped


def _extract_all(source_id: str, names: Iterable[str], **how: Any) -> tuple[list[Extracted], list[Exception]]:
    found: list[Extracted] = []
    errors: list[Exception] = []
    for entity in names:
        try:
            found.append(extract(source_id, entity, **how))
        except Exception as error:
            log.error("%s.%s: %s", source_id, entity, source_failures.as_perennial_error(error).message)
            errors.append(error)
            if isinstance(error, Unavailable) or not isinstance(error, PerennialError):
                break
    return found, errors


def _selected(source_id: str, only: tuple[str, ...]) -> tuple[str, ...]:
    known = _entities(source_id)
    unknown = [name for name in only if name not in known]
    if unknown:
        raise ConfigError(f"{source_id} has no entity {unknown[0]}", cure=f"available: {', '.join(known)}")
    return only or known


def _connect(source_id: str) -> Source:
    return registry.connect(connections.get(source_id))


def _entities(source_id: str) -> tuple[str, ...]:
    """Return a source's entities. If its connection is broken, return those with a verdict and those not optional."""
    settings = load().listed(source_id)
    try:
        return _connect(source_id).entities()
    except PerennialError:
        judged = availability.judged(source_id)
        return tuple(each.name for each in of_kind(settings.kind) if each.name in judged or not each.is_optional)


def _check_bounds(until: datetime | str | None, full: bool) -> None:
    if full and until:
        raise ConfigError(
            "--full and --until cannot be combined: records created after --until would be marked as deleted",
            cure="remove one of them",
        )


def _moment(value: datetime | str | None, option: str) -> datetime | None:
    if not value:
        return None
    if isinstance(value, str):
        return clock.parse_time(value, option)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
