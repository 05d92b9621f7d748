"""Check the rules on a source over time, at the end of every ingest run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.common import clock
from include.contracts import catalogue, files
from include.contracts.freshness import COMPLETELY_READ
from include.contracts.limits import LAST_EVENT_HOURS
from include.contracts.rule import Rule
from include.gate import verdicts as gate
from include.warehouse.engine import engine


def check(source: str) -> None:
    """Check each entity of a source: is it read up to now, and is it still active.

    Args:
        source: Connection id. Its verdicts must already be written.
    """
    now = clock.now()
    verdicts = [each for each in gate.verdicts() if each.source == source and each.entity]
    with engine("loader").begin() as connection:
        newest = {row.entity: row.newest_at for row in connection.execute(_NEWEST, {"source": source})}
        for verdict in verdicts:
            for each in catalogue.of_entity(verdict.entity):
                if each.scope == "source":
                    found = _found(each, verdict, newest.get(verdict.entity), now)
                    connection.execute(_WRITE, found | {"source": source, "entity": verdict.entity, "now": now})


def _found(each: Rule, verdict: gate.Verdict, newest: datetime | None, now: datetime) -> dict[str, Any]:
    if each.id.endswith(f".{COMPLETELY_READ}"):
        is_passed = verdict.state != "stale" and verdict.watermark is not None
        observed = f"completely read up to {verdict.watermark:%Y-%m-%d %H:%M} UTC" if verdict.watermark else "never"
    else:
        hours = files.limits(each.entity).last_event_hours or LAST_EVENT_HOURS[each.entity]
        is_passed = newest is None or now - newest <= timedelta(hours=hours)
        observed = f"newest record: {newest:%Y-%m-%d %H:%M} UTC" if newest else ""
    return {"rule": each.id, "severity": each.severity, "is_passed": is_passed, "observed": observed}


_NEWEST = sa.text(
    "select entity, max(newest_at) as newest_at from meta.batch where source = :source and state = 'merged' group by 1"
)
_WRITE = sa.text(
    """
    insert into meta.source_check as known
        (source, entity, rule_id, severity, is_passed, observed, since, checked_at)
    values (:source, :entity, :rule, :severity, :is_passed, :observed, :now, :now)
    on conflict (source, rule_id) do update
    set severity = excluded.severity, is_passed = excluded.is_passed, observed = excluded.observed,
        since = case when known.is_passed = excluded.is_passed then known.since else excluded.since end,
        checked_at = excluded.checked_at
    """
)
