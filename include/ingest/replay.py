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
from include.ingest.quarantine import RowFilter
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


def replay(row_filter: RowFilter, *, run_id: str = "") -> Replayed:
    """Validate quarantined rows again by the current rules, and merge the rows that pass.

    Only quarantined rows are affected: the newest bad version of each record, as it was landed. A newer good version
    that was merged in the meantime stays. If the process is killed, the next replay or ingest of the source continues.

    Args:
        row_filter: The rows to replay.
        run_id: For the record.

    Raises:
        ConfigError: No such row is in quarantine.
        Unavailable: A read of the entity is unfinished.
    """
    with engine("reader").connect() as connection:
        groups = connection.execute(_GROUPS, vars(row_filter)).all()
    if not groups:
        raise ConfigError(
            "no quarantined row matches", cure="`python -m include.cli quarantine list` lists the rows in quarantine"
        )
    batch_ids: list[int] = []
    for source, entity, vendor in groups:
        batch_ids += _refill(row_filter, source, vendor, entity, run_id)
    for source in dict.fromkeys(group.source for group in groups):
        pipeline.validate(source, run_id)
        pipeline.merge(source, run_id)
        pipeline.publish(source)
    return _result(row_filter, batch_ids)


def waive(row_filter: RowFilter, *, reason: str, by: str, until: datetime, run_id: str = "") -> tuple[int, Replayed]:
    """Accept rows until a day although they fail a rule: those in quarantine and future ones.

    Returns:
        The waiver's number, and the result for the quarantined rows.

    Raises:
        ConfigError: There is no such rule, or the waiver is incomplete; see ``quarantine.waive``.
    """
    if row_filter.rule:
        catalogue.named(row_filter.rule)
    waiver_id = quarantine.waive(row_filter, reason=reason, by=by or user.user(), until=until)
    if not any(row["state"] == "open" for row in quarantine.listing(row_filter)):
        return waiver_id, Replayed()
    return waiver_id, replay(row_filter, run_id=run_id)


def drop(row_filter: RowFilter, *, reason: str, by: str = "") -> int:
    return quarantine.drop(row_filter, reason=reason, by=by or user.user())


def _refill(row_filter: RowFilter, source: str, vendor: str, entity: str, run_id: str) -> list[int]:
    """Put rows into a closed batch for validation. A batch that an earlier call made is resumed."""
    with batches.reading(source, entity) as connection, connection.begin():
        waiting = connection.execute(_WAITING, {"source": source, "entity": entity}).scalars().all()
        if waiting:
            return list(waiting)
        batch = batches.open_replay(connection, source, vendor, entity, run_id)
        table = landing.create_batch_table(connection, batch, ENTITIES[entity])
        values = vars(row_filter) | {"source": source, "entity": entity}
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


def _result(row_filter: RowFilter, batch_ids: list[int]) -> Replayed:
    with engine("reader").connect() as connection:
        found = connection.execute(_RESULT, vars(row_filter) | {"ids": batch_ids}).mappings().one()
    return Replayed(**found, batches=tuple(batch_ids))


_MATCHES = """(:rule = '' or rule_id = :rule) and (:source = '' or record.source = :source)
        and (:record = '' or record_id = :record) and (:entity = '' or record.entity = :entity)"""

_GROUPS = sa.text(
    f"""
    select distinct record.source, record.entity, batch.vendor
    from quarantine.record
    join meta.batch as batch using (batch_id)
    where record.state in ('open', 'waived') and {_MATCHES}
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
        where record is not null and state in ('open', 'waived') and {_MATCHES}
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
            where record is null and state = 'open' and {_MATCHES}
        ) as n_without_row
    from meta.batch
    where batch_id = any(:ids)
    """  # noqa: S608
)
