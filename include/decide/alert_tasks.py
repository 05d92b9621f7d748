"""Plan the CRM task of an alert, where the CSM answers it, and close the task when its reason is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from markupsafe import Markup, escape

from include.common import formatting, texts, working_days
from include.decide.context import Day
from include.decide.episodes import Change, Episode
from include.decide.recipients import Recipient, calendar_of
from include.outbox import links, personal_data, store
from include.outbox.message import Link, Message
from include.outbox.store import ALERT_TASK, Action, make_key

CHANNEL = "crm_task"
# Working days until the task is due, by severity.
_DUE_IN = {"high": 1, "normal": 3}
# A task that could not be written within this many days is too late to be useful.
USEFUL_DAYS = 14
CLOSE = "close:"  # prefix of the closed task's step
MAY_BE_OUTSIDE = ("sending", "sent", "uncertain")


def due(on: date, zone: str) -> dict[str, str]:
    """Return the due-date fields of a task."""
    at = working_days.end_of_work(on, ZoneInfo(zone))
    return {"due_at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "due_on": on.isoformat(), "zone": zone}


def of_alert(
    alert: Action, message: Message, day: Day, *, region: str | None, severity: str, company_id: str, to: Recipient
) -> Action:
    """Return the CRM task of an alert. An episode has one task, even if its alert is repeated.

    Args:
        alert: The same alert, planned over another channel.
    """
    with texts.reading(message.language):
        in_crm = links.account(day.settings, alert.account_key.partition(":")[0], company_id)
        html = "<br>\n".join(_lines(message, [one for one in message.links if one not in in_crm]))
    where = calendar_of(region, day.settings)
    due_on = working_days.due_date(day.today, _DUE_IN[severity], working_days.calendar(where.country))
    state, reason = day.planned_state(CHANNEL)
    return replace(
        alert,
        channel=CHANNEL,
        step=ALERT_TASK,
        state=state,
        reason=reason,
        body={
            "subject": personal_data.plain(message.subject),
            "html": personal_data.plain(html),
            **due(due_on, where.zone),
            "priority": "HIGH" if severity == "high" else "MEDIUM",
            "company_id": company_id,
            "owner_id": to.owner_id,
        },
    )


def closings(connection: sa.Connection, day: Day, changes: Iterable[Change]) -> list[Action]:
    """Return closing actions for tasks of closed episodes that are, or may be, in the CRM."""
    closed = {
        make_key(change.entity_kind, change.entity_id, change.signal, change.episode_no, ALERT_TASK, CHANNEL): change
        for change in changes
        if change.kind == "close"
    }
    states = store.states(connection, list(closed))
    return [
        closing(day, change, ALERT_TASK, key, change.reason, f"{change.signal} closed")
        for key, change in sorted(closed.items())
        if states.get(key) in MAY_BE_OUTSIDE
    ]


def closing(day: Day, closed: Change | Episode, step: str, key: str, reason: str, version: str) -> Action:
    """Return the action that closes a task in the CRM. The task's reason is gone, so nobody should work on it.

    Args:
        closed: The change or episode that the task belongs to.
        key: The outbox key of the task.
    """
    state, why = day.planned_state(CHANNEL)
    return Action(
        channel=CHANNEL,
        entity_kind=closed.entity_kind,
        entity_id=closed.entity_id,
        rule=closed.signal,
        episode_no=closed.episode_no,
        step=f"{CLOSE}{step}",
        account_key=closed.account_key,
        recipient="",
        subject=f"Close the task of {closed.signal}",
        body={"closes": key, "note": _closed(day, reason)},
        reads=(closed.account_key.partition(":")[0],),
        not_after=day.after(day.today + timedelta(days=USEFUL_DAYS)),
        version=version,
        state=state,
        reason=why,
    )


def _closed(day: Day, reason: str) -> str:
    with texts.reading(day.settings.language):
        on = formatting.day(day.today)
        return texts.gettext("Closed by Perennial on {day}: {reason}", day=on, reason=reason)


def _lines(message: Message, shown: Sequence[Link]) -> Iterator[Markup]:
    def paragraph(*lines: Any) -> Iterator[Markup]:
        if any(lines):
            yield from (escape(line) for line in lines)
            yield Markup("")

    yield from paragraph(*message.notes)
    yield from paragraph(message.summary)
    yield from paragraph(*(f"- {line.text}" for line in message.evidence))
    yield from paragraph(*(f"{number}. {step}" for number, step in enumerate(message.next_steps, 1)))
    yield from paragraph(message.why_now)
    yield from paragraph(*(f"{link.label}: {link.url}" for link in shown))
    yield escape(
        texts.gettext(
            "Answer in this task. Move the due date to snooze the alert until then. Complete the task, with the result"
            " in Perennial outcome, to close the alert. Reassign the task to hand the alert over."
        )
    )
    if message.is_incomplete or texts.is_incomplete():
        yield from (Markup(""), escape(texts.incomplete_note()))
