"""Write the messages about a renewal."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from include.common import formatting
from include.config import Settings
from include.decide.context import Day
from include.decide.playbooks.schema import Playbook
from include.decide.recipients import Recipient, calendar_of
from include.decide.renewals import evidence
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.renewals.ladder import Rung
from include.decide.risk import Risk
from include.outbox import links
from include.outbox.message import Fact, Link, Message

_STEPS: dict[evidence.Reason, str] = {
    "urgent_tickets": "Ask support when the oldest urgent ticket will be fixed, and tell the customer before you"
    " discuss the renewal.",
    "no_decision_maker": "Ask your main contact who decides on the renewal, and mark that person as decision maker"
    " in the CRM.",
    "usage_down": "Find out why usage fell: call the most active remaining user this week.",
    "seats_unused": "Ask which team the unused seats were bought for, and offer it an onboarding session.",
    "no_contact": "Call your main contact this week.",
}
# Most urgent first: an open urgent ticket would stop the customer from listening at all.
_STEP_ORDER: tuple[evidence.Reason, ...] = (
    "urgent_tickets",
    "no_decision_maker",
    "usage_down",
    "no_contact",
    "seats_unused",
)
_MAX_STEPS = 4
_RISK_WORDS = {"high": "high risk", "some": "at risk", "none": "no risk found", "unknown": "risk unknown"}


def checkpoint_message(
    checkpoint: Checkpoint,
    rung: Rung,
    following: Rung | None,
    to: Recipient,
    risk: Risk,
    day: Day,
    playbook: Playbook | None = None,
) -> Message:
    """Return the reminder of one rung.

    Args:
        checkpoint: The renewal, with unfit columns already set to unknown.
        following: The next rung; None for the last.
        playbook: A playbook that runs for this renewal.
    """
    zone = ZoneInfo(calendar_of(checkpoint.region, day.settings).zone)
    findings = evidence.gather(checkpoint, risk, day.readiness, zone, day.now)
    left = (checkpoint.decision_date - day.today).days
    summary = (
        f"{formatting.money(checkpoint.target_arr, checkpoint.currency)} a year, decision by"
        f" {formatting.weekday(checkpoint.decision_date)}. {risk_sentence(risk)}"
    )
    shown = day.readiness.sources_shown(checkpoint.crm_source, checkpoint.account_key)
    late = [day.readiness.late_note(source, day.now) for source in shown]
    return Message(
        subject=_subject(checkpoint, risk, left),
        summary=summary,
        notes=tuple(note for note in (to.note, *late) if note),
        facts=(
            Fact(label="Customer", value=_who(checkpoint)),
            Fact(
                label="At stake", value=f"{formatting.money(checkpoint.target_arr, checkpoint.currency)} a year (ARR)"
            ),
            *_dates(checkpoint, left),
            Fact(label="Contract", value=_contract(checkpoint)),
            Fact(label="CSM", value=checkpoint.owner_name or "none in the CRM"),
        ),
        why_now=_why_now(checkpoint, rung, following, day.today),
        evidence=findings.lines,
        next_steps=_next_steps(findings, left, checkpoint),
        links=_links(checkpoint, day.settings, playbook),
        footer=f"Renewal checkpoint {rung.days} of contract {_contract(checkpoint)}; data as of"
        f" {formatting.day(checkpoint.as_of_day)}. All times in {zone.key}.",
    )


def deadline_notice(checkpoint: Checkpoint, to: Recipient, on_hold: str, day: Day) -> Message:
    """Return the short notice of a near deadline while the data is on hold. It shows no figures."""
    left = (checkpoint.decision_date - day.today).days
    return Message(
        subject=f"{_name(checkpoint)}: {_left(checkpoint, left)}; data on hold",
        summary=f"Decision by {formatting.weekday(checkpoint.decision_date)}, as last known. Figures are left out,"
        " because the CRM's data is not up to date and validated.",
        notes=(to.note,) if to.note else (),
        facts=(
            Fact(label="Customer", value=_name(checkpoint)),
            *_dates(checkpoint, left),
            Fact(label="Contract", value=_contract(checkpoint)),
        ),
        why_now=f"The deadline is near, and the full reminder is on hold: {on_hold}. The date may have changed since.",
        next_steps=("Check the renewal and its date in the CRM today.",),
        links=_links(checkpoint, day.settings, None),
        footer="Sent once. The full reminder follows once the data has passed its checks.",
    )


def _subject(checkpoint: Checkpoint, risk: Risk, left: int) -> str:
    """Return ARR, risk and deadline in one line for the inbox."""
    what = "notice deadline" if checkpoint.notice_deadline == checkpoint.decision_date else "renewal date"
    distance = formatting.count(abs(left), "day") if left > 0 else "today" if not left else f"{-left} days ago"
    stake = formatting.money(checkpoint.target_arr, checkpoint.currency)
    by = formatting.day(checkpoint.decision_date)
    return f"{_name(checkpoint)}, {stake}, {_RISK_WORDS[risk.band]}: {what} {by} ({distance})"


def _name(checkpoint: Checkpoint) -> str:
    return checkpoint.account_name or checkpoint.account_key


def _who(checkpoint: Checkpoint) -> str:
    about = ", ".join(
        formatting.plain(part) for part in (checkpoint.tier, checkpoint.industry, checkpoint.region) if part
    )
    return f"{_name(checkpoint)} ({about})" if about else _name(checkpoint)


def _contract(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.contract_number or checkpoint.contract_key}, term {checkpoint.term_no}"


def _left(checkpoint: Checkpoint, left: int) -> str:
    what = "the notice deadline" if checkpoint.notice_deadline == checkpoint.decision_date else "the renewal date"
    if left > 0:
        return f"{formatting.count(left, 'day')} to {what}"
    return f"{what} is today" if left == 0 else f"{what} was {formatting.count(-left, 'day')} ago"


def _dates(checkpoint: Checkpoint, left: int) -> tuple[Fact, ...]:
    by = formatting.weekday(checkpoint.decision_date)
    distance = (
        f"in {formatting.count(left, 'day')}"
        if left > 0
        else "today"
        if left == 0
        else f"{formatting.count(-left, 'day')} ago"
    )
    is_notice = checkpoint.notice_deadline == checkpoint.decision_date
    facts = [Fact(label="Decide by", value=f"{by}, {distance}" + (" (notice deadline)" if is_notice else ""))]
    ends = "auto-renews" if checkpoint.is_auto_renew else "ends unless renewed"
    facts.append(Fact(label="Due date", value=f"{formatting.weekday(checkpoint.due_date)}: {ends}"))
    return tuple(facts)


def _why_now(checkpoint: Checkpoint, rung: Rung, following: Rung | None, today: date) -> str:
    text = f"This is the {rung.days}-day checkpoint"
    if today > rung.on:
        text += f", which was reached on {formatting.weekday(rung.on)}"
    text += f"; the next one is on {formatting.weekday(following.on)}." if following else "; this is the last one."
    if checkpoint.is_auto_renew and checkpoint.notice_deadline == checkpoint.decision_date:
        text += " The contract auto-renews after the notice deadline: agree any changes before then."
    return text


def risk_sentence(risk: Risk) -> str:
    """Return the account's risk in the same words as the CRM field."""
    missing = f" No data on {' and '.join(risk.unknown)}." if risk.unknown else ""
    if risk.open:
        return f"{'High risk' if risk.band == 'high' else 'At risk'}: {'; '.join(risk.titles)}.{missing}"
    return f"Risk unknown.{missing}" if risk.unknown else "No risks found."


def _next_steps(findings: evidence.Findings, left: int, checkpoint: Checkpoint) -> tuple[str, ...]:
    steps = [_STEPS[reason] for reason in _STEP_ORDER if reason in findings.reasons]
    if left <= 14:
        by = formatting.weekday(checkpoint.decision_date)
        steps.insert(0, f"Get the customer's answer in writing before {by}, and update the renewal's stage in the CRM.")
    elif left <= 60:
        steps.append("Schedule the renewal call, and set the renewal's forecast category in the CRM.")
    else:
        steps.append("Review this term's results with the customer, and ask how they will decide on the renewal.")
    return tuple(steps[:_MAX_STEPS])


def _links(checkpoint: Checkpoint, settings: Settings, playbook: Playbook | None) -> tuple[Link, ...]:
    found = links.account(settings, checkpoint.crm_source, checkpoint.crm_account_id)
    if playbook and playbook.guide:
        found += (Link(label=f"Playbook: {playbook.title}", url=playbook.guide),)
    return found
