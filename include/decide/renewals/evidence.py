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

from include.common import formatting, texts
from include.common.texts import N_, gettext, ngettext
from include.config import own_texts
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
    for kind, find, absent in (
        ("support", _tickets, N_("Tickets not shown: {reason}.")),
        ("product", _usage, N_("Usage not shown: {reason}.")),
    ):
        if kind in unfit:
            if readiness.of_kind(kind):
                why = readiness.why_unknown(kind, checkpoint.account_key, now)
                found.append(_Found(Evidence(text=gettext(absent, reason=why), level="unknown")))
        else:
            found += find(checkpoint, readiness.source_label(kind, checkpoint.crm_source, zone), zone, now)
    found += _contacts(checkpoint, readiness.source_label("crm", checkpoint.crm_source, zone), zone, now)
    open_reasons = {_REASONS[name] for name in risk.signals if name in _REASONS}
    lines = [_with_risk_level(item, open_reasons) for item in found]
    shown = {item.reason for item in found}
    for one in risk.open:
        if one.signal not in _REASONS or _REASONS[one.signal] not in shown:
            title = own_texts.translated(one.title)
            text = gettext("{risk}, since {day}.", risk=title, day=formatting.day(one.since))
            lines.append(Evidence(text=text, level="risk"))
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
        text = gettext("No usage recorded for this account.")
        yield _Found(Evidence(text=text, source=source, level="unknown"))
    elif ratio is None:
        text = gettext(
            "Usage in the last 28 days: {number} value events; no baseline yet.",
            number=formatting.number(checkpoint.usage_28d),
        )
        yield _Found(Evidence(text=text, source=source))
    else:
        level: Level = "good" if ratio >= USAGE_FINE else "info"
        yield _Found(Evidence(text=_against_baseline(checkpoint, ratio), source=source, level=level), "usage_down")
    if checkpoint.paid_seats and checkpoint.active_users_28d is not None:
        share = checkpoint.active_users_28d / checkpoint.paid_seats
        text = gettext(
            "{active} of {paid} paid seats were active in the last 28 days ({share}).",
            active=formatting.number(checkpoint.active_users_28d),
            paid=formatting.number(checkpoint.paid_seats),
            share=formatting.percent(share),
        )
        level = "good" if share >= SEATS_FINE else "info"
        yield _Found(Evidence(text=text, source=source, level=level), "seats_unused")


def _against_baseline(checkpoint: Checkpoint, ratio: float) -> str:
    change = ratio - 1
    if abs(change) < 0.005:
        text = N_("Usage in the last 28 days: {number} value events, equal to its baseline of {baseline}.")
    elif change > 0:
        text = N_("Usage in the last 28 days: {number} value events, {share} above its baseline of {baseline}.")
    else:
        text = N_("Usage in the last 28 days: {number} value events, {share} below its baseline of {baseline}.")
    return gettext(
        text,
        number=formatting.number(checkpoint.usage_28d),
        share=formatting.percent(abs(change)),
        baseline=formatting.number(checkpoint.usage_baseline),
    )


def _tickets(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    if checkpoint.n_open_tickets is None:
        text = gettext("No tickets are linked to this account.")
        yield _Found(Evidence(text=text, source=source, level="unknown"))
        return
    urgent = checkpoint.n_open_urgent_tickets or 0
    total = ngettext("{n} ticket open in total.", "{n} tickets open in total.", checkpoint.n_open_tickets)
    if not urgent:
        text = texts.space().join((gettext("No urgent ticket is open."), total))
        yield _Found(Evidence(text=text, source=source, level="good"), "urgent_tickets")
        return
    if checkpoint.oldest_open_urgent_at:
        age = days_since(checkpoint.oldest_open_urgent_at, now.astimezone(zone).date(), zone)
        text = ngettext(
            "{n} urgent ticket open, since {since} ({age}).",
            "{n} urgent tickets open, the oldest since {since} ({age}).",
            urgent,
            since=formatting.timestamp(checkpoint.oldest_open_urgent_at, zone),
            age=formatting.days(age),
        )
    else:
        text = ngettext("{n} urgent ticket open.", "{n} urgent tickets open.", urgent)
    yield _Found(Evidence(text=texts.space().join((text, total)), source=source), "urgent_tickets")


def _contacts(checkpoint: Checkpoint, source: str, zone: ZoneInfo, now: datetime) -> Iterator[_Found]:
    if checkpoint.last_contact_at is None:
        yield _Found(Evidence(text=gettext("No contact recorded."), source=source), "no_contact")
    else:
        ago = days_since(checkpoint.last_contact_at, now.astimezone(zone).date(), zone)
        on = formatting.day(checkpoint.last_contact_at.astimezone(zone))
        text = gettext("Last contact on {day} ({distance}).", day=on, distance=formatting.distance(-ago))
        level: Level = "info" if ago > CONTACT_DAYS else "good"
        yield _Found(Evidence(text=text, source=source, level=level), "no_contact")
    if checkpoint.decision_maker_known is None:
        text = gettext("The decision maker is unknown: contacts are not loaded.")
        yield _Found(Evidence(text=text, source=source, level="unknown"))
    elif checkpoint.decision_maker_known:
        text = gettext("The decision maker is known.")
        if checkpoint.decision_maker_name:
            name = personal_data.personal(checkpoint.decision_maker_name)
            text = gettext("The decision maker is known: {name}.", name=name)
        yield _Found(Evidence(text=text, source=source, level="good"))
    else:
        yield _Found(Evidence(text=gettext("No decision maker recorded."), source=source))
