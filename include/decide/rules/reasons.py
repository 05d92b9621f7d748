"""Codes and texts that say why a rule did or did not open, or why its message was not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from include.common import formatting
from include.common.texts import N_, gettext


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
    WAITING = "waiting"
    NO_RECIPIENT = "no_recipient"
    NOT_SENT = "not_sent"


# Fields in braces are facts of the reason. ``DetailedReason.text`` formats days, lists and unknown values.
TEXTS: Mapping[Reason, str] = {
    Reason.OPENED: N_("opened on this day"),
    Reason.ALREADY_OPEN: N_("open since {opened_on}"),
    Reason.CLOSED: N_("closed on this day: {reason}"),
    Reason.EVALUATED: N_("evaluated"),
    Reason.NOT_AVAILABLE: "{needs}",
    Reason.NOT_EVALUATED: N_("the rule could not be evaluated: {problem}"),
    Reason.DRAFT: N_("the rule is a draft: nobody is notified"),
    Reason.RETIRED: N_("the rule is retired"),
    Reason.NO_SUBJECT: N_("the account had no {subject_kind} for this rule to evaluate"),
    Reason.CONDITION_NOT_MET: "{condition}",
    Reason.VALUE_UNKNOWN: "{condition}",
    Reason.CONDITION_MET: N_("its condition is true; the next decision opens it"),
    Reason.SOURCE_NOT_READY: N_("{source} was not up to date and validated: {reason}"),
    Reason.QUARANTINED: N_("a record of this account from {source} is in quarantine or on hold"),
    Reason.NOT_READ: N_("{source} is not fully loaded for this account"),
    Reason.QUIET_PERIOD: N_("nothing opens in the quiet period from {first} to {last} (month-day)"),
    Reason.NOT_IN_AUDIENCE: N_("outside the rule's audience: {name} is {value}, the audience is {wanted}"),
    Reason.MINIMUM_HISTORY: N_("a customer for {days} days; the rule needs at least {at_least}"),
    Reason.OTHER_RISK_OPEN: N_("another risk of the account is open: {signals}"),
    Reason.COOL_DOWN: N_("the last episode closed on {closed_on}; the next may open on {opens_again_on}"),
    Reason.BEFORE_FIRST_SCAN: N_(
        "it was true before the rule was first evaluated, on {first_scan_on}: nobody is notified"
    ),
    Reason.RUNG_NOT_REACHED: N_("{days_to_decision} days to the decision; starts {rung} days before"),
    Reason.SIGNAL_NOT_OPEN: N_("none of its signals is open: {signals}"),
    Reason.NO_OPEN_RISK: N_("no risk is open for the account"),
    Reason.EXIT_HOLDS: N_("its exit condition is true: {condition}"),
    Reason.RAN_BEFORE: N_("it already ran for this, from {opened_on} to {closed_on}"),
    Reason.HELD_OUT: N_("the account is in the hold-out group: recorded, no tasks"),
    Reason.NOT_DUE: N_("due on {due_on}"),
    Reason.TERM_TOO_SHORT: N_("a term of {term_days} days is too short for this reminder"),
    Reason.PASSED_OVER: N_("it could be sent from {first} to {last} only"),
    Reason.ANSWERED: N_("answered on {answered_on}; reminders resume with the next one"),
    Reason.SNOOZED: N_("snoozed until {until}"),
    Reason.PLANNED: N_("{channels}: planned"),
    Reason.SENT: N_("{channels}: sent"),
    Reason.DAILY_BUDGET: N_("the CSM's daily alert budget was used up: sent in the digest"),
    Reason.ABOVE_CAP: N_("{channels}: {reason}"),
    Reason.DRY_RUN: N_("{channels}: off (dry run)"),
    Reason.CHANNEL_ON_HOLD: N_("{channels}: planned; the channel is on hold"),
    Reason.NO_RECIPIENT: N_("{channels}: no recipient found"),
    Reason.WAITING: N_("{channels}: waits, {reason}"),
    Reason.NOT_SENT: N_("{channels}: {word} {reason}"),
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
        """The reason as a sentence part, in the reader's language."""
        text = TEXTS[self.reason]
        shown = {name: _formatted(value) for name, value in self.facts.items()}
        return text.format_map(shown) if text in ("{needs}", "{condition}") else gettext(text).format_map(shown)


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
        return formatting.unknown()
    if isinstance(value, str):
        try:
            return formatting.day(date.fromisoformat(value)) if len(value) == len("2026-11-23") else value
        except ValueError:
            return value
    if isinstance(value, date):
        return formatting.day(value)
    return ", ".join(map(_formatted, value)) if isinstance(value, (list, tuple)) else str(value)
