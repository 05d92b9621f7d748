"""Shorthands for the tests of landing and merging."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.sources.base import Page, Record
from include.warehouse import batches, loader, merge
from include.warehouse.batches import Batch
from include.warehouse.engine import engine

START = datetime(2026, 1, 1, tzinfo=UTC)


def record(id: str, at: float | None = 0, *, is_deleted: bool = False, **values: Any) -> Record:
    """A record whose source clock is ``at`` seconds after START."""
    source_at = None if at is None else START + timedelta(seconds=at)
    payload = {"id": id} | {name: str(value) for name, value in values.items()}
    return Record(id, values, payload, source_at, is_deleted)


def land(
    *records: Record,
    source: str = "crm",
    vendor: str = "hubspot",
    entity: str = "account",
    is_last: bool = True,
    position: Any = 1,
    read_until: datetime = START,
    **read: Any,
) -> Batch:
    """Land one page, which is the last of its read unless told otherwise."""
    with batches.reading(source, entity) as connection:
        batch = batches.open_or_resume(connection, source, vendor, entity, until=read.pop("until", START), **read)
        page = Page(
            list(records),
            {"mark": position},
            {"position": position} if is_last else None,
            read_until if is_last else None,
        )
        return loader.land_page(connection, batch, page)


def judge(batch: Batch, *bad_ids: str, rule: str = "test.rule") -> None:
    """Mark a batch validated, the rows of some ids as bad."""
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text("update meta.batch set validated_at = now() where batch_id = :id"), {"id": batch.batch_id}
        )
        if bad_ids:
            connection.execute(
                sa.text(f"update raw.{batch.table_name} set _failed = array[:rule] where id = any(:ids)"),
                {"rule": rule, "ids": list(bad_ids)},
            )
            connection.execute(
                sa.text(
                    "insert into quarantine.record (batch_id, row_no, source, entity, record_id, source_at, rule_id,"
                    " reason, record) select :batch_id, _row, :source, :entity, id, _source_at, :rule, 'bad', '{}'"
                    f" from raw.{batch.table_name} where id = any(:ids)"
                ),
                {
                    "batch_id": batch.batch_id,
                    "source": batch.source,
                    "entity": batch.entity,
                    "rule": rule,
                    "ids": list(bad_ids),
                },
            )


def store(*records: Record, **how: Any) -> merge.Merged:
    """Land, pass and merge one batch."""
    batch = land(*records, **how)
    judge(batch)
    return merge.merge(batch.source, batch.entity)


def rows(query: str, **values: Any) -> list[tuple]:
    """Return the rows of a query."""
    with engine("reader").connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def value(query: str, **values: Any) -> Any:
    """Return the first column of the first row of a query."""
    return rows(query, **values)[0][0]


def tables() -> set[str]:
    """Return the names of the batch tables and tables of seen ids that are there."""
    found = rows(
        "select table_name from information_schema.tables"
        " where table_schema = 'raw' and (table_name like 'batch\\_%' or table_name like 'seen\\_%')"
    )
    return {name for (name,) in found}
