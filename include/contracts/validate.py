"""Validate landed batches before any row is merged.

Rows that break a critical rule go to quarantine. A batch that breaks a critical rule on batches is held. All results of
a batch commit in one transaction, so a killed check leaves nothing behind and is safe to repeat.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include.contracts import catalogue, exempt, feature_holds, history, store, tracking_plan
from include.contracts.engine import Check, Outcome, Table
from include.contracts.rule import BatchFacts, Expect, Rule, Scope
from include.contracts.whole import SHARE_OF_BAD_ROWS
from include.warehouse.engine import Role, engine

# Rules from files run as reader, which cannot write and has a statement timeout of a minute.
_ROLES: tuple[Role, ...] = ("loader", "reader")
# Rules on a whole batch check other rows than rules on rows and features; see ``exempt``.
_SCOPES: tuple[tuple[Scope, ...], ...] = (("row", "feature", "source"), ("batch",))
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Broken:
    """A rule that a batch, or rows of it, broke."""

    rule_id: str
    severity: str
    n_bad: int


@dataclass(frozen=True)
class BatchVerdict:
    """The verdict on a batch.

    Args:
        batch_id: Number of the batch.
        source: Connection it came from.
        entity: Entity of its rows.
        state: ``passed``, even with rows in quarantine, or ``held``.
        n_rows: Number of its rows.
        n_quarantined: Number of rows that break at least one critical rule.
        hold_reason: Why the whole batch is held.
        broken: The broken rules.
    """

    batch_id: int
    source: str
    entity: str
    state: str
    n_rows: int
    n_quarantined: int
    hold_reason: str
    broken: tuple[Broken, ...]

    def log_line(self) -> str:
        """Return the verdict as a log line."""
        rules = ", ".join(f"{each.rule_id} {each.n_bad:,} ({each.severity})" for each in self.broken)
        return (
            f"batch {self.batch_id} of {self.source}.{self.entity} {self.hold_reason and 'is held: '}"
            f"{self.hold_reason or 'passed'}; {self.n_rows:,} rows, {self.n_quarantined:,} to quarantine"
            f"{rules and f'; broken: {rules}'}"
        )


def validate(source_id: str, *, run_id: str = "") -> list[BatchVerdict]:
    """Check every unchecked batch of a source, in the order in which they were read.

    Args:
        source_id: Connection id.
        run_id: For the log.

    Raises:
        WarehouseError: A rule could not be checked. Earlier batches are done; this one and later ones are not.
    """
    with engine("loader").connect() as connection:
        waiting = connection.execute(_WAITING, {"source": source_id}).scalars().all()
    verdicts = [verdict for batch_id in waiting if (verdict := _validate_batch(batch_id))]
    for verdict in verdicts:
        log.info("run %s: %s", run_id or "by hand", verdict.log_line())
    return verdicts


def _validate_batch(batch_id: int) -> BatchVerdict | None:
    """Check a batch. Return None if another process has checked or dropped it meanwhile."""
    with engine("loader").begin() as connection:
        # The lock lasts until the end of the transaction: another check or a drop of the batch waits.
        batch = connection.execute(_LOCKED, {"id": batch_id}).mappings().one_or_none()
        if batch is None:
            return None
        return _check_batch(connection, batch)


def _check_batch(connection: Connection, batch: RowMapping) -> BatchVerdict:
    facts = history.facts(connection, batch)
    table_name = batch["table_name"]
    store.clear(connection, facts, table_name)
    outcomes: list[Outcome] = []
    bad: dict[Rule, tuple[Outcome, list[int]]] = {}
    shown: dict[str, list[dict[str, Any]]] = {}
    for role in _ROLES:
        for scopes in _SCOPES:
            checks = _checks(facts, role, scopes, has_rows=bool(table_name))
            if not checks:
                continue
            table = _table(facts, table_name, role, scopes)
            found = table.check(checks)
            outcomes += found
            bad |= {o.check.rule: (o, table.bad_rows(o)) for o in found if _sends_to_quarantine(o)}
            shown |= {
                o.check.rule.id: table.sample(o.check) for o in found if not o.is_passed and o.check.rule.scope != "row"
            }
    n_bad, n_new = store.quarantine(connection, facts, table_name, bad) if table_name else (0, 0)
    observed = {rule_id: _observed(rows) for rule_id, rows in shown.items()}
    n_own = facts.n_rows - exempt.count_ownerless(connection, facts)
    share = _share_of_bad_rows(facts, n_new, n_own) if table_name and not facts.is_replay else None
    if share:
        outcomes.append(share)
        observed[share.check.rule.id] = _worst(bad)
    feature_holds.update(connection, facts, outcomes, shown)
    tracking_plan.note(connection, facts)
    store.write_results(connection, facts, outcomes, observed)
    hold_reason = _hold_reason(outcomes, observed)
    values = {"id": facts.batch_id, "n": n_bad, "reason": hold_reason, "now": facts.now}
    connection.execute(_CHECKED, values | {"newest": facts.newest_at, "state": "held" if hold_reason else "closed"})
    return BatchVerdict(
        batch_id=facts.batch_id,
        source=facts.source,
        entity=facts.entity.name,
        state="held" if hold_reason else "passed",
        n_rows=facts.n_rows,
        n_quarantined=n_bad,
        hold_reason=hold_reason,
        broken=tuple(Broken(o.check.rule.id, o.check.rule.severity, o.n_bad) for o in outcomes if not o.is_passed),
    )


def _checks(facts: BatchFacts, role: Role, scopes: Collection[Scope], *, has_rows: bool) -> list[Check]:
    if not has_rows and not (facts.is_full_end and facts.n_stored):
        return []
    of_entity = catalogue.of_entity(facts.entity.name)
    of_role = [rule for rule in of_entity if rule.is_custom == (role == "reader") and rule.scope in scopes]
    if facts.is_replay:  # rows from quarantine say nothing about the whole source
        of_role = [rule for rule in of_role if rule.scope == "row"]
    made = ((rule, rule.expect(facts)) for rule in of_role)
    # Without rows, only batch rules apply: records that a full read did not find are gone.
    return [Check(rule, expect) for rule, expect in made if expect and (has_rows or rule.scope == "batch")]


def _table(facts: BatchFacts, table_name: str, role: Role, scopes: Collection[Scope]) -> Table:
    query = exempt.checked_rows(facts, "batch" if "batch" in scopes else "row") if table_name else ""
    if query:
        return Table(engine(role), query=query, n_rows=facts.n_rows)
    if table_name:
        return Table(engine(role), table=table_name, n_rows=facts.n_rows)
    return Table(engine(role), query=f"select * from {facts.raw} where false")  # noqa: S608


def _sends_to_quarantine(outcome: Outcome) -> bool:
    rule = outcome.check.rule
    return not outcome.is_passed and rule.scope == "row" and rule.severity == "critical"


def _share_of_bad_rows(facts: BatchFacts, n_bad: int, n_rows: int) -> Outcome | None:
    rules = catalogue.of_entity(facts.entity.name)
    rule = next((each for each in rules if each.id.endswith(f".{SHARE_OF_BAD_ROWS}")), None)
    if rule is None:  # a file has switched it off
        return None
    limits = facts.limits
    is_passed = n_bad <= max(limits.bad_rows, limits.bad_share * n_rows)
    return Outcome(Check(rule, Expect("", {})), is_passed, n_rows, n_bad)


def _worst(bad: dict[Rule, tuple[Outcome, list[int]]]) -> str:
    """Return the rules that most rows break, with their counts."""
    most = sorted(bad.items(), key=lambda item: (-item[1][0].n_bad, item[0].id))[:3]
    return ", ".join(f"{rule.id} ({outcome.n_bad:,})" for rule, (outcome, _) in most)


def _observed(found: list[dict[str, Any]]) -> str:
    """Format the finding of a rule on the whole batch."""
    rows = found[:10]
    if any(len(row) > 1 for row in rows):
        return "; ".join(" ".join(f"{name} {value}" for name, value in row.items()) for row in rows)
    return ", ".join(sorted(str(value) for row in rows for value in row.values()))


def _hold_reason(outcomes: list[Outcome], observed: dict[str, str]) -> str:
    reasons = []
    for outcome in outcomes:
        rule = outcome.check.rule
        if outcome.is_passed or rule.scope != "batch" or rule.severity == "warning":
            continue
        detail = observed.get(rule.id, "")
        counts = f"{outcome.n_bad:,} of {outcome.n_rows:,} rows; " if rule.id.endswith(SHARE_OF_BAD_ROWS) else ""
        reasons.append(f"{rule.says} ({counts}{detail}) [{rule.id}]")
    return "; ".join(reasons)


_WAITING = sa.text(
    "select batch_id from meta.batch where source = :source and state = 'closed' and validated_at is null"
    " order by batch_id"
)
_LOCKED = sa.text(
    "select * from meta.batch where batch_id = :id and state = 'closed' and validated_at is null for update"
)
_CHECKED = sa.text(
    "update meta.batch set state = :state, hold_reason = :reason, n_quarantined = :n, validated_at = :now,"
    " newest_at = :newest where batch_id = :id"
)
