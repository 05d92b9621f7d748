"""Rows that broke a rule, as they may be shown: the contracts put them there, a good version mends them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include.sources.entities import ENTITIES

_MASK = "***"


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
