"""Figures on the health of Perennial itself, for a monitoring system such as Prometheus with Grafana."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from include import config
from include.common import clock
from include.gate import verdicts
from include.warehouse.engine import engine


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


# Name -> what it says, for the documentation and its test.
GAUGES = {
    "perennial.source.age_seconds": "time since a source was last read completely",
    "perennial.source.blocked": "1 if the gate holds back what reads a source, else 0",
    "perennial.batch.held": "batches of a source that wait for a person",
    "perennial.quarantine.open": "quarantined rows of a source that nobody has answered",
    "perennial.incident.open": "problems with data that have not ended",
    "perennial.build.seconds": "duration of the last finished build",
    "perennial.build.age_seconds": "time since the last build finished",
    "perennial.build.failed": "1 if the last build failed, else 0",
    "perennial.outbox.rows": "what is to be sent, by channel and state; in final states the last 24 hours",
    "perennial.approval.waiting": "approvals that nobody has answered",
}


def read() -> list[Gauge]:
    """Return all gauges. One without a value yet, such as the age of a source never read, is left out."""
    now = clock.now()
    found = []
    sources = [source.id for source in config.load().sources]
    for verdict in verdicts.verdicts():
        if not verdict.entity:
            tags = {"source": verdict.source}
            found.append(Gauge("perennial.source.blocked", float(verdict.state != "green"), tags))
            if verdict.watermark:
                age = (now - verdict.watermark).total_seconds()
                found.append(Gauge("perennial.source.age_seconds", age, tags))
    with engine("reader").connect() as connection:
        for name, query in _QUERIES.items():
            for row in connection.execute(query, {"now": now, "sources": sources}).mappings():
                if row["value"] is not None:
                    tags = {label: text for label, text in row.items() if label != "value"}
                    found.append(Gauge(f"perennial.{name}", float(row["value"]), tags))
    return found


# Each returns a value and its tags, also where the count is 0: monitoring keeps the last value that it received.
_QUERIES = {
    "batch.held": sa.text("""
        select s.source, count(b.batch_id) as value
        from unnest(cast(:sources as text[])) as s (source)
        left join meta.batch as b on b.source = s.source and b.state = 'held'
        group by s.source
    """),
    "quarantine.open": sa.text("""
        select s.source, count(r.quarantine_id) as value
        from unnest(cast(:sources as text[])) as s (source)
        left join quarantine.record as r on r.source = s.source and r.state = 'open'
        group by s.source
    """),
    "incident.open": sa.text("select count(*) as value from meta.incident where state = 'open'"),
    "build.seconds": sa.text("""
        select extract(epoch from finished_at - started_at) as value
        from meta.build where state = 'done' order by finished_at desc limit 1
    """),
    "build.age_seconds": sa.text("""
        select extract(epoch from :now - max(finished_at)) as value from meta.build where state = 'done'
    """),
    "build.failed": sa.text("""
        select cast(state = 'failed' as integer) as value from meta.build order by started_at desc limit 1
    """),
    "outbox.rows": sa.text("""
        select c.channel, s.state, count(o.outbox_id) as value
        from ops.channel as c
        cross join unnest(array['planned', 'parked', 'sending', 'sent', 'uncertain', 'failed', 'suppressed', 'expired'])
            as s (state)
        left join ops.outbox as o on o.channel = c.channel and o.state = s.state
            and (o.resolved_at is null or o.resolved_at > cast(:now as timestamptz) - interval '1 day')
        group by c.channel, s.state
    """),
    "approval.waiting": sa.text("select count(*) as value from ops.approval where state = 'open'"),
}
