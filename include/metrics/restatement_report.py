"""List restatements and manual corrections."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.warehouse.engine import engine

RESTATED = ("known_to", "metric_id", "period", "as_of", "grain", "grain_key", "before", "now", "reason")
OVERRIDDEN = (
    "override_id", "metric_id", "period", "as_of", "grain", "grain_key", "value", "computed", "reason", "entered_by",
    "approved_by", "expires_on", "withdrawal_reason",
)  # fmt: skip


def restated(metric_id: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Return the newest restatements, of one metric or of all, newest first."""
    with engine("reader").connect() as connection:
        return [dict(row) for row in connection.execute(_RESTATED, {"id": metric_id, "limit": limit}).mappings()]


def overridden() -> list[dict[str, Any]]:
    """Return all manual corrections with the computed value next to each, newest first."""
    with engine("reader").connect() as connection:
        return [dict(row) for row in connection.execute(_OVERRIDDEN).mappings()]


# The value that replaced a restated one is in the next restatement of the same key, else in the table.
_RESTATED = sa.text(
    """
    select r.known_to, r.metric_id, r.metric_version, r.period, r.as_of, r.grain, r.grain_key, r.value as before,
        case when n.restatement_id is not null then n.value else v.value end as now, r.reason, r.build_id
    from meta.kpi_restatement as r
    left join lateral (
        select restatement_id, value from meta.kpi_restatement as n
        where n.restatement_id > r.restatement_id
            and (n.metric_id, n.metric_version, n.period, n.as_of, n.grain, n.grain_key)
            = (r.metric_id, r.metric_version, r.period, r.as_of, r.grain, r.grain_key)
        order by restatement_id limit 1
    ) as n on true
    left join marts.kpi_value as v using (metric_id, metric_version, period, as_of, grain, grain_key)
    where :id = '' or r.metric_id = :id
    order by r.restatement_id desc
    limit :limit
    """
)
_OVERRIDDEN = sa.text(
    """
    select o.*, v.value as computed
    from meta.kpi_override as o
    left join lateral (
        select value from marts.kpi_value as v
        where (v.metric_id, v.period, v.as_of, v.grain, v.grain_key)
            = (o.metric_id, o.period, o.as_of, o.grain, o.grain_key)
        order by metric_version desc limit 1
    ) as v on true
    order by override_id desc
    """
)
