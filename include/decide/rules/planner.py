"""Open, update and close the episodes of a rule. Subclasses write the messages.

An episode opens when the rule's conditions hold and no filter blocks it. It is updated while it is open, and closes
when its reason is gone. While the data behind it is not up to date and validated, it stays unchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic

from include.decide import alert_tasks
from include.decide.context import Day, Outcome, plain
from include.decide.episodes import Change, Episode, Kind
from include.decide.recipients import Recipient
from include.decide.rules.evaluate import Hit
from include.decide.rules.load import File, Rule
from include.decide.rules.reasons import Block, DetailedReason, Reason
from include.decide.rules.scan import Scanned
from include.outbox.message import Message
from include.outbox.store import Action


@dataclass(frozen=True)
class Evaluation(Generic[File]):
    """One subject of a rule today.

    Args:
        scanned: The scan of the rule.
        hit: The subject's values; None if it is no longer listed.
        last: The rule's last episode with the subject; None for none.
        on_hold: Why nothing may be sent about it today; "" if it may.
        close_reason: Why its episode closes today; "" while it stays open.
    """

    scanned: Scanned[File]
    subject_id: str
    hit: Hit | None
    last: Episode | None
    on_hold: str = ""
    close_reason: str = ""

    @property
    def rule(self) -> Rule[File]:
        return self.scanned.rule

    @property
    def open(self) -> Episode | None:
        """Its episode, if it was already open before today."""
        return self.last if self.last and self.last.state == "open" else None

    @property
    def number(self) -> int:
        """The number of its open episode, or of the next one."""
        return self.last.episode_no + (self.open is None) if self.last else 1

    @property
    def account_key(self) -> str:
        return self.hit.account_key if self.hit else self.last.account_key if self.last else ""

    @property
    def values(self) -> Mapping[str, Any]:
        """Its columns; empty if it is no longer listed."""
        return self.hit.values if self.hit else {}


def why_on_hold(day: Day, rule: Rule[Any], hit: Hit) -> str:
    """Return why nothing may be sent about a subject today; "" if it may."""
    if reason := day.readiness.why_on_hold(hit.values["crm_source"], hit.account_key):
        return reason
    unfit = sorted(rule.kinds & day.readiness.unfit_kinds(hit.account_key)) if rule.kinds else []
    return day.readiness.why_unknown(unfit[0], hit.account_key, day.now) if unfit else ""


class Planner(ABC, Generic[File]):
    """Turns the scan of a rule into episode changes and messages."""

    def __init__(self, day: Day) -> None:
        self.day = day
        self.outcome = Outcome()

    def follow(self, scanned: Scanned[File]) -> Iterator[Evaluation[File]]:
        """Open, update and close the episodes of one rule.

        Yields:
            Each subject that is open, that closes now, or that would open if it were not on hold.
        """
        for evaluation in self._evaluations(scanned):
            if evaluation.open:
                reason = self.close_reason(evaluation)
                if reason:
                    self._change(evaluation, "close", reason=reason)
                elif evaluation.hit and not evaluation.on_hold:
                    self._change(evaluation, "update")
                yield replace(evaluation, close_reason=reason)
            elif blocked := self._blocked(evaluation):
                self.block(evaluation, *blocked)
            elif evaluation.on_hold:
                self.outcome.n_on_hold += 1
                yield evaluation
            else:
                self.open_episode(evaluation)
                yield evaluation

    def open_episode(self, evaluation: Evaluation[File], **fields: Any) -> None:
        self._change(evaluation, "open", **fields)

    def block(self, evaluation: Evaluation[File], *whys: DetailedReason) -> None:
        """Record the reasons that keep a rule from acting on a subject."""
        name, about = evaluation.rule.file.name, evaluation.rule.about
        self.outcome.blocked += [Block(name, about, evaluation.subject_id, evaluation.account_key, why) for why in whys]

    def alert(
        self, evaluation: Evaluation[File], message: Message, step: str, to: Recipient, task: bool = True, **fields: Any
    ) -> list[Action]:
        """Return the alert on every message channel, and the CRM task to answer it in."""
        alerts = [
            self.day.action(
                channel,
                message,
                **{
                    "entity_kind": evaluation.rule.about,
                    "entity_id": evaluation.subject_id,
                    "rule": evaluation.rule.file.name,
                    "episode_no": evaluation.number,
                    "step": step,
                    "account_key": evaluation.account_key,
                    "owner_key": to.owner_key,
                    "recipient": to.email,
                    "version": evaluation.rule.version,
                }
                | fields,
            )
            for channel in self.day.settings.channels.messages_by
        ]
        if not (alerts and task):
            return alerts
        answered = alert_tasks.of_alert(
            alerts[0],
            message,
            self.day,
            region=evaluation.values["region"],
            severity=self.severity(evaluation),
            company_id=evaluation.values["crm_account_id"],
            to=to,
        )
        return [*alerts, answered]

    def figures(self, evaluation: Evaluation[File]) -> dict[str, Any]:
        """Return the evidence of an episode: the figures that its conditions read, their day and their sources."""
        columns = sorted((evaluation.rule.columns | self.kept) & evaluation.values.keys())
        return {
            "as_of": self.day.as_of.isoformat(),
            "sources": list(self.sources(evaluation)),
            "version": evaluation.rule.file.version,
            **{name: plain(evaluation.values[name]) for name in columns},
        }

    # Columns that are stored with an episode in addition to those that the conditions read.
    kept: frozenset[str] = frozenset()

    @abstractmethod
    def close_reason(self, evaluation: Evaluation[File]) -> str:
        """Return why the open episode of a subject closes today; "" while it stays open."""

    @abstractmethod
    def filters(self, evaluation: Evaluation[File]) -> list[DetailedReason]:
        """Return the reasons that keep a rule from opening for a subject whose conditions hold; empty if it opens."""

    @abstractmethod
    def severity(self, evaluation: Evaluation[File]) -> str:
        """Return the severity for a subject."""

    @abstractmethod
    def sources(self, evaluation: Evaluation[File]) -> tuple[str, ...]:
        """Return the sources whose data a message about a subject shows."""

    def answer(self, evaluation: Evaluation[File]) -> str:
        """Return the outcome that people reported, if it closes the episode."""
        return ""

    def _evaluations(self, scanned: Scanned[File]) -> Iterator[Evaluation[File]]:
        listed = set()
        for hit in scanned.hits:
            listed.add(hit.subject_id)
            last = scanned.episodes.get(hit.subject_id)
            if hit.opens or scanned.rule.is_chosen or (last and last.state == "open"):
                yield Evaluation(scanned, hit.subject_id, hit, last, why_on_hold(self.day, scanned.rule, hit))
        for subject_id, last in scanned.episodes.items():
            if last.state == "open" and subject_id not in listed:
                source = last.account_key.partition(":")[0]
                yield Evaluation(
                    scanned, subject_id, None, last, self.day.readiness.why_on_hold(source, last.account_key)
                )

    def _blocked(self, evaluation: Evaluation[File]) -> list[DetailedReason]:
        if evaluation.hit and not evaluation.hit.opens:
            return [DetailedReason(Reason.CONDITION_NOT_MET)]
        return self.filters(evaluation)

    def _change(self, evaluation: Evaluation[File], kind: Kind, **fields: Any) -> None:
        found: dict[str, Any] = {"as_of": self.day.as_of.isoformat()}
        if kind == "close" and (answer := self.answer(evaluation)):
            found["answer"] = fields["answer"] = answer
        elif evaluation.hit:
            found = self.figures(evaluation)
            fields["severity"] = self.severity(evaluation)
        self.outcome.changes.append(
            Change(
                kind,
                evaluation.rule.file.name,
                evaluation.subject_id,
                evaluation.number,
                evaluation.account_key,
                found,
                entity_kind=evaluation.rule.about,
                **fields,
            )
        )
