"""Figures on the health of Perennial itself, for a monitoring system such as Prometheus with Grafana."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import sqlalchemy as sa

from include import config
from include.common import clock
from include.gate import verdicts
from include.outbox.store import State
from include.warehouse.engine import engine

AGE, NOT_GREEN = "perennial.source.age_seconds", "perennial.source.not_green"


@dataclass(frozen=True)
class Gauge:
    """A figure at one time.

    Args:
        name: Such as ``perennial.source.age_seconds``. The unit is the last word; without one it is a count.
        tags: Label -> value. Never the name of an account or a person.
    """

    name: str
    value: float
    tags: dict[str, str] = field(default_factory=dict)


def read() -> list[Gauge]:
    """Return all gauges. One without a value yet, such as the age of a source never read, is left out."""
    now = clock.now()
    found = []
    sources = [source.id for source in config.load().sources]
    for verdict in verdicts.verdicts():
        if verdict.source in sources and not verdict.entity:
            tags = {"source": verdict.source}
            found.append(Gauge(NOT_GREEN, float(verdict.state != "green"), tags))
            if verdict.watermark:
                age = (now - verdict.watermark).total_seconds()
                found.append(Gauge(AGE, age, tags))
    bound = {"now": now, "sources": sources, "states": list(get_args(State))}
    with engine("reader").connect() as connection:
        for name, query in _QUERIES.items():
            for row in connection.execute(query, bound).mappings():
                if row["value"] is not None:
                    tags = {label: text for label, text in row.items() if label != "value"}
                    found.append(Gauge(name, float(row["value"]), tags))
    return found


# Each returns a value and its tags, also where the count is 0: monitoring keeps the last value that it received.
_QUERIES = {
    "perennial.batch.held": sa.text("""
        select s.source, count(b.batch_id) as value
        from unnest(cast(:sources as text[])) as s (source)
        left join meta.batch as b on b.source = s.source and b.state = 'held'
        group by s.source
    """),
    "perennial.quarantine.open": sa.text("""
        select s.source, count(r.quarantine_id) as value
        from unnest(cast(:sources as text[])) as s (source)
        left join quarantine.record as r on r.source = s.source and r.state = 'open'
        group by s.source
    """),
    "perennial.incident.open": sa.text("select count(*) as value from meta.incident where state = 'open'"),
    "perennial.build.seconds": sa.text("""
        select extract(epoch from finished_at - started_at) as value
        from meta.build where state = 'done' order by finished_at desc limit 1
    """),
    "perennial.build.age_seconds": sa.text("""
        select extract(epoch from :now - max(finished_at)) as value from meta.build where state = 'done'
    """),
    "perennial.build.failed": sa.text("""
        select cast(state = 'failed' as integer) as value from meta.build order by started_at desc limit 1
    """),
    "perennial.outbox.rows": sa.text("""
        select c.channel, s.state, count(o.outbox_id) as value
        from ops.channel as c
        cross join unnest(cast(:states as text[])) as s (state)
        left join ops.outbox as o on o.channel = c.channel and o.state = s.state
            and (o.resolved_at is null or o.resolved_at > cast(:now as timestamptz) - interval '1 day')
        group by c.channel, s.state
    """),
    "perennial.approval.waiting": sa.text("select count(*) as value from ops.approval where state = 'open'"),
}

NAMES = (AGE, NOT_GREEN, *_QUERIES)
