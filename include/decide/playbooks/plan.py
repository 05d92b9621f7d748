"""Plan playbooks: start them, turn their steps into tasks, and close the open tasks of those that end.

A running playbook continues with the version that it started with. People steer it through its tasks: completing a task
lets the next step begin, moving one moves its due date, reassigning one also reassigns later steps of the same role,
and an outcome ends the playbook. A share of the account families may be held out: their episodes are recorded, and
nobody gets a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup, escape

from include.common import texts, working_days
from include.common.text import one_line
from include.common.texts import gettext
from include.config import templates
from include.config.own_texts import in_every_language, translated
from include.decide import alert_tasks, task_feedback
from include.decide.context import URGENT_DAYS, Day, Outcome
from include.decide.episodes import RENEWAL, Episode
from include.decide.playbooks import schedule
from include.decide.playbooks.scan import SKIPPED_PREFIX, Scan, StepTask
from include.decide.playbooks.schedule import Slot
from include.decide.playbooks.schema import Playbook, Step
from include.decide.recipients import Recipient, calendar_of, recipient
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.risk import Risk, Risks
from include.decide.rules.evaluate import Hit
from include.decide.rules.planner import Evaluation, Planner
from include.decide.rules.reasons import DetailedReason, Reason
from include.outbox import links
from include.outbox.store import Action

_NOT_WRITTEN = ("failed", "expired")  # tasks that were not written to the CRM and will not be


class Tasks(Planner[Playbook]):
    """Plans the playbook tasks of a day."""

    kept = frozenset({"decision_date", "target_arr", "arr"})

    def __init__(self, day: Day, scan: Scan, risks: Risks) -> None:
        super().__init__(day)
        self._scan = scan
        self._risks = risks
        self._triggers: Mapping[str, tuple[str, date]] = {}

    def plan(self) -> Outcome:
        """Return today's changes and tasks."""
        for one in self._scan.playbooks:
            self._triggers = self._scan.triggering_episodes(one.rule)
            for evaluation in self.follow(one):
                if evaluation.close_reason and evaluation.open:
                    self.outcome.actions += self._closings(evaluation, evaluation.open)
                elif evaluation.hit and not evaluation.on_hold and self._arm(evaluation) == "acted":
                    self.outcome.actions += self._tasks(evaluation, evaluation.hit)
        return self.outcome

    def open_episode(self, evaluation: Evaluation[Playbook], **fields: Any) -> None:
        """Open an episode. For an account in the hold-out group it is only recorded."""
        super().open_episode(evaluation, arm=self._arm(evaluation), **fields)
        self.outcome.started.append(evaluation.rule)

    def filters(self, evaluation: Evaluation[Playbook]) -> list[DetailedReason]:
        playbook, last, risk = evaluation.rule.file, evaluation.last, self._risk(evaluation)
        _, since = self._cause(evaluation)
        reasons = (
            [DetailedReason(Reason.EXIT_HOLDS, {"condition": playbook.exit.when})]
            if evaluation.hit and evaluation.hit.closes
            else []
        )
        reasons += playbook.audience.outside(evaluation.values)
        if playbook.trigger.at_risk and risk and risk.open:
            since = max(since, min(one.since for one in risk.open))
        if playbook.trigger.at_risk and not (risk and risk.open):
            reasons.append(DetailedReason(Reason.NO_OPEN_RISK))
        elif playbook.first_scan == "silent" and since < evaluation.scanned.first_scan_on:
            reasons.append(
                DetailedReason(Reason.BEFORE_FIRST_SCAN, {"first_scan_on": evaluation.scanned.first_scan_on})
            )
        if last and self._already_ran(evaluation, last):
            reasons.append(
                DetailedReason(Reason.RAN_BEFORE, {"opened_on": last.opened_on, "closed_on": last.closed_on})
            )
        return reasons

    def close_reason(self, evaluation: Evaluation[Playbook]) -> str:
        """Return why a playbook ends today: people entered an outcome, or its reason is gone; "" if it continues."""
        if answer := self.answer(evaluation):
            return task_feedback.close_reason(answer)
        return "" if evaluation.on_hold else self._end_reason(evaluation)

    def answer(self, evaluation: Evaluation[Playbook]) -> str:
        """Return a known outcome that people entered, or the last task's if all steps are over; "" otherwise."""
        playbook, step_tasks = evaluation.rule.file, self._step_tasks(evaluation)
        done = [row for row in step_tasks.values() if row.task == "done"]  # in order of completion
        for row in reversed(done):
            if known := self.known_outcome(playbook, row.outcome):
                return known
        steps = [step_tasks.get(step.id) for step in playbook.steps]
        if done and all(row and (row.ended_on or row.state in _NOT_WRITTEN) for row in steps):
            return task_feedback.short_outcome(done[-1].outcome)
        return ""

    @staticmethod
    def known_outcome(playbook: Playbook, entered: str) -> str:
        """Return the outcome that was entered: the task asked for it in its reader's language. "" for none of them."""
        outcomes = {text.casefold(): known for known in playbook.outcome for _, text in in_every_language(known)}
        return outcomes.get(one_line(entered).casefold(), "")

    def severity(self, evaluation: Evaluation[Playbook]) -> str:
        left = evaluation.values.get("days_to_decision")
        return "high" if left is not None and left <= URGENT_DAYS else "normal"

    def sources(self, evaluation: Evaluation[Playbook]) -> tuple[str, ...]:
        return self.day.readiness.sources_shown(evaluation.values["crm_source"], evaluation.account_key)

    def figures(self, evaluation: Evaluation[Playbook]) -> dict[str, Any]:
        """Return the evidence of an episode, with the trigger that started it."""
        started_by = (
            str(evaluation.open.evidence.get("started_by", "")) if evaluation.open else self._cause(evaluation)[0]
        )
        return super().figures(evaluation) | {"started_by": started_by}

    def _arm(self, evaluation: Evaluation[Playbook]) -> str:
        """Return the arm. A run that began with tasks keeps them, and a hold-out that ended releases its accounts."""
        if evaluation.open and evaluation.open.arm != "held_out":
            return "acted"
        held_out = self._scan.held_out.get(evaluation.rule.file.name, frozenset())
        return "held_out" if evaluation.account_key in held_out else "acted"

    def _step_tasks(self, evaluation: Evaluation[Playbook]) -> Mapping[str, StepTask]:
        return self._scan.step_tasks.get((evaluation.rule.file.name, evaluation.rule.about, evaluation.subject_id), {})

    def _risk(self, evaluation: Evaluation[Playbook]) -> Risk | None:
        if evaluation.hit is None or evaluation.rule.about != RENEWAL:
            return None
        return self._risks.of_renewal(Checkpoint(**evaluation.values))

    def _cause(self, evaluation: Evaluation[Playbook]) -> tuple[str, date]:
        """Return the trigger, and the day since when it has been met."""
        days = evaluation.rule.file.trigger.rung
        if days is None:
            return self._triggers.get(evaluation.subject_id, ("", self.day.today))
        return f"rung {days}", evaluation.values["decision_date"] - timedelta(days=days)

    def _already_ran(self, evaluation: Evaluation[Playbook], last: Episode) -> bool:
        trigger = evaluation.rule.file.trigger
        if trigger.rung is None:
            return bool(self._cause(evaluation)[0] == last.evidence.get("started_by"))
        # A rung is reached once. With a condition, the playbook may start again whenever it holds, until people end it.
        return bool(last.answer) or not (trigger.when or trigger.at_risk)

    def _end_reason(self, evaluation: Evaluation[Playbook]) -> str:
        playbook, trigger = evaluation.rule.file, evaluation.rule.file.trigger
        if evaluation.hit is None:
            if evaluation.rule.about == RENEWAL:
                return self.day.why_missing(evaluation.subject_id)
            return "it is no longer listed: deleted in the CRM, excluded, or its signals now have another subject"
        if evaluation.hit.closes:
            return f"the risk is gone: {playbook.exit.when}"
        # An unknown risk counts as open.
        if trigger.at_risk and (risk := self._risk(evaluation)) and risk.band == "none":
            return "the account has no open risk any more"
        if trigger.signals and evaluation.subject_id not in self._triggers:
            return f"its signal closed: {' or '.join(trigger.signals)}"
        after = playbook.exit.after_days
        if (
            after is not None
            and evaluation.open
            and self.day.today >= evaluation.open.opened_on + timedelta(days=after)
        ):
            return f"its time limit of {after} days is reached"
        return ""

    def _closings(self, evaluation: Evaluation[Playbook], episode: Episode) -> list[Action]:
        return [
            alert_tasks.closing(self.day, episode, row.step, row.key, evaluation.close_reason, evaluation.rule.version)
            for row in self._step_tasks(evaluation).values()
            if row.state in alert_tasks.MAY_BE_OUTSIDE
            and row.ended_on is None
            and not row.step.startswith(alert_tasks.CLOSE)
        ]

    def _tasks(self, evaluation: Evaluation[Playbook], hit: Hit) -> list[Action]:
        """Return tasks for the steps that have begun. Tasks that have not been sent yet are planned again."""
        step_tasks = self._step_tasks(evaluation)
        started_on = evaluation.open.opened_on if evaluation.open else self.day.today
        where = calendar_of(hit.values["region"], self.day.settings)
        ended = {step: row.ended_on for step, row in step_tasks.items() if row.ended_on}
        moved = {step: row.new_due_on for step, row in step_tasks.items() if row.new_due_on}
        calendar = working_days.calendar(where.country)
        actions = []
        for slot in schedule.slots(evaluation.rule.file, started_on, calendar, ended, moved):
            step, row = slot.step, step_tasks.get(slot.step.id)
            if row is not None and row.state not in ("planned", "parked"):
                continue
            is_met = hit.only_if.get(step.id, True)
            if row is None and (slot.begins_on > self.day.today or is_met is None):
                continue
            skip_reason = f"{SKIPPED_PREFIX}{step.only_if} is false" if row is None and is_met is False else ""
            actions.append(
                self._task(evaluation, slot, self._reader(evaluation, step, hit, step_tasks), where.zone, skip_reason)
            )
        return actions

    def _reader(
        self, evaluation: Evaluation[Playbook], step: Step, hit: Hit, step_tasks: Mapping[str, StepTask]
    ) -> Recipient:
        """Return a step's recipient: the assignee of the last reassigned task of its role, else the role's person."""
        roles = {each.id: each.owner for each in evaluation.rule.file.steps}
        for row in reversed(list(step_tasks.values())):  # in order of the last change
            person = self.day.assignees.get(row.reassigned_to)
            if person and roles.get(row.step) == step.owner:
                return replace(person, why="earlier_task")
        return recipient(hit.owner, step.owner, self.day.settings.people)

    def _texts(
        self, evaluation: Evaluation[Playbook], slot: Slot, to: Recipient, deadline: date | None
    ) -> tuple[str, str]:
        """Return the subject and body of a task, in its reader's language."""
        day, playbook, step, values = self.day, evaluation.rule.file, slot.step, evaluation.values
        risk = self._risk(evaluation)
        with day.reading(to.email):
            open_risks = "; ".join(risk.titles) if risk else ""
            shown = {**values, "due_on": slot.due_on, "assignee_name": to.name, "open_risks": open_risks}
            if deadline:
                # The tables may have been built before midnight, but the reader counts from today.
                shown["days_to_decision"] = (deadline - day.today).days
            subject = templates.subject(translated(step.subject), shown)
            paragraphs = [escape(note) for note in (to.note, *self._late_notes(evaluation)) if note]
            paragraphs.append(Markup(templates.body(translated(step.body), shown)))
            if step is playbook.steps[-1]:
                outcomes = ", ".join(translated(outcome) for outcome in playbook.outcome)
                ask = gettext("When you complete it, enter the outcome: {outcomes}.", outcomes=outcomes)
                paragraphs.append(escape(ask))
            if deadline:
                brief = links.renewal_brief(day.settings, evaluation.account_key, evaluation.subject_id)
                paragraphs += [escape(f"{link.label}: {link.url}") for link in brief]
            if texts.is_incomplete():
                paragraphs.append(escape(texts.incomplete_note()))
            return subject, Markup("<br>\n<br>\n").join(paragraphs)

    def _late_notes(self, evaluation: Evaluation[Playbook]) -> list[str]:
        return [self.day.readiness.late_note(each, self.day.now) for each in self.sources(evaluation)]

    def _task(self, evaluation: Evaluation[Playbook], slot: Slot, to: Recipient, zone: str, skip_reason: str) -> Action:
        day, playbook, step, values = self.day, evaluation.rule.file, slot.step, evaluation.values
        deadline = values["decision_date"] if evaluation.rule.about == RENEWAL else None
        subject, html = self._texts(evaluation, slot, to, deadline)
        state, reason = ("suppressed", skip_reason) if skip_reason else day.planned_state(step.kind)
        useful = day.after(slot.begins_on + timedelta(days=alert_tasks.USEFUL_DAYS))
        return Action(
            channel=step.kind,
            entity_kind=evaluation.rule.about,
            entity_id=evaluation.subject_id,
            rule=playbook.name,
            episode_no=evaluation.number,
            step=step.id,
            account_key=evaluation.account_key,
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
            reads=self.sources(evaluation),
            deadline=deadline,
            not_after=min(day.after(deadline), useful) if deadline else useful,
            version=evaluation.rule.version,
            state=state,  # type: ignore[arg-type]
            reason=reason,
        )
