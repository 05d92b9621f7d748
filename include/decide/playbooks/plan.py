"""Plan playbooks: start them, turn their steps into tasks, and close the open tasks of those that end.

A running playbook continues with the version that it started with. People steer it through its tasks: completing a task
lets the next step begin, moving one moves its due date, reassigning one also reassigns later steps of the same role,
and an outcome ends the playbook. A share of the accounts may be held out: their episodes are recorded, and nobody gets
a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from markupsafe import escape

from include.common import working_days
from include.common.text import one_line
from include.config import templates
from include.decide import alert_tasks, task_feedback
from include.decide.context import URGENT_DAYS, Day, Outcome
from include.decide.episodes import RENEWAL, Episode
from include.decide.playbooks import schedule
from include.decide.playbooks.scan import LEFT_OUT, Given, Scan
from include.decide.playbooks.schedule import Slot
from include.decide.playbooks.schema import Playbook, Step
from include.decide.recipients import Recipient, calendar_of, recipient
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.risk import Risk, Risks
from include.decide.rules.evaluate import Hit
from include.decide.rules.planner import Planner, Turn
from include.decide.rules.reasons import Reason, Why
from include.outbox.store import Action

_NEVER_DONE = ("failed", "expired")  # tasks that were not written to the CRM and will not be


class Tasks(Planner[Playbook]):
    """Plans the playbook tasks of a day."""

    kept = frozenset({"decision_date", "target_arr", "arr"})

    def __init__(self, day: Day, scan: Scan, risks: Risks) -> None:
        super().__init__(day)
        self._scan = scan
        self._risks = risks
        self._holds: Mapping[str, tuple[str, date]] = {}

    def plan(self) -> Outcome:
        """Return today's changes and tasks."""
        for one in self._scan.playbooks:
            self._holds = self._scan.holds(one.rule)
            for turn in self.follow(one):
                if turn.close_reason and turn.open:
                    self.outcome.actions += self._closings(turn, turn.open)
                elif turn.hit and not turn.on_hold and self._arm(turn) == "acted":
                    self.outcome.actions += self._tasks(turn, turn.hit)
        return self.outcome

    def opens(self, turn: Turn[Playbook], **said: Any) -> None:
        """Open an episode. For an account in the hold-out group it is only recorded."""
        super().opens(turn, arm=self._arm(turn), **said)
        self.outcome.started.append(turn.rule)

    def filters(self, turn: Turn[Playbook]) -> list[Why]:
        playbook, last, risk = turn.rule.file, turn.last, self._risk(turn)
        _, since = self._cause(turn)
        no = [Why(Reason.EXIT_HOLDS, {"condition": playbook.exit.when})] if turn.hit and turn.hit.closes else []
        no += playbook.audience.outside(turn.values)
        if playbook.trigger.at_risk and risk and risk.open:
            since = max(since, min(one.since for one in risk.open))
        if playbook.trigger.at_risk and not (risk and risk.open):
            no.append(Why(Reason.NO_OPEN_RISK))
        elif playbook.first_scan == "silent" and since < turn.scanned.first_scan_on:
            no.append(Why(Reason.BEFORE_FIRST_SCAN, {"first_scan_on": turn.scanned.first_scan_on}))
        if last and self._ran_for_it(turn, last):
            no.append(Why(Reason.RAN_BEFORE, {"opened_on": last.opened_on, "closed_on": last.closed_on}))
        return no

    def closes(self, turn: Turn[Playbook]) -> str:
        """Return why a playbook ends today: people entered an outcome, or its reason is gone; "" if it continues."""
        if said := self.answer(turn):
            return task_feedback.close_reason(said)
        return "" if turn.on_hold else self._why_over(turn)

    def answer(self, turn: Turn[Playbook]) -> str:
        """Return a known outcome that people entered, or the last task's if all steps are over; "" otherwise."""
        playbook, given = turn.rule.file, self._given(turn)
        outcomes = {outcome.casefold(): outcome for outcome in playbook.outcome}
        done = [row for row in given.values() if row.task == "done"]  # in order of completion
        for row in reversed(done):
            if known := outcomes.get(one_line(row.outcome).casefold()):
                return known
        steps = [given.get(step.id) for step in playbook.steps]
        if done and all(row and (row.ended_on or row.state in _NEVER_DONE) for row in steps):
            return task_feedback.said(done[-1].outcome)
        return ""

    def severity(self, turn: Turn[Playbook]) -> str:
        left = turn.values.get("days_to_decision")
        return "high" if left is not None and left <= URGENT_DAYS else "normal"

    def sources(self, turn: Turn[Playbook]) -> tuple[str, ...]:
        return self.day.readiness.sources_shown(turn.values["crm_source"], turn.account_key)

    def figures(self, turn: Turn[Playbook]) -> dict[str, Any]:
        """Return the evidence of an episode, with the trigger that started it."""
        started_by = str(turn.open.evidence.get("started_by", "")) if turn.open else self._cause(turn)[0]
        return super().figures(turn) | {"started_by": started_by}

    def _arm(self, turn: Turn[Playbook]) -> str:
        if turn.open:
            return turn.open.arm or "acted"
        return "held_out" if turn.rule.file.holds_out(turn.account_key) else "acted"

    def _given(self, turn: Turn[Playbook]) -> Mapping[str, Given]:
        return self._scan.given.get((turn.rule.file.name, turn.rule.about, turn.subject_id), {})

    def _risk(self, turn: Turn[Playbook]) -> Risk | None:
        if turn.hit is None or turn.rule.about != RENEWAL:
            return None
        return self._risks.of_renewal(Checkpoint(**turn.values))

    def _cause(self, turn: Turn[Playbook]) -> tuple[str, date]:
        """Return the trigger, and the day since when it has been met."""
        days = turn.rule.file.trigger.rung
        if days is None:
            return self._holds.get(turn.subject_id, ("", self.day.today))
        return f"rung {days}", turn.values["decision_date"] - timedelta(days=days)

    def _ran_for_it(self, turn: Turn[Playbook], last: Episode) -> bool:
        trigger = turn.rule.file.trigger
        if trigger.rung is None:
            return bool(self._cause(turn)[0] == last.evidence.get("started_by"))
        # A rung is reached once. With a condition, the playbook may start again whenever it holds, until people end it.
        return bool(last.answer) or not (trigger.when or trigger.at_risk)

    def _why_over(self, turn: Turn[Playbook]) -> str:
        playbook, trigger = turn.rule.file, turn.rule.file.trigger
        if turn.hit is None:
            if turn.rule.about == RENEWAL:
                return self.day.why_missing(turn.subject_id)
            return "it is no longer listed: gone from the CRM, excluded, or what it was about has changed"
        if turn.hit.closes:
            return f"the risk is gone: {playbook.exit.when}"
        # An unknown risk counts as open.
        if trigger.at_risk and (risk := self._risk(turn)) and risk.band == "none":
            return "no risk is open for the account any more"
        if trigger.signals and turn.subject_id not in self._holds:
            return f"what started it is over: {' or '.join(trigger.signals)}"
        after = playbook.exit.after_days
        if after is not None and turn.open and self.day.today >= turn.open.opened_on + timedelta(days=after):
            return f"its time is over: {after} days"
        return ""

    def _closings(self, turn: Turn[Playbook], episode: Episode) -> list[Action]:
        return [
            alert_tasks.closing(self.day, episode, given.step, given.key, turn.close_reason, turn.rule.version)
            for given in self._given(turn).values()
            if given.state in alert_tasks.MAY_BE_OUTSIDE
            and given.ended_on is None
            and not given.step.startswith(alert_tasks.CLOSE)
        ]

    def _tasks(self, turn: Turn[Playbook], hit: Hit) -> list[Action]:
        """Return tasks for the steps that have begun. Tasks that have not been sent yet are planned again."""
        given = self._given(turn)
        started_on = turn.open.opened_on if turn.open else self.day.today
        where = calendar_of(hit.values["region"], self.day.settings)
        ended = {step: row.ended_on for step, row in given.items() if row.ended_on}
        moved = {step: row.moved_to for step, row in given.items() if row.moved_to}
        calendar = working_days.calendar(where.country)
        actions = []
        for slot in schedule.slots(turn.rule.file, started_on, calendar, ended, moved):
            step, row = slot.step, given.get(slot.step.id)
            if row is not None and row.state not in ("planned", "parked"):
                continue
            holds = hit.only_if.get(step.id, True)
            if row is None and (slot.begins_on > self.day.today or holds is None):
                continue
            left_out = f"{LEFT_OUT}{step.only_if} is false" if row is None and holds is False else ""
            actions.append(self._task(turn, slot, self._reader(turn, step, hit, given), where.zone, left_out))
        return actions

    def _reader(self, turn: Turn[Playbook], step: Step, hit: Hit, given: Mapping[str, Given]) -> Recipient:
        """Return a step's recipient: the assignee of the last reassigned task of its role, else the role's person."""
        roles = {each.id: each.owner for each in turn.rule.file.steps}
        for row in reversed(list(given.values())):  # in order of the last change
            person = self.day.assignees.get(row.given_to)
            if person and roles.get(row.step) == step.owner:
                return replace(person, note="You get this because the task before it was given to you in the CRM.")
        return recipient(hit.owner, step.owner, self.day.settings.people)

    def _task(self, turn: Turn[Playbook], slot: Slot, to: Recipient, zone: str, left_out: str) -> Action:
        day, playbook, step, values = self.day, turn.rule.file, slot.step, turn.values
        deadline = values["decision_date"] if turn.rule.about == RENEWAL else None
        risk = self._risk(turn)
        open_risks = "; ".join(risk.titles) if risk else ""
        shown = {**values, "due_on": slot.due_on, "assignee_name": to.name, "open_risks": open_risks}
        if deadline:
            # The tables may have been built before midnight, but the reader counts from today.
            shown["days_to_decision"] = (deadline - day.today).days
        subject, html = templates.subject(step.subject, shown), templates.body(step.body, shown)
        sources = self.sources(turn)
        for note in (*(day.readiness.how_late(each, day.now) for each in reversed(sources)), to.note):
            if note:
                html = f"{escape(note)}<br>\n<br>\n{html}"
        if step is playbook.steps[-1]:
            html += f"<br>\n<br>\nWhen you complete it, write the outcome: {escape(', '.join(playbook.outcome))}."
        state, reason = ("suppressed", left_out) if left_out else day.planned_state(step.kind)
        useful = day.after(slot.begins_on + timedelta(days=alert_tasks.USEFUL_DAYS))
        return Action(
            channel=step.kind,
            entity_kind=turn.rule.about,
            entity_id=turn.subject_id,
            rule=playbook.name,
            episode_no=turn.number,
            step=step.id,
            account_key=turn.account_key,
            owner_key=to.owner_key,
            recipient=to.email,
            subject=subject,
            body={
                "subject": subject,
                "html": html,
                **alert_tasks.due(slot.due_on, zone),
                "priority": step.priority,
                "company_id": values["crm_account_id"],
                "owner_id": to.owner_id,
            },
            reads=sources,
            deadline=deadline,
            not_after=min(day.after(deadline), useful) if deadline else useful,
            version=turn.rule.version,
            state=state,  # type: ignore[arg-type]
            reason=reason,
        )
