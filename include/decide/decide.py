"""Decide, from the newest built day, whom to notify of what, and write the result to the outbox. Nothing is sent here.

Decisions only go forward: a day before the last decided one is refused. Deciding a day again plans nothing twice,
because every action has a key. Episodes, actions and the decision itself commit in one transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import orjson
import sqlalchemy as sa

from include.common import clock
from include.config import Settings, config_hash, files
from include.config import load as load_settings
from include.decide import alert_tasks, crm_fields, episodes, readiness, released, risk, shipped, task_feedback, tiers
from include.decide import caps as limit
from include.decide.context import Day, Outcome
from include.decide.digests import escalation, metric_targets, weekly
from include.decide.explain import record
from include.decide.playbooks import scan as playbook_scan
from include.decide.playbooks.load import load as load_playbooks
from include.decide.playbooks.plan import Tasks
from include.decide.playbooks.schema import Playbook
from include.decide.renewals import checkpoint
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.renewals.reminders import Reminders
from include.decide.rules.load import Rule
from include.decide.signals import plan as signal_plan
from include.decide.signals import scan as signal_scan
from include.decide.signals.load import load as load_signals
from include.gate import newest_build
from include.outbox import approvals, authors, personal_data, store
from include.outbox.store import Action
from include.warehouse import locks
from include.warehouse.engine import engine

log = logging.getLogger(__name__)


@dataclass
class Decision:
    """The result of a decision.

    Args:
        as_of: The day that the tables were built for; None if no tables were built.
        reason: Why no decision was made; "" if one was.
        n_renewals: Open renewals evaluated.
        n_planned: Messages and tasks newly planned.
        n_parked: Actions that wait for approval: those above the caps, and proposed tiers.
        approval_id: The approval that they wait for; "" if none do.
        n_suppressed: Actions that dry run suppressed permanently.
        n_refreshed: Actions planned before, not sent yet, and updated.
        n_expired: Checkpoints passed over.
        n_found_outside: Actions not planned, because the CRM or another system already has them.
        n_on_hold: Reminders, signals, playbooks and CRM fields that the gate put on hold.
        n_answered: Episodes that people closed in their tasks.
        gate: Source -> the gate's verdict.
        planned: The new rows, shortened. For the command line only, since they name accounts and recipients.
        unavailable: Signals that need an entity which no source provides, with the missing entity.
        problems: Playbooks and signals that could not be evaluated, each with its fix. All others were decided.
    """

    decision_id: str
    as_of: date | None = None
    reason: str = ""
    n_renewals: int = 0
    n_planned: int = 0
    n_parked: int = 0
    approval_id: str = ""
    n_suppressed: int = 0
    n_refreshed: int = 0
    n_expired: int = 0
    n_found_outside: int = 0
    n_on_hold: int = 0
    n_opened: int = 0
    n_closed: int = 0
    n_answered: int = 0
    gate: dict[str, object] = field(default_factory=dict)
    planned: list[dict[str, str]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    is_dry_run: bool = False

    def without_texts(self) -> Decision:
        """Return a copy without recipients and subjects: XComs and asset events are kept, and many people read them."""
        return replace(self, planned=[])


@files.checked_once()
def decide(decision_id: str, dry_run: bool = False, now: datetime | None = None, by: str = "") -> Decision:
    """Decide for the newest built day.

    Args:
        decision_id: Identifies this decision. Running the same one again is safe.
        by: The person who started it; "" if the schedule did. They may not approve actions above its caps.

    Raises:
        ConfigError: A setting or playbook is wrong. If only one playbook's condition cannot be evaluated, everything
            else is decided and stored, and the error is raised at the end.
    """
    moment = now or clock.now()
    overlay = authors.state()
    settings, playbooks, rules = load_settings(), load_playbooks(), load_signals()
    with engine("builder").connect() as connection, connection.begin() as transaction:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.DECIDER_LOCK})
        newest = newest_build.read(connection)
        if newest is None:
            return Decision(decision_id, reason="no tables have been built yet")
        build_id, as_of, watermarks = newest
        last = connection.execute(sa.text("select max(as_of) from ops.decision")).scalar()
        if last and as_of < last:
            return Decision(decision_id, as_of, f"decisions only move forward: {last} is already decided")
        n_answered = task_feedback.apply(connection, clock.day_in(settings.reporting_zone, moment))
        day = _read(connection, settings, playbooks, as_of, moment, watermarks)
        loading = readiness.first_loads(connection, settings, watermarks)
        if loading:
            reason = f"the first load of {' and '.join(loading)} is in progress; the decision waits for the next build"
            return Decision(decision_id, as_of, reason, gate=day.readiness.as_json())
        for source in day.readiness.sources:
            if not source.is_fit:
                log.warning(
                    "%s is not up to date and validated: %s", source.source, "; ".join(map(str, source.reasons))
                )
        scan = signal_scan.scan(connection, day, rules)
        alerts = signal_plan.Alerts(day, signal_plan.notified(connection, day)).plan(scan.signals)
        alerts.changes += signal_scan.close_disabled(connection, {*rules, *playbooks})
        escalations = escalation.plan(connection, day, scan.signals)
        # Stored before the playbooks are scanned: a signal that opens now can start its playbook in this decision.
        episodes.apply(connection, alerts.changes, day.today)
        risks = risk.read(connection, day.readiness, rules)
        reminders = Reminders(day, playbooks, risks).plan()
        scanned_playbooks = playbook_scan.scan(connection, day, playbooks)
        tasks = Tasks(day, scanned_playbooks, risks).plan()
        for rule in tasks.started:
            playbook_scan.note(connection, rule, day.today)
        for outcome in (reminders, tasks, escalations):
            episodes.apply(connection, outcome.changes, day.today)
        approvals.expire(connection, moment)
        closing_tasks = Outcome(actions=alert_tasks.closings(connection, day, [*reminders.changes, *alerts.changes]))
        digests = weekly.plan(connection, day, scan.signals)
        fields = crm_fields.plan(connection, day, risks)
        product = (metric_targets.plan(day), shipped.plan(day), released.plan(day))
        outcomes = (reminders, tasks, alerts, closing_tasks, escalations, digests, *product, fields)
        actions = limit.limit(connection, decision_id, day, outcomes, by, overlay)
        actions += tiers.ask(connection, decision_id, day, by, overlay)
        result = _write(connection, decision_id, build_id, day, outcomes, actions)
        in_force = record.Rules(
            {**rules, **playbooks}, scan.unavailable, {**scan.problems, **scanned_playbooks.problems}
        )
        record.record(connection, day, in_force, [block for outcome in outcomes for block in outcome.blocked])
        result.n_answered = n_answered + sum(bool(change.answer) for change in tasks.changes)
        if dry_run:
            result.is_dry_run = True
            transaction.rollback()
    result.problems = [*scanned_playbooks.problems.values(), *scan.problems.values()]
    result.unavailable = scan.unavailable
    return result


def _read(
    connection: sa.Connection,
    settings: Settings,
    playbooks: dict[str, Rule[Playbook]],
    as_of: date,
    now: datetime,
    watermarks: dict[str, datetime],
) -> Day:
    """Read the decision's inputs, except signals and playbooks. Tables are read as the reader, in one snapshot."""
    today = clock.day_in(settings.reporting_zone, now)
    too_old = readiness.too_old(as_of, today)
    with engine("reader").connect().execution_options(isolation_level="REPEATABLE READ") as tables:
        rows = checkpoint.read(tables, as_of)
        ready = readiness.read(settings, now, watermarks, too_old)
        renewal_rules = _of_renewals(connection, playbooks)
        found = {(e.signal, e.entity_id): e for e in episodes.read(connection, renewal_rules, episodes.RENEWAL)}
        listed = {row.renewal_id for row in rows}
        missing = {entity_id for (_, entity_id), episode in found.items() if episode.state == "open"} - listed
        ends = checkpoint.read_ends(tables, sorted(missing))
        assignees = task_feedback.assignees(connection, tables)
    return Day(
        today=today,
        now=now,
        as_of=as_of,
        settings=settings,
        readiness=ready,
        renewals={row.renewal_id: row for row in rows},
        episodes=found,
        ends=ends,
        outbox=_states(connection, rows),
        assignees=assignees,
    )


def _of_renewals(connection: sa.Connection, playbooks: Mapping[str, Rule[Playbook]]) -> list[str]:
    """Return the rules that may have episodes about renewals: the ladder, and all playbooks, even if not in force."""
    started = connection.execute(sa.text("select distinct playbook from ops.playbook_version")).scalars()
    return [episodes.RENEWAL, *{*playbooks, *started}]


def _states(connection: sa.Connection, rows: Sequence[Checkpoint]) -> dict[str, str]:
    found = connection.execute(
        sa.text("select key, state from ops.outbox where entity_kind = :kind and entity_id = any(:ids)"),
        {"kind": episodes.RENEWAL, "ids": [row.renewal_id for row in rows]},
    )
    return dict(found.tuples().all())


def _write(
    connection: sa.Connection,
    decision_id: str,
    build_id: str,
    day: Day,
    outcomes: Sequence[Outcome],
    actions: Sequence[Action],
) -> Decision:
    changes = [change for outcome in outcomes for change in outcome.changes]
    planned = store.plan(connection, actions, decision_id, day.now)
    result = Decision(
        decision_id=decision_id,
        as_of=day.as_of,
        n_renewals=len(day.renewals),
        n_planned=planned.planned,
        n_parked=planned.parked,
        approval_id=next((action.approval_id for action in actions if action.approval_id), ""),
        n_suppressed=planned.suppressed,
        n_refreshed=planned.refreshed,
        n_expired=planned.expired,
        n_found_outside=planned.found_outside,
        n_on_hold=sum(outcome.n_on_hold for outcome in outcomes),
        n_opened=sum(change.kind == "open" for change in changes),
        n_closed=sum(change.kind == "close" and not change.answer for change in changes),
        gate=day.readiness.as_json(),
        planned=_shortened(actions, set(planned.keys)),
    )
    connection.execute(
        sa.text(
            "insert into ops.decision as present (decision_id, as_of, build_id, config_hash, gate, n_planned,"
            " n_suppressed, started_at, finished_at) values (:decision_id, :as_of, :build_id, :config_hash,"
            " cast(:gate as jsonb), :n_planned, :n_suppressed, :now, :now)"
            " on conflict (decision_id) do update set as_of = excluded.as_of, build_id = excluded.build_id,"
            " config_hash = excluded.config_hash, gate = excluded.gate, finished_at = excluded.finished_at,"
            " n_planned = present.n_planned + excluded.n_planned,"
            " n_suppressed = present.n_suppressed + excluded.n_suppressed"
        ),
        {
            "decision_id": decision_id,
            "as_of": day.as_of,
            "build_id": build_id,
            "config_hash": config_hash(),
            "gate": orjson.dumps(result.gate, default=str).decode(),
            "n_planned": planned.planned,
            "n_suppressed": planned.suppressed,
            "now": day.now,
        },
    )
    return result


def _shortened(actions: Sequence[Action], keys: set[str]) -> list[dict[str, str]]:
    columns = ("channel", "rule", "step", "recipient", "subject", "state")
    return [
        {column: personal_data.shown(str(getattr(action, column)), is_shared=True) for column in columns}
        for action in actions
        if action.key in keys
    ]
