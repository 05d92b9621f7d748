"""Write the messages about a renewal."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from include.common import formatting, texts
from include.common.texts import N_, gettext, ngettext
from include.common.words import word
from include.config import Settings, own_texts
from include.decide.context import Day
from include.decide.playbooks.schema import Playbook
from include.decide.recipients import Recipient, zone_of
from include.decide.renewals import evidence
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.renewals.ladder import Rung
from include.decide.risk import Risk
from include.outbox import links
from include.outbox.message import Fact, Link, Message

_STEPS: dict[evidence.Reason, str] = {
    "urgent_tickets": N_(
        "Ask support when the oldest urgent ticket will be fixed, and tell the customer before you discuss the renewal."
    ),
    "no_decision_maker": N_(
        "Ask your main contact who decides on the renewal, and mark that person as decision maker in the CRM."
    ),
    "usage_down": N_("Find out why usage fell: call the most active remaining user this week."),
    "seats_unused": N_("Ask which team the unused seats were bought for, and offer it an onboarding session."),
    "no_contact": N_("Call your main contact this week."),
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
_RISK_WORDS = {
    "high": N_("high risk"),
    "some": N_("at risk"),
    "none": N_("no risk found"),
    "unknown": N_("risk unknown"),
}
_NO_DATA = {"usage": N_("No data on usage."), "tickets": N_("No data on tickets.")}


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
    with day.reading(to.email):
        return _checkpoint_message(checkpoint, rung, following, to, risk, day, playbook)


def _checkpoint_message(
    checkpoint: Checkpoint,
    rung: Rung,
    following: Rung | None,
    to: Recipient,
    risk: Risk,
    day: Day,
    playbook: Playbook | None,
) -> Message:
    zone = ZoneInfo(zone_of(to.email, checkpoint.region, day.settings))
    findings = evidence.gather(checkpoint, risk, day.readiness, zone, day.now)
    left = (checkpoint.decision_date - day.today).days
    amount = formatting.money(checkpoint.target_arr, checkpoint.currency)
    decision = gettext(
        "{amount} a year, decision by {day}.", amount=amount, day=formatting.weekday(checkpoint.decision_date)
    )
    shown = day.readiness.sources_shown(checkpoint.crm_source, checkpoint.account_key)
    late = [day.readiness.late_note(source, day.now) for source in shown]
    return Message(
        subject=_subject(checkpoint, risk, left),
        summary=texts.space().join((decision, risk_sentence(risk))),
        notes=tuple(note for note in (to.note, *late) if note),
        facts=(
            Fact(label=gettext("Customer"), value=_who(checkpoint)),
            Fact(label=gettext("At stake"), value=gettext("{amount} a year (ARR)", amount=amount)),
            *_dates(checkpoint, left),
            Fact(label=gettext("Contract"), value=_contract(checkpoint)),
            Fact(label=gettext("CSM"), value=checkpoint.owner_name or gettext("none in the CRM")),
        ),
        why_now=_why_now(checkpoint, rung, following, day.today),
        evidence=findings.lines,
        next_steps=_next_steps(findings, left, checkpoint),
        links=_links(checkpoint, day.settings, playbook),
        footer=gettext(
            "Renewal checkpoint {days} of contract {contract}; data as of {day}. All times in {zone}.",
            days=rung.days,
            contract=_contract(checkpoint),
            day=formatting.day(checkpoint.as_of_day),
            zone=zone.key,
        ),
    )


def deadline_notice(checkpoint: Checkpoint, to: Recipient, day: Day) -> Message:
    """Return the short notice of a near deadline while the data is on hold. It shows no figures."""
    left = (checkpoint.decision_date - day.today).days
    with day.reading(to.email):
        return Message(
            subject=gettext(
                "{account}: {deadline}; data on hold", account=_name(checkpoint), deadline=_left(checkpoint, left)
            ),
            summary=gettext(
                "Decision by {day}, as last known. Figures are left out, because the CRM's data is not up to date and"
                " validated.",
                day=formatting.weekday(checkpoint.decision_date),
            ),
            notes=(to.note,) if to.note else (),
            facts=(
                Fact(label=gettext("Customer"), value=_name(checkpoint)),
                *_dates(checkpoint, left),
                Fact(label=gettext("Contract"), value=_contract(checkpoint)),
            ),
            why_now=gettext(
                "The deadline is near, and the full reminder is on hold: {reason}. The date may have changed since.",
                reason=day.why_on_hold(checkpoint),
            ),
            next_steps=(gettext("Check the renewal and its date in the CRM today."),),
            links=_links(checkpoint, day.settings, None),
            footer=gettext("Sent once. The full reminder follows once the data has passed its checks."),
        )


def _subject(checkpoint: Checkpoint, risk: Risk, left: int) -> str:
    """Return ARR, risk and deadline in one line for the inbox."""
    is_notice = checkpoint.notice_deadline == checkpoint.decision_date
    return gettext(
        "{account}, {amount}, {risk}: notice deadline {day} ({distance})"
        if is_notice
        else "{account}, {amount}, {risk}: renewal date {day} ({distance})",
        account=_name(checkpoint),
        amount=formatting.money(checkpoint.target_arr, checkpoint.currency),
        risk=gettext(_RISK_WORDS[risk.band]),
        day=formatting.day(checkpoint.decision_date),
        distance=formatting.days(left) if left > 0 else formatting.distance(left),
    )


def _name(checkpoint: Checkpoint) -> str:
    return checkpoint.account_name or checkpoint.account_key


def _who(checkpoint: Checkpoint) -> str:
    about = ", ".join(word(part) for part in (checkpoint.tier, checkpoint.industry, checkpoint.region) if part)
    return f"{_name(checkpoint)} ({about})" if about else _name(checkpoint)


def _contract(checkpoint: Checkpoint) -> str:
    number = checkpoint.contract_number or checkpoint.contract_key
    return gettext("{contract}, term {number}", contract=number, number=checkpoint.term_no)


def _left(checkpoint: Checkpoint, left: int) -> str:
    is_notice = checkpoint.notice_deadline == checkpoint.decision_date
    if left > 0 and is_notice:
        return ngettext("{n} day to the notice deadline", "{n} days to the notice deadline", left)
    if left > 0:
        return ngettext("{n} day to the renewal date", "{n} days to the renewal date", left)
    if left == 0:
        return gettext("the notice deadline is today" if is_notice else "the renewal date is today")
    if is_notice:
        return ngettext("the notice deadline was {n} day ago", "the notice deadline was {n} days ago", -left)
    return ngettext("the renewal date was {n} day ago", "the renewal date was {n} days ago", -left)


def _dates(checkpoint: Checkpoint, left: int) -> tuple[Fact, ...]:
    is_notice = checkpoint.notice_deadline == checkpoint.decision_date
    decide_by = gettext(
        "{day}, {distance} (notice deadline)" if is_notice else "{day}, {distance}",
        day=formatting.weekday(checkpoint.decision_date),
        distance=formatting.distance(left),
    )
    due = gettext(
        "{day}: auto-renews" if checkpoint.is_auto_renew else "{day}: ends unless renewed",
        day=formatting.weekday(checkpoint.due_date),
    )
    return Fact(label=gettext("Decide by"), value=decide_by), Fact(label=gettext("Due date"), value=due)


def _why_now(checkpoint: Checkpoint, rung: Rung, following: Rung | None, today: date) -> str:
    if today > rung.on:
        text = gettext(
            "This is the {days}-day checkpoint, which was reached on {day}.",
            days=rung.days,
            day=formatting.weekday(rung.on),
        )
    else:
        text = gettext("This is the {days}-day checkpoint.", days=rung.days)
    if following:
        text += texts.space() + gettext("The next one is on {day}.", day=formatting.weekday(following.on))
    else:
        text += texts.space() + gettext("It is the last one.")
    if checkpoint.is_auto_renew and checkpoint.notice_deadline == checkpoint.decision_date:
        text += texts.space() + gettext(
            "The contract auto-renews after the notice deadline: agree any changes before then."
        )
    return text


def risk_sentence(risk: Risk) -> str:
    """Return the account's risk in the same words as the CRM field."""
    sentences = []
    if risk.open:
        titles = gettext("; ").join(risk.titles)
        sentences.append(gettext("High risk: {risks}." if risk.band == "high" else "At risk: {risks}.", risks=titles))
    elif risk.unknown:
        sentences.append(gettext("Risk unknown."))
    else:
        sentences.append(gettext("No risks found."))
    if len(risk.unknown) > 1:
        sentences.append(gettext("No data on usage and tickets."))
    elif risk.unknown:
        sentences.append(gettext(_NO_DATA[risk.unknown[0]]))
    return texts.space().join(sentences)


def _next_steps(findings: evidence.Findings, left: int, checkpoint: Checkpoint) -> tuple[str, ...]:
    steps = [gettext(_STEPS[reason]) for reason in _STEP_ORDER if reason in findings.reasons]
    if left <= 14:
        answer = gettext(
            "Get the customer's answer in writing before {day}, and update the renewal's stage in the CRM.",
            day=formatting.weekday(checkpoint.decision_date),
        )
        steps.insert(0, answer)
    elif left <= 60:
        steps.append(gettext("Schedule the renewal call, and set the renewal's forecast category in the CRM."))
    else:
        steps.append(
            gettext("Review this term's results with the customer, and ask how they will decide on the renewal.")
        )
    return tuple(steps[:_MAX_STEPS])


def _links(checkpoint: Checkpoint, settings: Settings, playbook: Playbook | None) -> tuple[Link, ...]:
    found = links.account(settings, checkpoint.crm_source, checkpoint.crm_account_id)
    found += links.renewal_brief(settings, checkpoint.account_key, checkpoint.renewal_id)
    if playbook and playbook.guide:
        found += (
            Link(label=gettext("Playbook: {title}", title=own_texts.translated(playbook.title)), url=playbook.guide),
        )
    return found
