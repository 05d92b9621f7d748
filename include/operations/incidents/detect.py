"""Detect current data incidents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include import config
from include.gate import source_failures, verdicts
from include.operations import catalogue

UNREADABLE = "unreadable:"
EVENT = "event:"
_SHOWN = 8


@dataclass(frozen=True)
class Incident:
    """A current incident.

    Args:
        key: Identifies the incident from scan to scan. Silences are patterns of it.
        kind: ``rows`` in quarantine, a ``batch`` on hold, a ``source`` that is late or cannot be read, a ``feature``
            that is no longer measured, or an ``event`` that differs from the tracking plan.
        entity: "" for the whole source.
        rule_id: "" if no single rule caused it.
        n_bad: Number of rows, or of a feature's accounts.
        batch_id: The batch to look at, if there is one.
    """

    key: str
    kind: str
    source: str
    entity: str = ""
    rule_id: str = ""
    n_bad: int = 0
    n_rows: int = 0
    reason: str = ""
    cure: str = ""
    batch_id: int = 0

    @property
    def is_unreadable(self) -> bool:
        """Whether a source cannot be read, as opposed to being late."""
        return self.key.startswith(UNREADABLE)


def current(connection: Connection) -> dict[str, Incident]:
    """Return current incidents by key.

    A red source is reported through the batch on hold or the failure at the source. All its entities are one incident.
    """
    found = [
        Incident(f"rows:{row.source}:{row.rule_id}", "rows", row.source, row.entity, row.rule_id, row.n_bad, row.n_rows)
        for row in connection.execute(_ROWS)
    ]
    found += [
        Incident(
            f"batch:{row.source}:{row.entity}",
            "batch",
            row.source,
            row.entity,
            "",
            row.n_quarantined,
            row.n_rows,
            row.hold_reason,
            batch_id=row.batch_id,
        )
        for row in connection.execute(_BATCHES)
    ]
    found += [
        Incident(
            f"feature:{row.source}:{row.feature}",
            "feature",
            row.source,
            "usage_day",
            "product.usage_day.feature_measured",
            row.n_silent,
            row.n_accounts,
            f"{row.n_silent} fewer accounts use {row.feature} than usual on this weekday, since {row.day}",
        )
        for row in connection.execute(_FEATURES)
    ]
    found += _events()
    found += [
        Incident(
            f"{UNREADABLE}{row.source}",
            "source",
            row.source,
            reason=f"{row.reason} (in {', '.join(row.parts)})" if row.parts else row.reason,
            cure=row.cure,
        )
        for row in connection.execute(_UNREADABLE, {"partial": source_failures.PARTIAL})
    ]
    found += [
        Incident(f"source:{verdict.source}", "source", verdict.source, reason=verdict.reason)
        for verdict in verdicts.verdicts()
        if verdict.state == "stale" and not verdict.entity
    ]
    return {each.key: each for each in found}


def _events() -> Iterator[Incident]:
    """Return one incident per planned event that is missing, and one per source for all unlisted events."""
    unlisted: dict[str, list[str]] = defaultdict(list)
    for one in catalogue.events() if config.load().tracking_plan.events else ():
        if one.state == "missing":
            last = f"arrived last on {one.last_day}" if one.last_day else "never arrived"
            yield _event(one.source, one.event, "planned_events_arrive", f"{one.event} {last}")
        elif one.state == "unlisted":
            unlisted[one.source].append(one.event)
    for source, names in unlisted.items():
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        reason = f"not in the tracking plan: {', '.join(names[:_SHOWN])}{more}"
        yield _event(source, "", "events_planned", reason, len(names))


def _event(source: str, event: str, rule: str, reason: str, n: int = 0) -> Incident:
    return Incident(f"{EVENT}{source}:{event}", "event", source, "usage_day", f"product.usage_day.{rule}", n, 0, reason)


# The share is that of the last batch that broke the rule.
_ROWS = sa.text(
    """
    select bad.source, bad.entity, bad.rule_id, bad.n_bad, coalesce(last.n_rows, bad.n_bad) as n_rows
    from (
        select source, entity, rule_id, count(*) as n_bad
        from quarantine.record
        where state in ('open', 'requeued')
        group by 1, 2, 3
    ) as bad
    left join lateral (
        select result.n_rows
        from meta.rule_result as result
        join meta.batch as batch using (batch_id)
        where result.rule_id = bad.rule_id and batch.source = bad.source and not result.is_passed
        order by result.batch_id desc
        limit 1
    ) as last on true
    """
)
_BATCHES = sa.text(
    """
    select distinct on (source, entity) source, entity, batch_id, n_rows, n_quarantined, hold_reason
    from meta.batch where state = 'held' order by source, entity, batch_id
    """
)
_FEATURES = sa.text("select * from meta.feature_hold")
# Only failures that ended a run: a task that is being retried may still succeed.
_UNREADABLE = sa.text(
    """
    select failure.source, (array_agg(failure.reason order by failure.since, failure.entity))[1] as reason,
        (array_agg(failure.cure order by failure.since, failure.entity))[1] as cure,
        array_remove(array_agg(distinct failure.entity), '') as parts
    from meta.source_failure as failure
    join meta.verdict as verdict
        on verdict.source = failure.source and verdict.entity = failure.entity and verdict.state = 'red'
    where verdict.checked_at >= failure.since and failure.error <> :partial
    group by failure.source
    """
)
