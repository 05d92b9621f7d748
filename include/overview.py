"""How everything stands, for the page inside Airflow: read-only, counts and causes, nothing that names a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from include.warehouse.engine import engine

Rows = list[dict[str, Any]]

# Each of them small, however large the history: the newest, the open, or counts.
QUERIES = {
    "sources": """
        select source, kind, state, reason, cure, watermark, since, checked_at
        from meta.verdict where entity = '' order by source""",
    "held": """
        select batch_id, source, entity, n_rows, held_because, opened_at,
               (select count(*) from meta.batch as queued
                where queued.source = held.source and queued.entity = held.entity
                  and queued.batch_id > held.batch_id and queued.state in ('landing', 'closed', 'held')) as n_queued
        from meta.batch as held where state = 'held' order by batch_id""",
    "quarantine": """
        select source, entity, rule_id, count(*) as n_rows, min(reason) as example, min(quarantined_at) as since
        from quarantine.record where state = 'open' group by source, entity, rule_id
        order by count(*) desc, source, entity, rule_id limit 50""",
    "builds": """
        select build_id, kind, state, window_start, window_end, started_at, finished_at,
               (select count(*) from meta.build_model as model where model.build_id = build.build_id) as n_models,
               (select count(*) from meta.check_result as result
                where result.build_id = build.build_id and n_bad > 0) as n_warnings
        from meta.build as build order by started_at desc limit 5""",
    "channels": "select channel, is_held, reason, changed_at from ops.channel order by channel",
    "outbox": """
        select channel, state, count(*) as n, max(coalesce(settled_at, planned_at)) as newest
        from ops.outbox group by channel, state order by channel, state""",
    "uncertain": """
        select outbox_id, channel, account_key, rule, step, deadline, because, sending_at
        from ops.outbox where state = 'uncertain' order by deadline nulls last, outbox_id limit 50""",
}


@dataclass(frozen=True)
class Overview:
    """How everything stands; each field holds the rows of the query of its name."""

    sources: Rows
    held: Rows
    quarantine: Rows
    builds: Rows
    channels: Rows
    outbox: Rows
    uncertain: Rows


def read() -> Overview:
    """Return how everything stands, all of it as of one moment."""
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        return Overview(
            **{
                name: [dict(row) for row in connection.execute(sa.text(query)).mappings()]
                for name, query in QUERIES.items()
            }
        )
