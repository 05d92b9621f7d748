"""Playbooks: where one starts, where its steps become tasks, where it ends and what is left open is closed.

What runs goes on with the version it began with. What people do with the tasks holds: a completed one lets the next
begin, a moved one moves it, one given away takes what follows in that role along, and an outcome ends it all. A share
of the accounts may be held out: for them everything is put on record, and nothing is given to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import escape

from include.common import working_days
from include.common.text import one_line
from include.decide import alert_tasks, task_feedback
from include.decide.context import URGENT_DAYS, Day, Outcome, plain
from include.decide.episodes import Change, Episode
from include.decide.explain.reasons import Block, Reason, Why
from include.decide.playbooks import schedule
from include.decide.playbooks.evaluate import Answer
from include.decide.playbooks.load import Loaded
from include.decide.playbooks.scan import LEFT_OUT, Evaluated, Given, Reached, Running
from include.decide.playbooks.schedule import Slot
from include.decide.playbooks.schema import Step
from include.decide.recipients import Owner, Recipient, calendar_of, recipient
from include.decide.risk import Risk
from include.decide.rules import templates
from include.decide.signals.plan import outside
from include.outbox.store import Action

_NEVER_DONE = ("failed", "expired")  # tasks that did not come into the CRM, and will not


def plan(day: Day, evaluated: Sequence[Evaluated]) -> Outcome:
    """Return what happens today by the playbooks."""
    outcome = Outcome()
    for one in evaluated:
        for running in one.running.values():
            _go_on(day, running, outcome)
        for entity_id, reached in one.reached.items():
            if not one.loaded:
                continue
            no = _filters(one, one.loaded, reached)
            account_key = str(reached.answer.values["account_key"])
            outcome.blocked += [Block(one.name, one.loaded.about, entity_id, account_key, why) for why in no]
            if not no:
                _start(day, one.loaded, entity_id, reached, outcome)
    return outcome


def _filters(evaluated: Evaluated, loaded: Loaded, reached: Reached) -> list[Why]:
    """Return the filters that keep a playbook from starting for something that has reached its trigger."""
    playbook, last = loaded.playbook, reached.last
    no = [Why(Reason.EXIT_HOLDS, {"condition": playbook.exit.when})] if reached.answer.ends else []
    no += outside(playbook.audience, reached.answer.values)
    if playbook.trigger.at_risk and not (reached.risk and reached.risk.open):
        no.append(Why(Reason.NO_OPEN_RISK))
    elif playbook.first_scan == "silent" and reached.since < evaluated.first_scan_on:
        no.append(Why(Reason.BEFORE_FIRST_SCAN, {"first_scan_on": evaluated.first_scan_on}))
    if last and _ran_for_it(loaded, reached, last):
        no.append(Why(Reason.RAN_BEFORE, {"opened_on": last.opened_on, "closed_on": last.closed_on}))
    return no


def _ran_for_it(loaded: Loaded, reached: Reached, last: Episode) -> bool:
    trigger = loaded.playbook.trigger
    if trigger.rung is None:
        return bool(reached.cause == last.evidence.get("started_by"))
    # A rung is reached once; with a condition it counts again each time that this holds, until people have ended it.
    return bool(last.answer) or not (trigger.when or trigger.at_risk)


def _start(day: Day, loaded: Loaded, entity_id: str, reached: Reached, outcome: Outcome) -> None:
    answer = reached.answer
    account_key = str(answer.values["account_key"])
    if day.readiness.why_held(answer.values["crm_source"], account_key):
        outcome.n_held += 1
        return
    number = reached.last.episode_no + 1 if reached.last else 1
    arm = "held_out" if loaded.playbook.holds_out(account_key) else "acted"
    found = _evidence(day, loaded, answer, reached.cause)
    outcome.changes.append(
        Change(
            "open",
            loaded.playbook.name,
            entity_id,
            number,
            account_key,
            found,
            _severity(answer),
            entity_kind=loaded.about,
            arm=arm,
        )
    )
    outcome.started.append(loaded)
    if arm == "acted":
        outcome.actions += _tasks(day, loaded, answer, reached.risk, entity_id, number, day.today, {})


def _go_on(day: Day, running: Running, outcome: Outcome) -> None:
    loaded, episode, answer = running.loaded, running.episode, running.answer
    said = _said(running)
    if not said and day.readiness.why_held(episode.account_key.partition(":")[0], episode.account_key):
        return
    because = task_feedback.closed_because(said) if said else _why_over(day, running)
    if because:
        outcome.changes.append(_closed(day, running, because, said))
        outcome.actions += [
            alert_tasks.closing(day, episode, given.step, given.key, because, _version(loaded))
            for given in running.given.values()
            if given.state in alert_tasks.MAY_BE_OUTSIDE
            and given.ended_on is None
            and not given.step.startswith(alert_tasks.CLOSE)
        ]
        return
    if answer is None:
        return
    found = _evidence(day, loaded, answer, str(episode.evidence.get("started_by", "")))
    outcome.changes.append(
        episode.change("update", found, account_key=str(answer.values["account_key"]), severity=_severity(answer))
    )
    if episode.arm != "held_out":
        outcome.actions += _tasks(
            day, loaded, answer, running.risk, episode.entity_id, episode.episode_no, episode.opened_on, running.given
        )


def _said(running: Running) -> str:
    """Return what people say came of a playbook: one of its outcomes, or that all is done; "" while it goes on."""
    playbook, given = running.loaded.playbook, running.given
    outcomes = {outcome.casefold(): outcome for outcome in playbook.outcome}
    done = [row for row in given.values() if row.task == "done"]  # the last completed one last
    for row in reversed(done):
        if known := outcomes.get(one_line(row.outcome).casefold()):
            return known
    steps = [given.get(step.id) for step in playbook.steps]
    if done and all(row and (row.ended_on or row.state in _NEVER_DONE) for row in steps):
        return task_feedback.said(done[-1].outcome)
    return ""


def _why_over(day: Day, running: Running) -> str:
    """Return why a playbook ends today; "" if it goes on."""
    loaded, episode, answer = running.loaded, running.episode, running.answer
    after = loaded.playbook.exit.after_days
    if answer is None:
        if episode.entity_kind == "renewal":
            return day.why_missing(episode.entity_id)
        return "it is no longer listed: gone from the CRM, excluded, or what it was about has changed"
    if answer.ends:
        return f"the risk is gone: {loaded.playbook.exit.when}"
    if not running.is_signal_open and loaded.playbook.trigger.at_risk:
        return "no risk is open for the account any more"
    if not running.is_signal_open:
        return f"what started it is over: {' or '.join(loaded.playbook.trigger.signals)}"
    if after is not None and day.today >= episode.opened_on + timedelta(days=after):
        return f"its time is over: {after} days"
    return ""


def _tasks(
    day: Day,
    loaded: Loaded,
    answer: Answer,
    risk: Risk | None,
    entity_id: str,
    number: int,
    started_on: date,
    given: Mapping[str, Given],
) -> list[Action]:
    """Return the steps that have begun and were not given out; those that still wait to leave are rebuilt."""
    where = calendar_of(answer.values["region"], day.settings)
    ended = {step: row.ended_on for step, row in given.items() if row.ended_on}
    moved = {step: row.moved_to for step, row in given.items() if row.moved_to}
    actions = []
    for slot in schedule.slots(loaded.playbook, started_on, working_days.calendar(where.country), ended, moved):
        step, row = slot.step, given.get(slot.step.id)
        if row is not None and row.state not in ("planned", "parked"):
            continue
        holds = answer.only_if.get(step.id, True)
        if row is None and (slot.begins_on > day.today or holds is None):
            continue
        left_out = f"{LEFT_OUT}{step.only_if} is false" if row is None and holds is False else ""
        to = _reader(day, loaded, step, answer, given)
        actions.append(_task(day, loaded, slot, answer, risk, entity_id, number, ZoneInfo(where.zone), to, left_out))
    return actions


def _reader(day: Day, loaded: Loaded, step: Step, answer: Answer, given: Mapping[str, Given]) -> Recipient:
    """Return whose a step is: whoever was last given a task of the same role, else whoever has the role."""
    roles = {each.id: each.owner for each in loaded.playbook.steps}
    for row in reversed(list(given.values())):  # the last changed one last
        person = day.assignees.get(row.given_to)
        if person and roles.get(row.step) == step.owner:
            return replace(person, note="You get this because the task before it was given to you in the CRM.")
    return recipient(_owner(answer), step.owner, day.settings.people)


def _task(
    day: Day,
    loaded: Loaded,
    slot: Slot,
    answer: Answer,
    risk: Risk | None,
    entity_id: str,
    number: int,
    zone: ZoneInfo,
    to: Recipient,
    left_out: str,
) -> Action:
    playbook, step, values = loaded.playbook, slot.step, answer.values
    account_key, source = str(values["account_key"]), str(values["crm_source"])
    deadline = values["decision_date"] if loaded.about == "renewal" else None
    open_risks = "; ".join(risk.titles) if risk else ""
    shown = {**values, "due_on": slot.due_on, "assignee_name": to.name, "open_risks": open_risks}
    if deadline:
        # The tables may be from before midnight; the reader counts from today.
        shown["days_to_decision"] = (deadline - day.today).days
    subject, html = templates.subject(step.subject, shown), templates.body(step.body, shown)
    sources = day.readiness.sources_shown(source, account_key)
    for note in (*(day.readiness.how_late(each, day.now) for each in reversed(sources)), to.note):
        if note:
            html = f"{escape(note)}<br>\n<br>\n{html}"
    if step is playbook.steps[-1]:
        html += f"<br>\n<br>\nWhen you complete it, write the outcome: {escape(', '.join(playbook.outcome))}."
    state, because = ("suppressed", left_out) if left_out else day.planned_state(step.kind)
    useful = day.after(slot.begins_on + timedelta(days=alert_tasks.USEFUL_DAYS))
    return Action(
        channel=step.kind,
        entity_kind=loaded.about,
        entity_id=entity_id,
        rule=playbook.name,
        episode_no=number,
        step=step.id,
        account_key=account_key,
        owner_key=to.owner_key,
        recipient=to.email,
        subject=subject,
        body={
            "subject": subject,
            "html": html,
            **alert_tasks.due(slot.due_on, zone.key),
            "priority": step.priority,
            "company_id": values["crm_account_id"],
            "owner_id": to.owner_id,
        },
        reads=sources,
        deadline=deadline,
        not_after=min(day.after(deadline), useful) if deadline else useful,
        version=_version(loaded),
        state=state,  # type: ignore[arg-type]
        because=because,
    )


def _closed(day: Day, running: Running, because: str, said: str) -> Change:
    episode, answer = running.episode, running.answer
    started_by = str(episode.evidence.get("started_by", ""))
    found: dict[str, Any] = {"as_of": day.as_of.isoformat()}
    if said:
        found["answer"] = said
    elif answer:
        found = _evidence(day, running.loaded, answer, started_by)
    return episode.change("close", found, because=because, answer=said)


def _version(loaded: Loaded) -> str:
    return f"{loaded.playbook.name} {loaded.playbook.version}"


def _evidence(day: Day, loaded: Loaded, answer: Answer, started_by: str) -> dict[str, Any]:
    used = {"decision_date", "target_arr", "arr"} & answer.values.keys()
    for expression in (loaded.starts, loaded.ends, *loaded.only_if.values()):
        used |= set(expression.columns) if expression else set()
    values = answer.values
    return {
        "as_of": day.as_of.isoformat(),
        "sources": list(day.readiness.sources_shown(values["crm_source"], values["account_key"])),
        "version": loaded.playbook.version,
        "started_by": started_by,
        **{name: plain(values[name]) for name in sorted(used)},
    }


def _severity(answer: Answer) -> str:
    left = answer.values.get("days_to_decision")
    return "high" if left is not None and left <= URGENT_DAYS else "normal"


def _owner(answer: Answer) -> Owner:
    return Owner(**{name: answer.values[name] for name in Owner.__dataclass_fields__})
