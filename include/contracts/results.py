"""Report the results of rules over time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.common import clock
from include.warehouse.engine import engine


def trend(rule_id: str, days: int = 30) -> list[dict[str, Any]]:
    """Return the rows that a rule checked and the rows that broke it, per source and day."""
    with engine("reader").connect() as connection:
        rows = connection.execute(_TREND, {"rule": rule_id, "now": clock.now(), "days": days})
        return [dict(row) for row in rows.mappings()]


_TREND = sa.text(
    """
    select cast(result.checked_at at time zone 'UTC' as date) as day, batch.source, count(*) as n_batches,
        cast(sum(result.n_rows) as bigint) as n_rows, cast(sum(result.n_bad) as bigint) as n_bad,
        round(sum(result.n_bad) / greatest(sum(result.n_rows), 1), 4) as share
    from meta.rule_result as result, meta.batch as batch
    where result.batch_id = batch.batch_id and result.rule_id = :rule
        and result.checked_at > cast(:now as timestamptz) - :days * interval '1 day'
    group by 1, 2 order by 1, 2
    """
)
