"""Codes and texts that say why a rule did or did not open, or why its message was not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from include.common import formatting


class Reason(StrEnum):
    # The episode.
    OPENED = "opened"
    ALREADY_OPEN = "already_open"
    CLOSED = "closed"
    # The rule as a whole.
    EVALUATED = "evaluated"
    NOT_AVAILABLE = "not_available"
    NOT_EVALUATED = "not_evaluated"
    DRAFT = "draft"
    RETIRED = "retired"
    NO_SUBJECT = "no_subject"
    # The condition.
    CONDITION_NOT_MET = "condition_not_met"
    VALUE_UNKNOWN = "value_unknown"
    CONDITION_MET = "condition_met"
    # The gate.
    SOURCE_NOT_READY = "source_not_ready"
    QUARANTINED = "quarantined"
    NOT_READ = "not_read"
    # Filters of signals and playbooks.
    QUIET_PERIOD = "quiet_period"
    NOT_IN_AUDIENCE = "not_in_audience"
    MINIMUM_HISTORY = "minimum_history"
    COOL_DOWN = "cool_down"
    OTHER_RISK_OPEN = "other_risk_open"
    BEFORE_FIRST_SCAN = "before_first_scan"
    # Playbooks.
    RUNG_NOT_REACHED = "rung_not_reached"
    SIGNAL_NOT_OPEN = "signal_not_open"
    NO_OPEN_RISK = "no_open_risk"
    EXIT_HOLDS = "exit_holds"
    RAN_BEFORE = "ran_before"
    HELD_OUT = "held_out"
    # The renewal ladder.
    NOT_DUE = "not_due"
    TERM_TOO_SHORT = "term_too_short"
    PASSED_OVER = "passed_over"
    ANSWERED = "answered"
    SNOOZED = "snoozed"
    # The message.
    PLANNED = "planned"
    SENT = "sent"
    DAILY_BUDGET = "daily_budget"
    ABOVE_CAP = "above_cap"
    DRY_RUN = "dry_run"
    CHANNEL_ON_HOLD = "channel_on_hold"
    NO_RECIPIENT = "no_recipient"
    NOT_SENT = "not_sent"


# Fields in braces are facts of the reason. ``DetailedReason.text`` formats days, lists and unknown values.
TEXTS: Mapping[Reason, str] = {
    Reason.OPENED: "opened on this day",
    Reason.ALREADY_OPEN: "open since {opened_on}",
    Reason.CLOSED: "closed on this day: {reason}",
    Reason.EVALUATED: "evaluated",
    Reason.NOT_AVAILABLE: "{needs}",
    Reason.NOT_EVALUATED: "the rule could not be evaluated: {problem}",
    Reason.DRAFT: "the rule is a draft: nobody is notified",
    Reason.RETIRED: "the rule is retired",
    Reason.NO_SUBJECT: "the account had no {subject_kind} for this rule to evaluate",
    Reason.CONDITION_NOT_MET: "{condition}",
    Reason.VALUE_UNKNOWN: "{condition}",
    Reason.CONDITION_MET: "its condition is true; the next decision opens it",
    Reason.SOURCE_NOT_READY: "{source} was not up to date and validated: {reason}",
    Reason.QUARANTINED: "a record of this account from {source} is in quarantine or on hold",
    Reason.NOT_READ: "{source} is not fully loaded for this account",
    Reason.QUIET_PERIOD: "nothing opens in the quiet period from {first} to {last} (month-day)",
    Reason.NOT_IN_AUDIENCE: "outside the rule's audience: {name} is {value}, the audience is {wanted}",
    Reason.MINIMUM_HISTORY: "a customer for {days} days; the rule needs at least {at_least}",
    Reason.OTHER_RISK_OPEN: "another risk of the account is open: {signals}",
    Reason.COOL_DOWN: "the last episode closed on {closed_on}; the next may open on {opens_again_on}",
    Reason.BEFORE_FIRST_SCAN: "it was true before the rule was first evaluated, on {first_scan_on}: nobody is notified",
    Reason.RUNG_NOT_REACHED: "{days_to_decision} days to the decision; starts {rung} days before",
    Reason.SIGNAL_NOT_OPEN: "none of its signals is open: {signals}",
    Reason.NO_OPEN_RISK: "no risk is open for the account",
    Reason.EXIT_HOLDS: "its exit condition is true: {condition}",
    Reason.RAN_BEFORE: "it already ran for this, from {opened_on} to {closed_on}",
    Reason.HELD_OUT: "the account is in the hold-out group: recorded, no tasks",
    Reason.NOT_DUE: "due on {due_on}",
    Reason.TERM_TOO_SHORT: "a term of {term_days} days is too short for this reminder",
    Reason.PASSED_OVER: "it could be sent from {first} to {last} only",
    Reason.ANSWERED: "answered on {answered_on}; reminders resume with the next one",
    Reason.SNOOZED: "snoozed until {until}",
    Reason.PLANNED: "{channels}: planned",
    Reason.SENT: "{channels}: sent",
    Reason.DAILY_BUDGET: "the CSM's daily alert budget was used up: sent in the digest",
    Reason.ABOVE_CAP: "{channels}: {reason}",
    Reason.DRY_RUN: "{channels}: off (dry run)",
    Reason.CHANNEL_ON_HOLD: "{channels}: planned; the channel is on hold",
    Reason.NO_RECIPIENT: "{channels}: no recipient found",
    Reason.NOT_SENT: "{channels}: {state}",
}


@dataclass(frozen=True)
class DetailedReason:
    """One reason with its facts.

    Args:
        facts: The values for the reason's text.
    """

    reason: Reason
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return TEXTS[self.reason].format_map({name: _formatted(value) for name, value in self.facts.items()})


@dataclass(frozen=True)
class Block:
    """A filter that kept a rule from opening for a subject whose condition held.

    Args:
        rule: The signal, the playbook, or ``renewal`` for the ladder.
        subject_kind: renewal, account, contact or former.
    """

    rule: str
    subject_kind: str
    subject_id: str
    account_key: str
    why: DetailedReason


def _formatted(value: Any) -> str:
    if value is None:
        return formatting.UNKNOWN
    if isinstance(value, str):
        try:
            return formatting.day(date.fromisoformat(value)) if len(value) == len("2026-11-23") else value
        except ValueError:
            return value
    if isinstance(value, date):
        return formatting.day(value)
    return ", ".join(map(_formatted, value)) if isinstance(value, (list, tuple)) else str(value)
