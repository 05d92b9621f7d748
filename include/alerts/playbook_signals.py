"""Playbooks as signals: where one starts, its steps are planned at once; where its risk is gone, it ends.

A running playbook keeps the steps that it started with: a new version brings tasks that have not left yet up to date,
and adds none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import escape

from include.alerts.day import Day, Outcome, evidence
from include.alerts.episodes import RENEWAL, Change
from include.alerts.recipients import recipient
from include.alerts.renewal_message import calendar_of
from include.delivery.outbox import Action
from include.playbooks import templates, working_days
from include.playbooks.evaluate import Answer
from include.playbooks.load import Loaded
from include.playbooks.schema import Playbook, Step
from include.renewals import checkpoint as checkpoints
from include.renewals.checkpoint import Checkpoint

# A task that could not be written for so long comes too late to be of use.
USEFUL_DAYS = 14
_DUE_AT = time(17, 0)


def plan(day: Day, playbooks: Mapping[str, Loaded], answers: Mapping[str, Answer]) -> Outcome:
    """Return what happens today by the playbooks."""
    outcome = Outcome()
    for name, loaded in playbooks.items():
        answer = answers.get(name, Answer())
        for renewal in day.renewals.values():
            _plan_one(renewal, day, loaded.playbook, answer, outcome)
    for (signal, renewal_id), episode in day.episodes.items():
        if signal in playbooks and episode.state == "open" and renewal_id not in day.renewals:
            outcome.changes += [change for change in [day.close_missing(episode)] if change]
    return outcome


def _plan_one(renewal: Checkpoint, day: Day, playbook: Playbook, answer: Answer, outcome: Outcome) -> None:
    last = day.episodes.get((playbook.name, renewal.renewal_id))
    is_open = last is not None and last.state == "open"
    is_triggered = renewal.renewal_id in answer.triggered
    if day.why_held(renewal):
        outcome.n_held += is_triggered and not is_open
        return
    if last and is_open:
        if renewal.renewal_id in answer.ended:
            because = f"the risk is gone: {playbook.exit}"
            outcome.changes.append(_change("close", renewal, playbook, last.episode_no, day, because))
            return
        outcome.changes.append(_change("update", renewal, playbook, last.episode_no, day))
        tasks = _tasks(renewal, playbook, last.episode_no, last.opened_on, day)
        outcome.actions += [action for action in tasks if day.outbox.get(action.key) == "planned"]
        return
    in_audience = playbook.audience.includes(renewal.tier, renewal.region, renewal.industry)
    if not (is_triggered and in_audience and playbook.status == "live"):
        return
    number = last.episode_no + 1 if last else 1
    outcome.changes.append(_change("open", renewal, playbook, number, day))
    outcome.actions += _tasks(renewal, playbook, number, day.today, day)


def _tasks(renewal: Checkpoint, playbook: Playbook, number: int, started_on: date, day: Day) -> list[Action]:
    return [_task(renewal, playbook, step, number, started_on, day) for step in playbook.steps]


def _task(renewal: Checkpoint, playbook: Playbook, step: Step, number: int, started_on: date, day: Day) -> Action:
    to = recipient(renewal, step.owner, day.settings.people)
    shown = checkpoints.without(renewal, day.readiness.unfit_kinds(renewal.account_key))
    # The tables may be from before midnight; the reader counts from today.
    shown = replace(shown, days_to_decision=(renewal.decision_date - day.today).days)
    where = calendar_of(renewal.region, day.settings)
    due_on = working_days.due_date(started_on, step.due_in_working_days, working_days.calendar(where.country))
    names = {"due_on": due_on, "assignee_name": to.name}
    subject = templates.subject(step.subject, shown, **names)
    html = templates.body(step.body, shown, **names)
    sources = day.readiness.sources_shown(renewal.crm_source, renewal.account_key)
    for note in (*(day.readiness.how_late(source, day.now) for source in reversed(sources)), to.note):
        if note:
            html = f"{escape(note)}<br>\n<br>\n{html}"
    state, because = day.planned_state(step.kind)
    return Action(
        channel=step.kind,
        entity_kind=RENEWAL,
        entity_id=renewal.renewal_id,
        rule=playbook.name,
        episode_no=number,
        step=step.id,
        account_key=renewal.account_key,
        owner_key=to.owner_key,
        recipient=to.email,
        subject=subject,
        body={
            "subject": subject,
            "html": html,
            "due_at": _due_at(due_on, ZoneInfo(where.zone)),
            "due_on": due_on.isoformat(),
            "priority": step.priority,
            "company_id": renewal.crm_account_id,
            "owner_id": to.owner_id,
        },
        reads=day.readiness.sources_shown(renewal.crm_source, renewal.account_key),
        deadline=renewal.decision_date,
        not_after=min(day.after(renewal.decision_date), day.after(started_on + timedelta(days=USEFUL_DAYS))),
        version=f"{playbook.name} {playbook.version}",
        state=state,
        because=because,
    )


def _due_at(due_on: date, zone: ZoneInfo) -> str:
    return datetime.combine(due_on, _DUE_AT, zone).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _change(kind: Any, renewal: Checkpoint, playbook: Playbook, number: int, day: Day, because: str = "") -> Change:
    shown = checkpoints.without(renewal, day.readiness.unfit_kinds(renewal.account_key))
    found = {**evidence(shown, day), "version": playbook.version}
    return Change(
        kind, playbook.name, renewal.renewal_id, number, renewal.account_key, found, day.severity(renewal), because
    )
