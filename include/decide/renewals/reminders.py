"""The renewal ladder as a signal: which reminders go out today, and which renewals are over.

An episode opens with the first reminder of a renewal and closes when the renewal is no longer open or can no longer be
declined. Reminders reached while nothing ran are recorded as expired, so that "why did I not hear at 90 days?" has an
answer; those that lie before the first sight of a renewal leave no trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from include.config.renewals import Ladder
from include.decide import alert_tasks
from include.decide.context import URGENT_DAYS, Day, Outcome, evidence
from include.decide.episodes import RENEWAL, Change
from include.decide.explain.reasons import Block, Reason, Why
from include.decide.playbooks.load import Loaded
from include.decide.recipients import Recipient, recipient
from include.decide.renewals import checkpoint as checkpoints
from include.decide.renewals import message as renewal_message
from include.decide.renewals.checkpoint import Checkpoint
from include.decide.renewals.ladder import Rung, due_on, passed_over, rungs
from include.decide.risk import Risks
from include.outbox.message import Message
from include.outbox.store import Action, make_key

VERSION = "renewal ladder 1"
_GONE = ("sent", "sending", "uncertain", "suppressed")


def plan(day: Day, playbooks: dict[str, Loaded], risks: Risks) -> Outcome:
    """Return what happens today by the ladder."""
    ladder = day.settings.renewals.ladder()
    outcome = Outcome()
    for renewal in day.renewals.values():
        _plan_one(renewal, day, ladder, playbooks, risks, outcome)
    for (signal, renewal_id), episode in day.episodes.items():
        if signal == RENEWAL and episode.state == "open" and renewal_id not in day.renewals:
            outcome.changes += [change for change in [day.close_missing(episode)] if change]
    return outcome


def _plan_one(
    renewal: Checkpoint, day: Day, ladder: Ladder, playbooks: dict[str, Loaded], risks: Risks, outcome: Outcome
) -> None:
    last = day.episodes.get((RENEWAL, renewal.renewal_id))
    is_open = last is not None and last.state == "open"
    number = last.episode_no + (0 if is_open else 1) if last else 1
    held = day.why_held(renewal)
    if is_open and not held and renewal.is_auto_renew and day.today > renewal.decision_date:
        because = f"the notice deadline {renewal.decision_date} passed without notice: it auto-renews"
        outcome.changes.append(_change("close", renewal, number, day, because))
        return
    rung = due_on(day.today, renewal.decision_date, renewal.term_days, ladder)
    if rung and last and last.answer and last.closed_on and rung.on <= last.closed_on:
        outcome.blocked += [_block(renewal, rung, Reason.ANSWERED, answered_on=last.closed_on)]
        rung = None  # whoever has just answered is asked again at the next checkpoint
    if last and is_open and last.rests(day.today):
        outcome.blocked += [_block(renewal, rung, Reason.SNOOZED, until=last.snoozed_until)] if rung else []
        outcome.changes += [] if held else [_change("update", renewal, number, day)]
        return
    actions: list[Action] = []
    if held:
        outcome.n_held += rung is not None
        if rung and (renewal.decision_date - day.today).days <= URGENT_DAYS:
            actions = list(_notices(renewal, rung, number, held, day))
    elif rung:
        to = day.reader(renewal, last)
        actions = list(_reminders(renewal, rung, number, to, day, ladder, playbooks, risks))
    if is_open and not held:
        after = last.updated_on if last else day.today
        for missed in passed_over(after, day.today, renewal.decision_date, renewal.term_days, ladder):
            actions += _expired(renewal, missed, number, day)
        outcome.changes.append(_change("update", renewal, number, day))
    elif not is_open and actions:
        outcome.changes.append(_change("open", renewal, number, day))
    outcome.actions += actions


def _block(renewal: Checkpoint, rung: Rung, reason: Reason, **facts: Any) -> Block:
    why = Why(reason, {"step": str(rung.days), **facts})
    return Block(RENEWAL, RENEWAL, renewal.renewal_id, renewal.account_key, why)


def _reminders(
    renewal: Checkpoint,
    rung: Rung,
    number: int,
    to: Recipient,
    day: Day,
    ladder: Ladder,
    playbooks: dict[str, Loaded],
    risks: Risks,
) -> Iterator[Action]:
    shown = checkpoints.without(renewal, day.readiness.unfit_kinds(renewal.account_key))
    all_rungs = rungs(renewal.decision_date, renewal.term_days, ladder)
    following = next((other for other in all_rungs if other.on > rung.on), None)
    running = next(
        (
            loaded.playbook
            for name, loaded in playbooks.items()
            if (episode := day.episodes.get((name, renewal.renewal_id))) and episode.state == "open"
        ),
        None,
    )
    message = renewal_message.checkpoint_message(
        shown, rung, following, to, risks.of_renewal(shown), day.readiness, day.settings, day.today, day.now, running
    )
    reads = day.readiness.sources_shown(renewal.crm_source, renewal.account_key)
    for channel in day.settings.channels.messages_by:
        reminder = _action(renewal, channel, number, str(rung.days), to, message, day, reads=reads, until=rung)
        yield reminder
    yield alert_tasks.of_alert(
        reminder,
        message,
        day,
        region=renewal.region,
        severity=day.severity(renewal),
        company_id=renewal.crm_account_id,
        to=to,
    )


def _notices(renewal: Checkpoint, rung: Rung, number: int, held: str, day: Day) -> Iterator[Action]:
    """Yield the plain notice to manager and lead, unless the reminder itself has left already."""
    readers: dict[str, tuple[str, Recipient]] = {}
    for role in ("lead", "csm"):
        to = recipient(renewal, role, day.settings.people)
        readers[to.email] = (role, to)
    for channel in day.settings.channels.messages_by:
        reminder = make_key(RENEWAL, renewal.renewal_id, RENEWAL, number, str(rung.days), channel)
        if day.outbox.get(reminder) in _GONE:
            continue
        for role, to in readers.values():
            message = renewal_message.deadline_notice(renewal, to, held, day.settings, day.today)
            yield _action(renewal, channel, number, f"deadline_notice:{role}", to, message, day, reads=(), until=rung)


def _expired(renewal: Checkpoint, missed: Rung, number: int, day: Day) -> Iterator[Action]:
    to = recipient(renewal, "csm", day.settings.people)
    message = Message(headline=f"{renewal.account_name}: {missed.days}-day checkpoint", summary="Passed over.")
    for channel in day.settings.channels.messages_by:
        yield _action(
            renewal,
            channel,
            number,
            str(missed.days),
            to,
            message,
            day,
            reads=(),
            until=missed,
            state="expired",
            because=f"passed over: its day was {missed.on}, and no decision was made until it was too late for it",
        )


def _action(
    renewal: Checkpoint,
    channel: str,
    number: int,
    step: str,
    to: Recipient,
    message: Message,
    day: Day,
    *,
    reads: tuple[str, ...],
    until: Rung,
    **settled: Any,
) -> Action:
    return day.action(
        channel,
        message,
        entity_kind=RENEWAL,
        entity_id=renewal.renewal_id,
        rule=RENEWAL,
        episode_no=number,
        step=step,
        account_key=renewal.account_key,
        owner_key=to.owner_key,
        recipient=to.email,
        reads=reads,
        deadline=renewal.decision_date,
        not_after=day.start_of(until.until),
        version=VERSION,
        **settled,
    )


def _change(kind: Any, renewal: Checkpoint, number: int, day: Day, because: str = "") -> Change:
    shown = checkpoints.without(renewal, day.readiness.unfit_kinds(renewal.account_key))
    return Change(
        kind,
        RENEWAL,
        renewal.renewal_id,
        number,
        renewal.account_key,
        evidence(shown, day),
        day.severity(renewal),
        because,
    )
