"""Decisions about quarantined rows: validate them again, waive their rule temporarily, or drop them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from include.common import user
from include.common.errors import ConfigError
from include.contracts import catalogue
from include.entities.catalog import ENTITIES
from include.ingest import batches, landing, pipeline, quarantine
from include.ingest.quarantine import Which
from include.warehouse.engine import engine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replayed:
    """Result of validating rows again.

    Args:
        n_rows: Records that were put into batches again.
        n_without_row: Records stored without their values; they must be read again.
        n_merged: Records that are now merged.
        n_waiting: Records that wait behind a held batch.
        n_bad: Records that still fail a rule.
    """

    n_rows: int = 0
    n_without_row: int = 0
    n_merged: int = 0
    n_waiting: int = 0
    n_bad: int = 0
    batches: tuple[int, ...] = ()


def replay(which: Which, *, run_id: str = "") -> Replayed:
    """Validate quarantined rows again by the current rules, and merge the rows that pass.

    Only quarantined rows are affected: the newest bad version of each record, as it was landed. A newer good version
    that was merged in the meantime stays. If the process is killed, the next replay or ingest of the source continues.

    Args:
        which: Which rows.
        run_id: For the record.

    Raises:
        ConfigError: No such row is in quarantine.
        Unavailable: A read of the entity is unfinished.
    """
    with engine("reader").connect() as connection:
        groups = connection.execute(_GROUPS, vars(which)).all()
    if not groups:
        raise ConfigError("no such row is in quarantine", cure="`python -m include.cli quarantine list` shows what is")
    made: list[int] = []
    for source, entity, vendor in groups:
        made += _refill(which, source, vendor, entity, run_id)
    for source in dict.fromkeys(group.source for group in groups):
        pipeline.validate(source, run_id)
        pipeline.merge(source, run_id)
        pipeline.publish(source)
    return _result(which, made)


def waive(which: Which, *, reason: str, by: str, until: datetime, run_id: str = "") -> tuple[int, Replayed]:
    """Accept rows until a day although they fail a rule: those in quarantine and future ones.

    Returns:
        The waiver's number, and the result for the quarantined rows.

    Raises:
        ConfigError: There is no such rule, or the waiver is incomplete; see ``quarantine.waive``.
    """
    if which.rule:
        catalogue.named(which.rule)
    waiver_id = quarantine.waive(which, reason=reason, by=by or user.user(), until=until)
    if not any(row["state"] == "open" for row in quarantine.listing(which)):
        return waiver_id, Replayed()
    return waiver_id, replay(which, run_id=run_id)


def drop(which: Which, *, reason: str, by: str = "") -> int:
    return quarantine.drop(which, reason=reason, by=by or user.user())


def _refill(which: Which, source: str, vendor: str, entity: str, run_id: str) -> list[int]:
    """Put rows into a closed batch for validation. A batch that an earlier call made is resumed."""
    with batches.reading(source, entity) as connection, connection.begin():
        waiting = connection.execute(_WAITING, {"source": source, "entity": entity}).scalars().all()
        if waiting:
            return list(waiting)
        batch = batches.open_replay(connection, source, vendor, entity, run_id)
        table = landing.create_batch_table(connection, batch, ENTITIES[entity])
        values = vars(which) | {"source": source, "entity": entity}
        fill = sa.text(_FILL.format(table=table))
        n_rows = connection.execute(fill, values).rowcount
        if not n_rows:
            # All of them were stored without their values.
            connection.execute(sa.text(f"drop table raw.{table}"))
            connection.execute(sa.text("delete from meta.batch where batch_id = :id"), {"id": batch.batch_id})
            return []
        connection.execute(_FILLED, {"id": batch.batch_id, "table": table, "n": n_rows})
        batches.close(connection, batch, position=batch.position, read_until=batch.read_from)
        connection.execute(sa.text(f"analyze raw.{table}"))
        return [batch.batch_id]


def _result(which: Which, made: list[int]) -> Replayed:
    with engine("reader").connect() as connection:
        found = connection.execute(_RESULT, vars(which) | {"ids": made}).mappings().one()
    return Replayed(**found, batches=tuple(made))


_MEANT = """(:rule = '' or rule_id = :rule) and (:source = '' or record.source = :source)
        and (:record = '' or record_id = :record) and (:entity = '' or record.entity = :entity)"""

_GROUPS = sa.text(
    f"""
    select distinct record.source, record.entity, batch.vendor
    from quarantine.record
    join meta.batch as batch using (batch_id)
    where record.state in ('open', 'waived') and {_MEANT}
    order by 1, 2
    """  # noqa: S608
)
_WAITING = sa.text(
    "select batch_id from meta.batch where source = :source and entity = :entity and is_replay"
    " and state in ('closed', 'held') order by batch_id"
)
# The newest bad version of each record, with its values as landed. Requeued rows are excluded: they will be read again.
_FILL = f"""
    insert into raw.{{table}}
    select made.*
    from (
        select distinct on (coalesce(nullif(trim(record_id), ''), cast(quarantine_id as text)))
            record || jsonb_build_object('_row', row_number() over (order by quarantine_id), '_failed', null) as landed
        from quarantine.record
        where record is not null and state in ('open', 'waived') and {_MEANT}
        order by coalesce(nullif(trim(record_id), ''), cast(quarantine_id as text)),
            source_at desc nulls last, quarantine_id desc
    ) as newest,
    lateral jsonb_populate_record(cast(null as raw.{{table}}), newest.landed) as made
"""  # noqa: S608
_FILLED = sa.text("update meta.batch set table_name = :table, n_rows = :n where batch_id = :id")
_RESULT = sa.text(
    f"""
    select
        coalesce(sum(n_rows), 0) as n_rows,
        coalesce(sum(n_rows - n_quarantined) filter (where state = 'merged'), 0) as n_merged,
        coalesce(sum(n_rows) filter (where state <> 'merged'), 0) as n_waiting,
        coalesce(sum(n_quarantined), 0) as n_bad,
        (
            select count(distinct record_id) from quarantine.record
            where record is null and state = 'open' and {_MEANT}
        ) as n_without_row
    from meta.batch
    where batch_id = any(:ids)
    """  # noqa: S608
)
