"""Compare the warehouse with the source's own records, and fix the differences.

New changes are read first, so only real differences remain. If the source counts cheaply and the counts are equal, the
comparison ends there; otherwise ids are compared. A difference is fixed by the same full read as ``ingest SOURCE
--full``: it merges the records that it finds and marks all others as deleted. If that deletes more than a contract
allows at once, the batch is held.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, cast

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock, connections
from include.common.errors import ConfigError, PerennialError
from include.config import load
from include.connectors import registry
from include.connectors.base import Listed, Source
from include.entities.catalog import ENTITIES, raw_table
from include.gate import source_failures
from include.ingest import batches, pipeline, suppression
from include.warehouse.engine import engine

log = logging.getLogger(__name__)

State = Literal["equal", "resolved", "held", "failed"]
Method = Literal["counts", "ids", "full read", ""]
_SHOWN = 5
# Tolerance for a source clock that is ahead of ours.
_AHEAD = timedelta(hours=1)


@dataclass(frozen=True)
class Reconciled:
    """Result of reconciling one entity of a source.

    Args:
        entity: Name of the entity.
        state: ``equal``: no difference. ``resolved``: a difference was fixed. ``held``: the batch that would fix it is
            held. ``failed``: the comparison or the fix failed.
        compared_by: The method of comparison.
        n_source: Records in the source; None if they were not counted.
        n_raw: Records in the warehouse afterwards, without deleted ones.
        n_missing: Records that the warehouse lacked.
        n_gone: Records that the source no longer has, but that the warehouse did not know to be deleted.
        note: Details or advice for a person.
    """

    source: str
    entity: str
    state: State
    compared_by: Method = ""
    n_source: int | None = None
    n_raw: int | None = None
    n_missing: int | None = None
    n_gone: int | None = None
    note: str = ""


def sources_to_reconcile(source: str = "", entities: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the ids of the sources to reconcile.

    Args:
        source: A source's id, or a kind of source; all by default.
        entities: Without a source, only sources of a kind that has one of these.

    Raises:
        ConfigError: There is no such source or entity.
    """
    wanted = tuple(entities)
    unknown = next((name for name in wanted if name not in ENTITIES), None)
    if unknown:
        raise ConfigError(f"unknown entity {unknown}", cure=f"known: {', '.join(ENTITIES)}")
    if source:
        return pipeline.sources_named(source)
    kinds = {ENTITIES[name].kind for name in wanted}
    return tuple(each.id for each in load().sources if not kinds or each.kind in kinds)


def run(source_id: str, only: Iterable[str] = (), *, run_id: str = "") -> list[Reconciled]:
    """Reconcile one source, and publish its verdict.

    If one entity fails, the others are still reconciled.

    Args:
        source_id: Connection id, listed in the settings.
        only: Names of entities; all of the source's by default.
        run_id: For the record.

    Raises:
        PerennialError: The connection is wrong.
    """
    source = registry.connect(connections.get(source_id))
    unknown = [name for name in only if name not in source.entities()]
    if unknown:
        raise ConfigError(f"{source_id} has no entity {unknown[0]}", cure=f"available: {', '.join(source.entities())}")
    found = {entity: Reconciled(source_id, entity, "equal") for entity in tuple(only) or source.entities()}

    def extract(entity: str, full: bool) -> None:
        try:
            extracted = pipeline.extract(source_id, entity, run_id=run_id, full=full)
        except Exception as error:
            found[entity] = _failed(found[entity], error)
            return
        if extracted.note:
            # A quota is used up, or the source does not offer the entity.
            found[entity] = replace(found[entity], state="failed", note=extracted.note)

    for entity in found:
        extract(entity, full=False)
    _validate_and_merge(source_id, run_id)
    for entity, each in found.items():
        if each.state != "failed":
            found[entity] = _compare(source, each)
    differing = [entity for entity, each in found.items() if each.state == "resolved"]
    for entity in differing:
        extract(entity, full=True)
    _validate_and_merge(source_id, run_id)
    pipeline.publish(source_id)
    reports = [_outcome(source, each) if each.entity in differing else each for each in found.values()]
    _store(reports)
    for each in reports:
        log.info(
            "%s.%s: %s by %s; %s in the source, %s in the warehouse, %s missing, %s gone %s",
            each.source, each.entity, each.state, each.compared_by, each.n_source, each.n_raw, each.n_missing,
            each.n_gone, each.note,
        )  # fmt: skip
    return reports


def _validate_and_merge(source_id: str, run_id: str) -> None:
    pipeline.validate(source_id, run_id)
    pipeline.merge(source_id, run_id)


def _failed(report: Reconciled, error: Exception) -> Reconciled:
    failure = source_failures.as_perennial_error(error)
    log.error("%s.%s: %s", report.source, report.entity, failure.message)
    return replace(report, state="failed", note=f"{failure.message}; {failure.cure}".strip("; "))


def _compare(source: Source, report: Reconciled) -> Reconciled:
    """Return the report with the differences. Here ``resolved`` means that a difference is still to be fixed."""
    with engine("loader").connect() as connection:
        raw = _Raw(connection, source, report)
        if held := raw.held():
            return replace(report, state="held", note=_held_note(held))
        try:
            counts = source.counts(report.entity)
            if counts is not None and (by_counts := raw.against_counts(counts)).state == "equal":
                return by_counts
            ids = source.ids(report.entity)
            if ids is not None:
                return raw.against_ids(ids)
            return by_counts if counts is not None else replace(report, state="resolved", compared_by="full read")
        except PerennialError as error:
            return _failed(report, error)


class _Raw:
    """The warehouse's records of one entity."""

    def __init__(self, connection: Connection, source: Source, report: Reconciled) -> None:
        self._connection, self._report = connection, report
        self._table = f"raw.{raw_table(source.vendor, report.entity)}"
        self._names = {"source": report.source, "entity": report.entity}

    def held(self) -> int | None:
        """Return the held batch that blocks all batches behind it, if there is one."""
        waiting = batches.queue(self._connection, self._report.source, self._report.entity)
        self._connection.commit()
        return next((batch.batch_id for batch in waiting if batch.state == "held"), None)

    def against_counts(self, counts: dict[str, int]) -> Reconciled:
        """Compare record counts."""
        own = self._counts(by_day=counts.keys() != {""} and bool(counts))
        if "" not in counts:
            # Compare only days that are complete and in the loaded range: a first load goes back only so far.
            first, until = min(own, default=""), self._read_until()
            today = f"{until:%Y-%m-%d}" if until else ""
            counts = {day: n for day, n in counts.items() if first <= day < today}
            own = {day: n for day, n in own.items() if day < today}
        differences = [counts.get(part, 0) - own.get(part, 0) for part in counts.keys() | own.keys()]
        return replace(
            self._report,
            state="resolved" if any(differences) else "equal",
            compared_by="counts",
            n_source=sum(counts.values()),
            n_raw=sum(own.values()),
            n_missing=sum(n for n in differences if n > 0),
            n_gone=-sum(n for n in differences if n < 0),
        )

    def against_ids(self, pages: Iterator[list[Listed]]) -> Reconciled:
        """Compare ids in a temporary table of this session, so memory use does not grow with their number."""
        execute = self._connection.execute
        erased = suppression.load(self._connection)  # the source may still have them; they are never loaded again
        execute(sa.text("create temporary table listed (id text, at timestamptz)"))
        self._connection.commit()
        try:
            for page in pages:
                driver = cast(psycopg.Connection, self._connection.connection.driver_connection)
                with driver.cursor() as cursor, cursor.copy("copy listed (id, at) from stdin") as copy:
                    for row in page:
                        if not (erased.hashes and erased.has(self._names["source"], self._names["entity"], row[0])):
                            copy.write_row(row)
                self._connection.commit()
            execute(sa.text("analyze listed"))
            values = self._names | {"read_until": self._read_until(), "ahead": clock.now() + _AHEAD}
            row = execute(sa.text(_DIFFERENCE.format(raw=self._table)), values).one()
        finally:
            self._connection.rollback()
            execute(sa.text("drop table if exists listed"))
            self._connection.commit()
        named = ", ".join([*(row.missing or [])[:_SHOWN], *(row.gone or [])[:_SHOWN]])
        return replace(
            self._report,
            state="resolved" if row.n_missing or row.n_gone else "equal",
            compared_by="ids",
            n_source=row.n_source,
            n_raw=row.n_raw,
            n_missing=row.n_missing,
            n_gone=row.n_gone,
            note=f"for example {named}" if named else "",
        )

    def count(self) -> int:
        """Return how many records are stored and not deleted."""
        return sum(self._counts(by_day=False, with_quarantine=False).values())

    def _counts(self, by_day: bool, with_quarantine: bool = True) -> dict[str, int]:
        """Return the counts by part. Quarantined rows are included: they were read, so they are not missing."""
        part, bad_part = ("cast(day as text)", "record ->> 'day'") if by_day else ("''", "''")
        query = _COUNTS.format(raw=self._table, part=part, bad_part=bad_part)
        rows = self._connection.execute(sa.text(query), self._names | {"with_quarantine": with_quarantine})
        return {str(name): int(n) for name, n in rows if name is not None}

    def _read_until(self) -> datetime | None:
        found = self._connection.execute(
            sa.text("select read_until from meta.cursor where source = :source and entity = :entity"), self._names
        )
        return cast("datetime | None", found.scalar_one_or_none())


def _outcome(source: Source, report: Reconciled) -> Reconciled:
    """Return the final report of an entity that was read in full."""
    if report.state == "failed":
        return report
    names = {"source": report.source, "entity": report.entity}
    with engine("loader").connect() as connection:
        raw = _Raw(connection, source, report)
        if held := raw.held():
            return replace(report, state="held", note=_held_note(held))
        query = _READ.format(raw=f"raw.{raw_table(source.vendor, report.entity)}")
        read = connection.execute(sa.text(query), names).one()
        n_raw = raw.count()
    if report.compared_by != "full read":
        recheck = _compare(source, report) if report.n_missing else report
        if recheck.compared_by == "ids" and recheck.state == "resolved" and recheck is not report and recheck.n_missing:
            note = f"{recheck.n_missing} are still missing after a full read: {recheck.note}"
            return replace(report, state="failed", n_raw=n_raw, n_missing=recheck.n_missing, note=note)
        return replace(report, n_raw=n_raw)
    state: State = "resolved" if read.n_new or read.n_deleted else "equal"
    return replace(report, state=state, n_source=n_raw, n_raw=n_raw, n_missing=read.n_new, n_gone=read.n_deleted)


def _held_note(batch_id: int) -> str:
    return f"batch {batch_id} is held: see `batch show {batch_id}`, then accept or drop it and reconcile again"


def _store(reports: list[Reconciled]) -> None:
    with engine("loader").begin() as connection:
        for each in reports:
            connection.execute(_WRITE, asdict(each) | {"now": clock.now()})


_DIFFERENCE = """
with listed_once as (
    select id, max(at) as at from listed group by id
),
stored as (
    select id from {raw} where source = :source and not _is_deleted
),
missing as (
    select id from listed_once
    where not exists (select from stored where stored.id = listed_once.id)
        -- Rows younger than the last read belong to the next one; rows dated in the future would belong to none.
        and (at is null or at <= cast(:read_until as timestamptz) or at > cast(:ahead as timestamptz))
        and not exists (
            select from quarantine.record as bad
            where bad.source = :source and bad.entity = :entity and bad.record_id = listed_once.id
                and (
                    bad.state = 'open'
                    -- This version stays out, as somebody has decided.
                    or (bad.state = 'dropped' and (at > bad.source_at) is not true)
                )
        )
),
gone as (
    select id from stored where not exists (select from listed_once where listed_once.id = stored.id)
)
select
    (select count(*) from listed_once) as n_source,
    (select count(*) from stored) as n_raw,
    (select count(*) from missing) as n_missing,
    (select count(*) from gone) as n_gone,
    (select array_agg(id) from (select id from missing order by id limit 5) as few) as missing,
    (select array_agg(id) from (select id from gone order by id limit 5) as few) as gone
"""

_COUNTS = """
select part, sum(n) from (
    select {part} as part, count(*) as n from {raw} where source = :source and not _is_deleted group by 1
    union all
    select {bad_part}, count(distinct record_id)
    from quarantine.record as bad
    where bad.source = :source and bad.entity = :entity and bad.state = 'open' and :with_quarantine
        and not exists (
            select from {raw} as stored
            where stored.source = :source and stored.id = bad.record_id and not stored._is_deleted
        )
    group by 1
) as parts
group by part
"""

# Records that the last full read added and marked as deleted.
_READ = """
with read as (
    select batch_id, n_deleted from meta.batch
    where coalesce(read_id, batch_id) = (
        select max(coalesce(read_id, batch_id)) from meta.batch
        where source = :source and entity = :entity and is_full and state = 'merged'
    )
)
select
    coalesce(sum(n_deleted), 0) as n_deleted,
    (
        select count(*) from {raw}
        where source = :source and _batch_id in (select batch_id from read) and _first_loaded_at = _loaded_at
    ) as n_new
from read
"""

_WRITE = sa.text(
    """
    insert into meta.reconciliation
        (source, entity, state, compared_by, n_source, n_raw, n_missing, n_gone, note, reconciled_at)
    values (:source, :entity, :state, :compared_by, :n_source, :n_raw, :n_missing, :n_gone, :note, :now)
    on conflict (source, entity) do update
    set state = excluded.state, compared_by = excluded.compared_by, n_source = excluded.n_source,
        n_raw = excluded.n_raw, n_missing = excluded.n_missing, n_gone = excluded.n_gone, note = excluded.note,
        reconciled_at = excluded.reconciled_at
    """
)
