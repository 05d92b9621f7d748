"""Plan the renewal ladder's reminders for today, and close the episodes of renewals that are over.

An episode opens with the first reminder of a renewal. It closes when the renewal is no longer open or can no longer be
declined. Reminders that were due while nothing ran are recorded as expired, so that "why did I not hear at 90 days?"
has an answer. Reminders that were due before the episode opened are not recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from include.decide.context import Day, Outcome
from include.decide.episodes import RENEWAL
from include.decide.playbooks.schema import Playbook
from include.decide.recipients import Recipient, recipient
from include.decide.renewals import checkpoint as checkpoints
from include.decide.renewals import message as renewal_message
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.renewals.ladder import Rung, due_on, passed_over, rungs
from include.decide.risk import Risks
from include.decide.rules.evaluate import Hit
from include.decide.rules.load import Rule
from include.decide.rules.planner import Evaluation, Planner
from include.decide.rules.reasons import DetailedReason, Reason
from include.decide.rules.scan import Scanned
from include.decide.rules.schema import RuleFile
from include.decide.rules.subjects import table
from include.outbox.message import Message
from include.outbox.store import Action, make_key

_GONE = ("sent", "sending", "uncertain", "suppressed")


class LadderRule(RuleFile):
    """The ladder as a rule. ``config/renewals.yaml`` names its days."""

    type: ClassVar[str] = "ladder"


LADDER = LadderRule(
    name=RENEWAL,
    version=1,
    status="live",
    title="Renewal checkpoint reached, or notice deadline near",
    why="A renewal is won in the months before its date. After the notice deadline it is too late.",
)


class Reminders(Planner[LadderRule]):
    kept = frozenset(
        {
            "decision_date",
            "due_date",
            "notice_deadline",
            "target_arr",
            "currency",
            "usage_28d",
            "usage_baseline",
            "usage_ratio",
            "active_users_28d",
            "paid_seats",
            "n_open_tickets",
            "n_open_urgent_tickets",
            "oldest_open_urgent_at",
            "last_contact_at",
            "decision_maker_known",
        }
    )

    def __init__(self, day: Day, playbooks: Mapping[str, Rule[Playbook]], risks: Risks) -> None:
        super().__init__(day)
        self._playbooks = playbooks
        self._risks = risks
        self._ladder = day.settings.renewals.ladder()
        self._rungs = {
            renewal.renewal_id: due_on(day.today, renewal.decision_date, renewal.term_days, self._ladder)
            for renewal in day.renewals.values()
        }

    def plan(self) -> Outcome:
        """Return today's changes and reminders."""
        day, subject, hits = self.day, table(RENEWAL), []
        for renewal_id, renewal in day.renewals.items():
            shown = checkpoints.without(renewal, day.readiness.unfit_kinds(renewal.account_key), subject)
            hits.append(Hit(renewal_id, vars(shown), opens=self._rungs[renewal_id] is not None))
        mine = {renewal_id: each for (rule, renewal_id), each in day.episodes.items() if rule == RENEWAL}
        for evaluation in self.follow(Scanned(Rule(LADDER, RENEWAL, subject), hits, mine)):
            if evaluation.hit and not evaluation.close_reason:
                self._remind(evaluation, Checkpoint(**evaluation.values))
        return self.outcome

    def close_reason(self, evaluation: Evaluation[LadderRule]) -> str:
        if evaluation.on_hold:
            return ""
        if evaluation.hit is None:
            return self.day.why_missing(evaluation.subject_id)
        decision = evaluation.values["decision_date"]
        if evaluation.values["is_auto_renew"] and self.day.today > decision:
            return f"the notice deadline {decision} passed without notice: it auto-renews"
        return ""

    def filters(self, evaluation: Evaluation[LadderRule]) -> list[DetailedReason]:
        """Block a reminder that was due before the last answer: the next checkpoint reminds again."""
        rung, last = self._rungs[evaluation.subject_id], evaluation.last
        if rung and last and last.answer and last.closed_on and rung.on <= last.closed_on:
            return [DetailedReason(Reason.ANSWERED, {"step": str(rung.days), "answered_on": last.closed_on})]
        return []

    def severity(self, evaluation: Evaluation[LadderRule]) -> str:
        return "high" if self.day.is_near(evaluation.values["decision_date"]) else "normal"

    def sources(self, evaluation: Evaluation[LadderRule]) -> tuple[str, ...]:
        return self.day.readiness.sources_shown(evaluation.values["crm_source"], evaluation.account_key)

    def _remind(self, evaluation: Evaluation[LadderRule], renewal: Checkpoint) -> None:
        rung, is_open = self._rungs[evaluation.subject_id], evaluation.open
        if is_open and is_open.is_snoozed(self.day.today):
            if rung:
                self.block(
                    evaluation, DetailedReason(Reason.SNOOZED, {"step": str(rung.days), "until": is_open.snoozed_until})
                )
            return
        if evaluation.on_hold:
            self.outcome.n_on_hold += bool(rung and is_open)
            notices = (
                list(self._notices(evaluation, renewal, rung)) if rung and self.severity(evaluation) == "high" else []
            )
            if notices and not is_open:
                self.open_episode(evaluation)
            self.outcome.actions += notices
            return
        if rung:
            self.outcome.actions += self._reminder(evaluation, renewal, rung)
        if is_open:
            decision, term_days = renewal.decision_date, renewal.term_days
            for missed in passed_over(is_open.updated_on, self.day.today, decision, term_days, self._ladder):
                self.outcome.actions += self._expired(evaluation, renewal, missed)

    def _reminder(self, evaluation: Evaluation[LadderRule], renewal: Checkpoint, rung: Rung) -> list[Action]:
        day, to = self.day, self.day.reader(renewal, evaluation.open)
        all_rungs = rungs(renewal.decision_date, renewal.term_days, self._ladder)
        following = next((other for other in all_rungs if other.on > rung.on), None)
        running = (
            rule.file
            for name, rule in self._playbooks.items()
            if (episode := day.episodes.get((name, renewal.renewal_id))) and episode.state == "open"
        )
        message = renewal_message.checkpoint_message(
            renewal, rung, following, to, self._risks.of_renewal(renewal), day, next(running, None)
        )
        return self._step(evaluation, str(rung.days), to, message, rung, task=True, reads=self.sources(evaluation))

    def _notices(self, evaluation: Evaluation[LadderRule], renewal: Checkpoint, rung: Rung) -> Iterator[Action]:
        """Yield the short notice for lead and CSM, unless the reminder itself has already been sent."""
        readers: dict[str, tuple[str, Recipient]] = {}
        for role in ("lead", "csm"):
            to = recipient(renewal, role, self.day.settings.people)
            readers[to.email] = (role, to)
        for role, to in readers.values():
            message = renewal_message.deadline_notice(renewal, to, self.day)
            for action in self._step(evaluation, f"deadline_notice:{role}", to, message, rung):
                reminder = make_key(
                    RENEWAL, evaluation.subject_id, RENEWAL, evaluation.number, str(rung.days), action.channel
                )
                if self.day.outbox.get(reminder) not in _GONE:
                    yield action

    def _expired(self, evaluation: Evaluation[LadderRule], renewal: Checkpoint, missed: Rung) -> list[Action]:
        to = recipient(renewal, "csm", self.day.settings.people)
        message = Message(subject=f"{renewal.account_name}: {missed.days}-day checkpoint", summary="Passed over.")
        reason = f"passed over: it was due on {missed.on}, and no decision ran in time"
        return self._step(evaluation, str(missed.days), to, message, missed, state="expired", reason=reason)

    def _step(
        self,
        evaluation: Evaluation[LadderRule],
        step: str,
        to: Recipient,
        message: Message,
        until: Rung,
        task: bool = False,
        **fields: Any,
    ) -> list[Action]:
        defaults: dict[str, Any] = {
            "reads": (),
            "deadline": evaluation.values["decision_date"],
            "not_after": self.day.start_of(until.until),
        }
        return self.alert(evaluation, message, step, to, task, **(defaults | fields))
