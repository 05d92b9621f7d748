"""The inputs of a decision, read once, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from include.common import texts
from include.config import Settings
from include.decide.episodes import Change, Episode
from include.decide.playbooks.schema import Playbook
from include.decide.readiness import Readiness
from include.decide.recipients import Owned, Recipient, recipient
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.rules.load import Rule
from include.decide.rules.reasons import Block
from include.outbox.message import Message
from include.outbox.store import Action, State

URGENT_DAYS = 14


@dataclass(frozen=True)
class Day:
    """The newest built day, with everything that a decision reads.

    Args:
        today: The current date in the reporting time zone.
        as_of: The day that the tables were built for.
        renewals: Id -> open renewal.
        episodes: Rule and renewal id -> the last episode.
        ends: Renewal id -> how it ended, for renewals with an open episode that are no longer listed.
        outbox: Key -> state, for all outbox rows of the open renewals.
        assignees: Owner key -> the person who was assigned an alert's task in the CRM.
    """

    today: date
    now: datetime
    as_of: date
    settings: Settings
    readiness: Readiness
    renewals: Mapping[str, Checkpoint]
    episodes: Mapping[tuple[str, str], Episode]
    ends: Mapping[str, str]
    outbox: Mapping[str, str]
    assignees: Mapping[str, Recipient] = field(default_factory=dict)

    def reader(self, owned: Owned, episode: Episode | None) -> Recipient:
        """Return the person to notify: the assignee of the open episode's task, else the CSM."""
        assigned = self.assignees.get(episode.assignee_key) if episode and episode.state == "open" else None
        return assigned or recipient(owned, "csm", self.settings.people)

    def reading(self, address: str) -> AbstractContextManager[None]:
        """Write in the language of the reader with this address."""
        return texts.reading(self.settings.language_of(address))

    def why_on_hold(self, renewal: Checkpoint) -> str:
        """Return why messages about a renewal may not show figures; "" if they may."""
        return self.readiness.why_on_hold(renewal.crm_source, renewal.account_key)

    def why_missing(self, renewal_id: str) -> str:
        """Return why a renewal is no longer listed."""
        return self.ends.get(renewal_id, "the renewal is no longer in the CRM, or its account is excluded")

    def start_of(self, day: date) -> datetime:
        """Return midnight at the start of a day, in the reporting time zone."""
        return datetime.combine(day, time.min, ZoneInfo(self.settings.reporting_zone))

    def after(self, day: date) -> datetime:
        """Return midnight at the end of a day, in the reporting time zone."""
        return self.start_of(day + timedelta(days=1))

    def planned_state(self, channel: str) -> tuple[State, str]:
        return planned_state(self.settings, channel)

    def action(self, channel: str, message: Message, **fields: Any) -> Action:
        """Return a message as an action of a channel.

        Args:
            **fields: The other fields of the action. They may override the state.
        """
        state, reason = self.planned_state(channel)
        body = message.model_dump(mode="json")
        return Action(
            channel=channel, subject=message.subject, body=body, **{"state": state, "reason": reason} | fields
        )

    def is_near(self, decision: date) -> bool:
        """Return whether a decision date is near enough to be urgent."""
        return (decision - self.today).days <= URGENT_DAYS


@dataclass
class Outcome:
    """The result of one part of a decision.

    Args:
        started: Playbook versions that started.
        blocked: Subjects whose condition held and that a filter kept from opening, with the filter.
    """

    changes: list[Change] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    started: list[Rule[Playbook]] = field(default_factory=list)
    blocked: list[Block] = field(default_factory=list)
    n_on_hold: int = 0


def planned_state(settings: Settings, channel: str) -> tuple[State, str]:
    """Return the state, and its reason, of a new action on a channel. Dry run suppresses it permanently."""
    return ("suppressed", "dry run") if getattr(settings.channels, channel).dry_run else ("planned", "")


def plain(value: Any) -> Any:
    """Return a value in a form that JSON evidence can store."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
