"""Data-quality results over time for the Data health page: counts only, never a value of a row."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from include.common import clock
from include.continuation import review
from include.contracts import catalogue
from include.ingest import quarantine
from include.operations.incidents import message
from include.operations.incidents.detect import Incident
from include.warehouse.engine import engine

Rows = list[dict[str, Any]]
DAYS = 30
_MOST_RULES = 60


@dataclass(frozen=True)
class Trend:
    """The results of one rule on one source over the last days.

    Args:
        rule_id: Its id.
        source: Connection id.
        severity: critical or warning; "" for a rule that is no longer in force.
        owner: The person or team that fixes it.
        says: What is wrong with a row that breaks the rule.
        n_rows: Rows checked.
        n_bad: Rows that broke the rule.
        days: Per day, oldest first: the day, rows, bad rows, and the share of bad rows relative to the worst day, 0 to
            1.
    """

    rule_id: str
    source: str
    severity: str
    owner: str
    says: str
    n_rows: int
    n_bad: int
    days: tuple[dict[str, Any], ...]

    @property
    def share(self) -> float:
        """Bad rows over all rows checked."""
        return self.n_bad / max(self.n_rows, 1)


@dataclass(frozen=True)
class Quality:
    """The data-quality part of the page.

    Args:
        n_rules: Rules in force.
        n_batches: Batches validated in the last days.
        trends: Broken rules, most bad rows first.
        incidents: Open incidents.
        contracts: Open contract and renewal issues per kind: number, ARR and share, and the cure.
        fresh: Failed rules on sources over time, such as freshness.
        waivers: Waivers in force.
        flow: Per day, rows quarantined, rows resolved, and rows still open.
    """

    n_rules: int
    n_batches: int
    trends: tuple[Trend, ...]
    incidents: Rows
    contracts: Rows
    fresh: Rows
    waivers: Rows
    flow: Rows


def read() -> Quality:
    now = clock.now()
    days = [now.date() - timedelta(days=number) for number in reversed(range(DAYS))]
    with engine("reader").connect() as connection:
        values = {"since": now - timedelta(days=DAYS)}
        found = [dict(row) for row in connection.execute(_RESULTS, values).mappings()]
        n_batches = connection.execute(_BATCHES, values).scalar_one()
        incidents = [_titled(dict(row)) for row in connection.execute(_INCIDENTS).mappings()]
        contracts = review.summary(connection)
        fresh = [dict(row) for row in connection.execute(_FRESH).mappings()]
    return Quality(
        n_rules=len(catalogue.rules()),
        n_batches=n_batches,
        trends=_trends(found, days),
        incidents=incidents,
        contracts=contracts,
        fresh=fresh,
        waivers=[row for row in quarantine.waivers() if row["is_in_force"]],
        flow=_flow(quarantine.over_time(DAYS), days),
    )


def _titled(incident: dict[str, Any]) -> dict[str, Any]:
    names = ("key", "kind", "source", "entity", "rule_id", "reason")
    what = Incident(**{name: incident[name] for name in names})
    rule = catalogue.get(what.rule_id)
    return incident | {"title": message.title(what), "says": what.reason or (rule.says if rule else "")}


def _trends(found: Rows, days: list[date]) -> tuple[Trend, ...]:
    by_rule: dict[tuple[str, str], dict[date, dict[str, Any]]] = defaultdict(dict)
    for row in found:
        by_rule[row["rule_id"], row["source"]][row["day"]] = row
    rules = {rule.id: rule for rule in catalogue.rules()}
    trends = []
    for (rule_id, source), of_day in by_rule.items():
        n_bad = sum(row["n_bad"] for row in of_day.values())
        if not n_bad:
            continue
        rule, worst = rules.get(rule_id), max(row["n_bad"] / max(row["n_rows"], 1) for row in of_day.values())
        shown = []
        for day in days:
            row = of_day.get(day, {"n_rows": 0, "n_bad": 0})
            height = row["n_bad"] / max(row["n_rows"], 1) / worst
            shown.append({"day": day, "n_rows": row["n_rows"], "n_bad": row["n_bad"], "height": round(height, 3)})
        n_rows = sum(row["n_rows"] for row in of_day.values())
        known = (rule.severity, rule.owner, rule.says) if rule else ("", "", "the rule is no longer in force")
        trends.append(Trend(rule_id, source, *known, n_rows, n_bad, tuple(shown)))
    return tuple(sorted(trends, key=lambda each: (-each.n_bad, each.rule_id))[:_MOST_RULES])


def _flow(found: Rows, days: list[date]) -> Rows:
    flow: dict[date, dict[str, Any]] = {day: {"day": day, "n_entered": 0, "n_left": 0, "n_open": 0} for day in days}
    for row in found:
        for name in ("n_entered", "n_left", "n_open"):
            flow[row["day"]][name] += row[name]
    most = max((row["n_open"] for row in flow.values()), default=0) or 1
    return [row | {"height": round(row["n_open"] / most, 3)} for row in flow.values()]


_RESULTS = sa.text(
    """
    select cast(result.checked_at at time zone 'UTC' as date) as day, result.rule_id, batch.source,
        sum(result.n_rows)::bigint as n_rows,
        coalesce(sum(result.n_bad) filter (where not result.is_passed), 0)::bigint as n_bad
    from meta.rule_result as result
    join meta.batch as batch using (batch_id)
    where result.checked_at > :since
    group by 1, 2, 3
    """
)
_BATCHES = sa.text("select count(*) from meta.batch where validated_at > :since")
_INCIDENTS = sa.text(
    "select key, kind, source, entity, rule_id, reason, n_bad, n_rows, opened_at, worsened_at from meta.incident"
    " where state = 'open' order by opened_at, key"
)
_FRESH = sa.text(
    "select rule_id, source, severity, observed, since from meta.source_check where not is_passed"
    " order by severity, since"
)
