"""All that a decision looks at, read once; and what it results in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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
    """The newest day, as decisions see it.

    Args:
        today: The day, in the reporting time zone.
        as_of: The day that the tables were built for.
        renewals: The open renewals, by id.
        episodes: The last episode of each signal and renewal.
        ends: What became of renewals that have an open episode and are no longer listed, by id.
        outbox: State of the rows of these renewals' open episodes, by key.
        assignees: Anyone who was given an alert's task, by owner key.
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
        """Return who is notified of something: anyone who was given the task of its open episode, else its CSM."""
        assigned = self.assignees.get(episode.assignee_key) if episode and episode.state == "open" else None
        return assigned or recipient(owned, "csm", self.settings.people)

    def why_on_hold(self, renewal: Checkpoint) -> str:
        """Return why nothing with figures may be said about a renewal; "" if it may."""
        return self.readiness.why_on_hold(renewal.crm_source, renewal.account_key)

    def why_missing(self, renewal_id: str) -> str:
        """Return what became of a renewal that is not listed any more."""
        return self.ends.get(renewal_id, "the renewal is no longer in the CRM, or its account is excluded")

    def start_of(self, day: date) -> datetime:
        """Return when a day begins."""
        return datetime.combine(day, time.min, ZoneInfo(self.settings.reporting_zone))

    def after(self, day: date) -> datetime:
        """Return when a day is over."""
        return self.start_of(day + timedelta(days=1))

    def planned_state(self, channel: str) -> tuple[State, str]:
        """Return how something is planned over a channel."""
        return planned_state(self.settings, channel)

    def action(self, channel: str, message: Message, **said: Any) -> Action:
        """Return a message as it is planned over a channel.

        Args:
            **said: All else of the action, also a state that is known at once.
        """
        state, reason = self.planned_state(channel)
        body = message.model_dump(mode="json")
        return Action(channel=channel, subject=message.subject, body=body, **{"state": state, "reason": reason} | said)

    def is_near(self, decision: date) -> bool:
        """Return whether a decision is so near that it is urgent."""
        return (decision - self.today).days <= URGENT_DAYS


@dataclass
class Outcome:
    """What a decision results in; of the playbooks, also which versions have started.

    Args:
        blocked: What did not open although its condition held, and the filters that blocked it.
    """

    changes: list[Change] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    started: list[Rule[Playbook]] = field(default_factory=list)
    blocked: list[Block] = field(default_factory=list)
    n_on_hold: int = 0


def planned_state(settings: Settings, channel: str) -> tuple[State, str]:
    """Return how something is planned over a channel: under dry run it is suppressed permanently."""
    return ("suppressed", "dry run") if getattr(settings.channels, channel).dry_run else ("planned", "")


def plain(value: Any) -> Any:
    """Return a figure as an episode's evidence keeps it."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
