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

from include.contracts import aside, catalogue, feature_holds, history, store
from include.contracts.engine import Check, Outcome, Table
from include.contracts.rule import Expect, Known, Rule, Scope
from include.contracts.whole import SHARE_OF_BAD_ROWS
from include.warehouse.engine import Role, engine

# Rules from files run as reader, which cannot write and has a statement timeout of a minute.
_ROLES: tuple[Role, ...] = ("loader", "reader")
# Rules on a whole batch check other rows than rules on rows and features; see ``aside``.
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

    def said(self) -> str:
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
        log.info("run %s: %s", run_id or "by hand", verdict.said())
    return verdicts


def _validate_batch(batch_id: int) -> BatchVerdict | None:
    """Check a batch. Return None if another process has checked or dropped it meanwhile."""
    with engine("loader").begin() as connection:
        # The lock lasts until the end of the transaction: another check or a drop of the batch waits.
        batch = connection.execute(_LOCKED, {"id": batch_id}).mappings().one_or_none()
        if batch is None:
            return None
        return _judge(connection, batch)


def _judge(connection: Connection, batch: RowMapping) -> BatchVerdict:
    known = history.known(connection, batch)
    table_name = batch["table_name"]
    store.clear(connection, known, table_name)
    outcomes: list[Outcome] = []
    bad: dict[Rule, tuple[Outcome, list[int]]] = {}
    shown: dict[str, list[dict[str, Any]]] = {}
    for role in _ROLES:
        for scopes in _SCOPES:
            checks = _checks(known, role, scopes, has_rows=bool(table_name))
            if not checks:
                continue
            table = _open(known, table_name, role, scopes)
            found = table.check(checks)
            outcomes += found
            bad |= {o.check.rule: (o, table.bad_rows(o)) for o in found if _sends_to_quarantine(o)}
            shown |= {
                o.check.rule.id: table.found(o.check) for o in found if not o.is_passed and o.check.rule.scope != "row"
            }
    n_bad, n_new = store.quarantine(connection, known, table_name, bad) if table_name else (0, 0)
    observed = {rule_id: _observed(rows) for rule_id, rows in shown.items()}
    n_own = known.n_rows - aside.count(connection, known)
    share = _share_of_bad_rows(known, n_new, n_own) if table_name and not known.is_replay else None
    if share:
        outcomes.append(share)
        observed[share.check.rule.id] = _worst(bad)
    feature_holds.note(connection, known, outcomes, shown)
    store.write_results(connection, known, outcomes, observed)
    hold_reason = _hold_reason(outcomes, observed)
    values = {"id": known.batch_id, "n": n_bad, "reason": hold_reason, "now": known.now}
    connection.execute(_JUDGED, values | {"newest": known.newest_at, "state": "held" if hold_reason else "closed"})
    return BatchVerdict(
        batch_id=known.batch_id,
        source=known.source,
        entity=known.entity.name,
        state="held" if hold_reason else "passed",
        n_rows=known.n_rows,
        n_quarantined=n_bad,
        hold_reason=hold_reason,
        broken=tuple(Broken(o.check.rule.id, o.check.rule.severity, o.n_bad) for o in outcomes if not o.is_passed),
    )


def _checks(known: Known, role: Role, scopes: Collection[Scope], *, has_rows: bool) -> list[Check]:
    if not has_rows and not (known.is_full_end and known.n_stored):
        return []
    of_entity = catalogue.of_entity(known.entity.name)
    of_role = [rule for rule in of_entity if rule.is_own == (role == "reader") and rule.scope in scopes]
    if known.is_replay:  # rows from quarantine say nothing about the whole source
        of_role = [rule for rule in of_role if rule.scope == "row"]
    made = ((rule, rule.expect(known)) for rule in of_role)
    # Without rows, only batch rules apply: records that a full read did not find are gone.
    return [Check(rule, expect) for rule, expect in made if expect and (has_rows or rule.scope == "batch")]


def _open(known: Known, table_name: str, role: Role, scopes: Collection[Scope]) -> Table:
    query = aside.judged(known, "batch" if "batch" in scopes else "row") if table_name else ""
    if query:
        return Table(engine(role), query=query, n_rows=known.n_rows)
    if table_name:
        return Table(engine(role), table=table_name, n_rows=known.n_rows)
    return Table(engine(role), query=f"select * from {known.raw} where false")  # noqa: S608


def _sends_to_quarantine(outcome: Outcome) -> bool:
    rule = outcome.check.rule
    return not outcome.is_passed and rule.scope == "row" and rule.severity == "critical"


def _share_of_bad_rows(known: Known, n_bad: int, n_rows: int) -> Outcome | None:
    rules = catalogue.of_entity(known.entity.name)
    rule = next((each for each in rules if each.id.endswith(f".{SHARE_OF_BAD_ROWS}")), None)
    if rule is None:  # a file has switched it off
        return None
    limits = known.limits
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
_JUDGED = sa.text(
    "update meta.batch set state = :state, hold_reason = :reason, n_quarantined = :n, validated_at = :now,"
    " newest_at = :newest where batch_id = :id"
)
