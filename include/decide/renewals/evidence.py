"""Collect the evidence for a reminder: the account's open risks, and figures with their sources and dates.

A figure is marked as a risk while the signal about it is open (``risk.py``). The thresholds here decide only whether a
figure is marked as good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from include.common import formatting
from include.decide.readiness import Readiness
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.risk import Risk
from include.outbox import personal_data
from include.outbox.message import Evidence, Level

Reason = Literal["usage_down", "seats_unused", "urgent_tickets", "no_contact", "no_decision_maker"]

# A figure at or above this is marked as good. Below it has no mark.
USAGE_FINE = 0.95
SEATS_FINE = 0.5
CONTACT_DAYS = 45

# Signal -> the reason that selects the next steps of a reminder. Other signals bring their own steps in their alert.
_REASONS: dict[str, Reason] = {
    "usage_down": "usage_down",
    "seats_unused": "seats_unused",
    "urgent_ticket_ageing": "urgent_tickets",
    "ticket_storm": "urgent_tickets",
    "no_touch": "no_contact",
}


@dataclass(frozen=True)
class Findings:
    lines: tuple[Evidence, ...]
    reasons: frozenset[Reason]


@dataclass(frozen=True)
class _Found:
    line: Evidence
    reason: Reason | None = None


_ORDER = {"risk": 0, "unknown": 1, "info": 2, "good": 3}


def gather(checkpoint: Checkpoint, risk: Risk, readiness: Readiness, zone: ZoneInfo, now: datetime) -> Findings:
    """Return the evidence about a renewal.

    Args:
        checkpoint: The renewal, with unfit columns already set to unknown.
    """
    unfit = readiness.unfit_kinds(checkpoint.account_key)
    found: list[_Found] = []
    for kind, find, label in (("support", _tickets, "Tickets"), ("product", _usage, "Usage")):
        if kind in unfit:
            if readiness.of_kind(kind):
                why = readiness.why_unknown(kind, checkpoint.account_key, now)
                found.append(_Found(Evidence(text=f"{label} not shown: {why}.", level="unknown")))
        else:
            found += find(checkpoint, readiness.source_label(kind, checkpoint.crm_source, zone), zone, now)
    found += _contacts(checkpoint, readiness.source_label("crm", checkpoint.crm_source, zone), zone, now)
    open_reasons = {_REASONS[name] for name in risk.signals if name in _REASONS}
    lines = [_with_risk_level(item, open_reasons) for item in found]
    shown = {item.reason for item in found}
    for one in risk.open:
        if one.signal not in _REASONS or _REASONS[one.signal] not in shown:
            lines.append(Evidence(text=f"{one.title}, since {formatting.day(one.since)}.", level="risk"))
    lines.sort(key=lambda line: _ORDER[line.level])
    missing: set[Reason] = {"no_decision_maker"} if checkpoint.decision_maker_known is False else set()
    return Findings(tuple(lines), frozenset(open_reasons | missing))


def _with_risk_level(item: _Found, open_reasons: set[Reason]) -> Evidence:
    return item.line.model_copy(update={"level": "risk"}) if item.reason in open_reasons else item.line


def days_since(then: datetime, today: date, zone: ZoneInfo) -> int:
    """Return the number of calendar days since a time, in the reader's time zone."""
    return (today - then.astimezone(zone).date()).days


def _usage(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    ratio = checkpoint.usage_ratio
    if checkpoint.usage_28d is None:
        yield _Found(Evidence(text="No usage recorded for this account.", source=source, level="unknown"))
    elif ratio is None:
        text = f"Usage in the last 28 days: {formatting.number(checkpoint.usage_28d)} value events; no baseline yet."
        yield _Found(Evidence(text=text, source=source))
    else:
        text = (
            f"Usage in the last 28 days: {formatting.number(checkpoint.usage_28d)} value events,"
            f" {_against(ratio)} its baseline of {formatting.number(checkpoint.usage_baseline)}."
        )
        level: Level = "good" if ratio >= USAGE_FINE else "info"
        yield _Found(Evidence(text=text, source=source, level=level), "usage_down")
    if checkpoint.paid_seats and checkpoint.active_users_28d is not None:
        share = checkpoint.active_users_28d / checkpoint.paid_seats
        text = (
            f"{formatting.number(checkpoint.active_users_28d)} of {formatting.number(checkpoint.paid_seats)} paid seats"
            f" were active in the last 28 days ({formatting.percent(share)})."
        )
        level = "good" if share >= SEATS_FINE else "info"
        yield _Found(Evidence(text=text, source=source, level=level), "seats_unused")


def _tickets(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    if checkpoint.n_open_tickets is None:
        yield _Found(Evidence(text="No tickets are linked to this account.", source=source, level="unknown"))
        return
    urgent = checkpoint.n_open_urgent_tickets or 0
    if urgent:
        text = f"{formatting.count(urgent, 'urgent ticket')} open"
        if checkpoint.oldest_open_urgent_at:
            age = days_since(checkpoint.oldest_open_urgent_at, now.astimezone(zone).date(), zone)
            since = formatting.timestamp(checkpoint.oldest_open_urgent_at, zone)
            text += f", the oldest since {since} ({formatting.count(age, 'day')})"
        text += f"; {formatting.count(checkpoint.n_open_tickets, 'ticket')} open in total."
        yield _Found(Evidence(text=text, source=source), "urgent_tickets")
    else:
        text = f"No urgent ticket is open; {formatting.count(checkpoint.n_open_tickets, 'ticket')} open in total."
        yield _Found(Evidence(text=text, source=source, level="good"), "urgent_tickets")


def _contacts(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    if checkpoint.last_contact_at is None:
        yield _Found(Evidence(text="No contact recorded.", source=source), "no_contact")
    else:
        ago = days_since(checkpoint.last_contact_at, now.astimezone(zone).date(), zone)
        on = formatting.day(checkpoint.last_contact_at.astimezone(zone))
        text = f"Last contact on {on} ({formatting.count(ago, 'day')} ago)."
        level: Level = "info" if ago > CONTACT_DAYS else "good"
        yield _Found(Evidence(text=text, source=source, level=level), "no_contact")
    if checkpoint.decision_maker_known is None:
        yield _Found(
            Evidence(text="The decision maker is unknown: contacts are not loaded.", source=source, level="unknown")
        )
    elif checkpoint.decision_maker_known:
        named = f": {personal_data.personal(checkpoint.decision_maker_name)}" if checkpoint.decision_maker_name else ""
        yield _Found(Evidence(text=f"The decision maker is known{named}.", source=source, level="good"))
    else:
        yield _Found(Evidence(text="No decision maker recorded.", source=source))


def _against(ratio: float) -> str:
    change = ratio - 1
    if abs(change) < 0.005:
        return "equal to"
    return f"{abs(change):.0%} {'above' if change > 0 else 'below'}"
