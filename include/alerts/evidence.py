"""Why a renewal is or is not at risk, in sentences with numbers, sources and dates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from include.alerts.readiness import Readiness
from include.delivery import audience
from include.delivery.message import Evidence, Level
from include.renewals import wording
from include.renewals.checkpoint import Checkpoint

Reason = Literal["usage_down", "seats_unused", "urgent_tickets", "no_contact", "no_decision_maker"]

# Below these something speaks against the renewal. They colour a line and choose a next step; they start nothing.
USAGE_LOW = 0.8
USAGE_FINE = 0.95
SEATS_LOW = 0.5
CONTACT_DAYS = 45


@dataclass(frozen=True)
class Findings:
    """What is known about a renewal.

    Args:
        lines: The evidence, what speaks against the renewal first.
        reasons: What speaks against it, for choosing the next steps.
    """

    lines: tuple[Evidence, ...]
    reasons: frozenset[Reason]


@dataclass(frozen=True)
class _Found:
    line: Evidence
    reason: Reason | None = None


_ORDER = {"risk": 0, "unknown": 1, "info": 2, "good": 3}


def gather(checkpoint: Checkpoint, readiness: Readiness, zone: ZoneInfo, now: datetime) -> Findings:
    """Return the evidence about a renewal.

    Args:
        checkpoint: The renewal, with unfit columns already unknown.
        readiness: What may be acted upon.
        zone: The reader's time zone.
        now: The time.
    """
    unfit = readiness.unfit_kinds(checkpoint.account_key)
    found: list[_Found] = []
    for kind, look, what in (("support", _tickets, "Tickets"), ("product", _usage, "Usage")):
        if kind in unfit:
            why = readiness.why_unknown(kind, checkpoint.account_key, now)
            found.append(_Found(Evidence(text=f"{what} not shown: {why}.", level="unknown")))
        else:
            found += look(checkpoint, readiness.read_up_to(kind, checkpoint.crm_source, zone), zone, now)
    found += _contacts(checkpoint, readiness.read_up_to("crm", checkpoint.crm_source, zone), zone, now)
    found.sort(key=lambda item: _ORDER[item.line.level])
    return Findings(
        tuple(item.line for item in found), frozenset(item.reason for item in found if item.reason is not None)
    )


def days_since(then: datetime, today: date, zone: ZoneInfo) -> int:
    """Return how many calendar days ago something was, in the reader's zone."""
    return (today - then.astimezone(zone).date()).days


def _usage(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    ratio = checkpoint.usage_ratio
    if checkpoint.usage_28d is None:
        yield _Found(Evidence(text="No usage is on record for this account.", source=source, level="unknown"))
    elif ratio is None:
        text = f"Usage in the last 28 days: {wording.number(checkpoint.usage_28d)} valuable actions; no baseline yet."
        yield _Found(Evidence(text=text, source=source))
    else:
        text = (
            f"Usage in the last 28 days: {wording.number(checkpoint.usage_28d)} valuable actions, {_against(ratio)} its"
            f" baseline of {wording.number(checkpoint.usage_baseline)}."
        )
        is_low = ratio < USAGE_LOW
        level: Level = "risk" if is_low else "good" if ratio >= USAGE_FINE else "info"
        yield _Found(Evidence(text=text, source=source, level=level), "usage_down" if is_low else None)
    if checkpoint.paid_seats and checkpoint.active_users_28d is not None:
        share = checkpoint.active_users_28d / checkpoint.paid_seats
        text = (
            f"{wording.number(checkpoint.active_users_28d)} of {wording.number(checkpoint.paid_seats)} paid seats"
            f" were active in the last 28 days ({wording.percent(share)})."
        )
        is_low = share < SEATS_LOW
        yield _Found(
            Evidence(text=text, source=source, level="risk" if is_low else "good"), "seats_unused" if is_low else None
        )


def _tickets(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    if checkpoint.n_open_tickets is None:
        yield _Found(Evidence(text="No tickets are linked to this account.", source=source, level="unknown"))
        return
    urgent = checkpoint.n_open_urgent_tickets or 0
    if urgent:
        text = f"{wording.count(urgent, 'urgent ticket')} open"
        if checkpoint.oldest_open_urgent_at:
            age = days_since(checkpoint.oldest_open_urgent_at, now.astimezone(zone).date(), zone)
            since = wording.moment(checkpoint.oldest_open_urgent_at, zone)
            text += f", the oldest since {since} ({wording.count(age, 'day')})"
        text += f"; {wording.count(checkpoint.n_open_tickets, 'ticket')} open in all."
        yield _Found(Evidence(text=text, source=source, level="risk"), "urgent_tickets")
    else:
        text = f"No urgent ticket is open; {wording.count(checkpoint.n_open_tickets, 'ticket')} open in all."
        yield _Found(Evidence(text=text, source=source, level="good"))


def _contacts(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    if checkpoint.last_contact_at is None:
        yield _Found(Evidence(text="No contact is on record.", source=source, level="risk"), "no_contact")
    else:
        ago = days_since(checkpoint.last_contact_at, now.astimezone(zone).date(), zone)
        on = wording.day(checkpoint.last_contact_at.astimezone(zone))
        text = f"Last contact on {on} ({wording.count(ago, 'day')} ago)."
        is_long = ago > CONTACT_DAYS
        yield _Found(
            Evidence(text=text, source=source, level="risk" if is_long else "good"), "no_contact" if is_long else None
        )
    if checkpoint.decision_maker_known:
        named = f": {audience.personal(checkpoint.decision_maker_name)}" if checkpoint.decision_maker_name else ""
        yield _Found(Evidence(text=f"The decision maker is known{named}.", source=source, level="good"))
    else:
        text = "Nobody is on record as the decision maker."
        yield _Found(Evidence(text=text, source=source, level="risk"), "no_decision_maker")


def _against(ratio: float) -> str:
    change = ratio - 1
    if abs(change) < 0.005:
        return "equal to"
    return f"{abs(change):.0%} {'above' if change > 0 else 'below'}"
