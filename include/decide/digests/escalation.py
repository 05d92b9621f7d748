"""Escalate unanswered alerts: first to the lead in one digest a day, then to the head.

An alert is answered when somebody changes its task. Only working hours count, and only up to the time at which the task
was last read back: while the CRM cannot be read, nobody is reported as late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.common import formatting, texts, working_days
from include.common.texts import gettext, ngettext
from include.decide import task_feedback
from include.decide.context import Day, Outcome
from include.decide.digests.digest import to_reader
from include.decide.episodes import RENEWAL, Episode
from include.decide.recipients import Owned, Recipient, calendar_of, recipient
from include.decide.rules.scan import Scanned
from include.decide.signals.schema import Signal
from include.outbox import store
from include.outbox.message import Evidence, Message
from include.outbox.store import ALERT_TASK

RULE = "escalation"
Level = Literal["lead", "head"]
MAX_LINES = 40


@dataclass(frozen=True)
class Subject:
    """The subject of an alert, with the fields that escalation needs."""

    episode: Episode
    owned: Owned
    region: str | None
    source: str
    arr: Decimal | None
    currency: str | None


@dataclass(frozen=True)
class Unanswered:
    """An alert to escalate."""

    subject: Subject
    title: str
    written_at: datetime
    reader: Recipient
    is_new: bool


def plan(connection: sa.Connection, day: Day, scanned: Sequence[Scanned[Signal]]) -> Outcome:
    """Return today's escalations."""
    subjects = {(s.episode.signal, s.episode.entity_id): s for s in _subjects(day, scanned)}
    rows = connection.execute(task_feedback.TASKS, {"step": ALERT_TASK}).all()
    found: dict[tuple[Level, Recipient], list[Unanswered]] = defaultdict(list)
    for row in rows:
        subject = subjects.get((row.signal, row.entity_id))
        if subject is None or subject.episode.is_snoozed(day.today) or not task_feedback.is_untouched(row):
            continue
        reader = day.reader(subject.owned, subject.episode)
        for level, is_new in _levels(row, subject, reader, day):
            person = _person(level, subject.owned, day)
            found[level, person].append(Unanswered(subject, row.subject, row.written_at, reader, is_new))
    outcome = Outcome()
    for (level, person), unanswered in sorted(found.items(), key=lambda item: (item[0][0], item[0][1].email)):
        _escalate(connection, day, level, person, unanswered, outcome)
    return outcome


def _subjects(day: Day, scanned: Sequence[Scanned[Signal]]) -> Iterator[Subject]:
    for renewal in day.renewals.values():
        episode = day.episodes.get((RENEWAL, renewal.renewal_id))
        if episode and episode.state == "open" and not day.why_on_hold(renewal):
            yield Subject(episode, renewal, renewal.region, renewal.crm_source, renewal.target_arr, renewal.currency)
    for one in scanned:
        for hit in one.hits:
            episode, values = one.episodes.get(hit.subject_id), hit.values
            is_on_hold = day.readiness.why_on_hold(values["crm_source"], hit.account_key)
            if episode and episode.state == "open" and not hit.closes and not is_on_hold:
                yield Subject(
                    episode, hit.owner, values["region"], values["crm_source"], values["arr"], values["currency"]
                )


def _levels(row: Any, subject: Subject, reader: Recipient, day: Day) -> Iterator[tuple[Level, bool]]:
    """Yield the level that an alert has reached, and whether it was reached just now or earlier today."""
    episode, after = subject.episode, day.settings.attention.escalation
    if episode.escalated_to and episode.escalated_on == day.today:
        yield episode.escalated_to, False
        return
    hours = _working_time(row.written_at, row.read_at, subject.region, day)
    # If the reader is the lead, the next level is the head.
    is_lead = _person("lead", subject.owned, day).email == reader.email
    level: Level = "head" if episode.escalated_to or is_lead else "lead"
    needed = after.head_after_hours if level == "head" else after.lead_after_hours
    is_above = _person(level, subject.owned, day).email != reader.email
    if episode.escalated_to != "head" and is_above and hours >= timedelta(hours=needed):
        yield level, True


def _working_time(since: datetime, until: datetime, region: str | None, day: Day) -> timedelta:
    where, hours = calendar_of(region, day.settings), day.settings.attention.sending_hours
    calendar = working_days.calendar(where.country)
    return working_days.worked(since, until, ZoneInfo(where.zone), calendar, time(hours.first), time(hours.last))


def _person(level: Level, owned: Owned, day: Day) -> Recipient:
    people = day.settings.people
    if level == "lead":
        return recipient(owned, "lead", people)
    head = people.head_or_queue
    return Recipient(head.name, head.email)


def _escalate(
    connection: sa.Connection,
    day: Day,
    level: Level,
    person: Recipient,
    unanswered: Sequence[Unanswered],
    outcome: Outcome,
) -> None:
    if not any(one.is_new for one in unanswered):
        return  # today's digest needs no change
    ranked = sorted(unanswered, key=lambda one: (one.subject.episode.severity != "high", -float(one.subject.arr or 0)))
    actions = to_reader(
        day,
        person.email,
        rule=RULE,
        step=f"{level}:{day.today}",
        message=_message(ranked, level, person, day),
        region=ranked[0].subject.region,
        account_key=ranked[0].subject.episode.account_key,
        reads=tuple(sorted({one.subject.source for one in ranked})),
    )
    states = store.states(connection, [action.key for action in actions])
    if any(state != "planned" for state in states.values()):
        return  # today's digest has been sent: these alerts come with tomorrow's
    outcome.actions += actions
    outcome.changes += [one.subject.episode.change("escalate", {}, escalated_to=level) for one in ranked if one.is_new]


def _message(ranked: Sequence[Unanswered], level: Level, person: Recipient, day: Day) -> Message:
    with day.reading(person.email):
        sentences = [gettext("Their CRM tasks are untouched: nobody has started, moved, reassigned or completed them.")]
        if level == "head":
            sentences.append(gettext("Their team leads have been notified already."))
        if len(ranked) > MAX_LINES:
            sentences.append(ngettext("{n} more is not shown.", "{n} more are not shown.", len(ranked) - MAX_LINES))
        return Message(
            subject=ngettext("{n} alert that nobody has answered", "{n} alerts that nobody has answered", len(ranked)),
            summary=texts.space().join(sentences),
            why_now=gettext("They have been open longer than the escalation limit, counted in working hours."),
            evidence=tuple(
                Evidence(
                    text=gettext(
                        "{text} ({amount} a year)",
                        text=one.title,
                        amount=formatting.money(one.subject.arr, one.subject.currency),
                    ),
                    source=gettext("{person}, since {day}", person=one.reader.name, day=formatting.day(one.written_at)),
                    level="risk" if one.subject.episode.severity == "high" else "info",
                )
                for one in ranked[:MAX_LINES]
            ),
            next_steps=(gettext("Ask whether the CSM needs help, or reassign the task to somebody with time for it."),),
            footer=gettext("Each alert is escalated once per level."),
        )
