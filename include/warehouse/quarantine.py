"""Rows that broke a rule: kept with rule, reason and row until a good version of the record comes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include import clock
from include.sources.entities import ENTITIES
from include.warehouse.batches import Batch

# Beyond so many rows per batch and rule only ids are kept: every row counts, not every body is worth its space.
BODIES_KEPT = 1000
_MASK = "***"


def clear(connection: Connection, batch: Batch) -> None:
    """Forget what an earlier validation of this batch found."""
    connection.execute(sa.text("delete from quarantine.record where batch_id = :id"), {"id": batch.batch_id})
    connection.execute(sa.text(f"update raw.{batch.table_name} set _failed = null where _failed is not null"))  # noqa: S608


def put(connection: Connection, batch: Batch, *, rule_id: str, reason: str, bad_rows: str) -> int:
    """Quarantine rows of a batch: they will not be merged.

    Args:
        connection: In a transaction.
        batch: A closed batch with a table.
        rule_id: The rule that they break.
        reason: What is wrong with such rows, as a sentence.
        bad_rows: A query that returns their ``_row``. Deleted records are let through whatever it says.

    Returns:
        How many rows.
    """
    entity = ENTITIES[batch.entity]
    account = f"bad.{entity.account_column}" if entity.account_column else "null"
    # A colon in the query (a cast, a pattern) is no parameter of ours.
    query = bad_rows.strip().rstrip(";").replace(":", r"\:")
    names = {"table": f"raw.{batch.table_name}", "account": account, "bad_rows": query}
    values = {
        "batch_id": batch.batch_id,
        "source": batch.source,
        "entity": batch.entity,
        "rule_id": rule_id,
        "reason": reason,
        "kept": BODIES_KEPT,
        "now": clock.now(),
    }
    return connection.execute(sa.text(_PUT.format(**names)), values).rowcount


def count_rows(connection: Connection, batch: Batch) -> int:
    """Return how many rows of a batch break at least one critical rule."""
    if not batch.table_name:
        return 0
    query = f"select count(*) from raw.{batch.table_name} where _failed is not null"  # noqa: S608
    return int(connection.execute(sa.text(query)).scalar_one())


def open_by_rule(connection: Connection) -> list[RowMapping]:
    """Return the open rows per source, entity and rule, most first."""
    rows = connection.execute(
        sa.text(
            "select source, entity, rule_id, count(*) as n_rows, min(quarantined_at) as since from quarantine.record"
            " where state = 'open' group by 1, 2, 3 order by n_rows desc, source, entity, rule_id"
        )
    )
    return list(rows.mappings())


def of_batch(connection: Connection, batch_id: int, limit: int = 20) -> list[dict[str, Any]]:
    """Return quarantined rows of a batch as they may be shown: values that identify a person are masked."""
    rows = connection.execute(
        sa.text(
            "select entity, rule_id, record_id, account_ref, reason, state, record from quarantine.record"
            " where batch_id = :id order by rule_id, row_no limit :n"
        ),
        {"id": batch_id, "n": limit},
    )
    return [dict(row) | {"record": masked(row["entity"], row["record"])} for row in rows.mappings()]


def masked(entity: str, record: dict[str, Any] | None) -> dict[str, Any]:
    """Return the mapped columns of a row, those that identify a person masked; never its payload."""
    known = ENTITIES[entity]
    shown = {name: value for name, value in (record or {}).items() if name in known.column_names and value is not None}
    return {name: _MASK if name in known.sensitive else value for name, value in shown.items()}


_PUT = """
with bad as (
    update {table} as landed
    set _failed = array_append(_failed, cast(:rule_id as text))
    where not landed._is_deleted and landed._row in (select found._row from ({bad_rows}) as found)
    returning landed.*
)
insert into quarantine.record
    (batch_id, row_no, source, entity, record_id, account_ref, source_at, rule_id, reason, record, quarantined_at)
select
    :batch_id, _row, :source, :entity, left(id, 255), left({account}, 255), _source_at, :rule_id,
    case when _problems is null then :reason else :reason || ': ' || array_to_string(_problems, ', ') end,
    case when row_number() over (order by _row) <= :kept then to_jsonb(bad) - '_failed' end,
    :now
from bad
on conflict (batch_id, rule_id, row_no) do nothing
"""
