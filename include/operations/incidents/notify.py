"""Follow each incident from start to end, and notify its owner once per event.

A notification is recorded in the same transaction as its event and sent afterwards. If the process dies while sending,
the message may have arrived, so it is not sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock
from include.common.errors import PerennialError
from include.config import load
from include.deliver import notices
from include.deliver.channels.base import Undeliverable
from include.operations.incidents import detect, message
from include.operations.incidents.detect import Incident
from include.operations.incidents.message import Event
from include.outbox.message import Message
from include.warehouse import locks
from include.warehouse.engine import engine

log = logging.getLogger(__name__)

# An incident got worse if its bad rows at least doubled and grew by at least this many.
WORSE_TIMES = 2
WORSE_ROWS = 10
# An incident that returns within this time is reopened: it was not over.
SAME_WITHIN = timedelta(hours=6)
ATTEMPTS = 5
_IN_LOG = "log"


@dataclass(frozen=True)
class Counts:
    """Counts of one scan.

    Args:
        n_worse: Incidents that got worse or came back.
        n_failed: Messages that could not be sent, yet or at all.
        n_silenced: Messages suppressed by a silence.
    """

    n_open: int = 0
    n_started: int = 0
    n_worse: int = 0
    n_over: int = 0
    n_sent: int = 0
    n_failed: int = 0
    n_silenced: int = 0


def run() -> Counts:
    """Detect incidents, record what changed since the last scan, and notify the owners."""
    now = clock.now()
    with engine("loader").begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.INCIDENTS_LOCK})
        counted = _follow(connection, now)
    sent, failed = _send_all(now)
    return replace(counted, n_sent=sent, n_failed=failed)


def _follow(connection: Connection, now: datetime) -> Counts:
    current = detect.current(connection)
    known = {row["key"]: dict(row) for row in connection.execute(_OPEN).mappings()}
    silences = _silences(connection, now)
    n_started = n_worse = n_over = n_silenced = 0
    for key, what in current.items():
        event, incident = _record(connection, what, known.get(key), now)
        n_started += event == "start" and key not in known
        n_worse += event == "worse"
        if event:
            n_silenced += _plan(connection, event, what, incident, silences, now)
    for key in known.keys() - current.keys():
        connection.execute(_CLOSE, {"id": known[key]["incident_id"], "now": now})
        n_over += 1
        if known[key]["n_notified"]:
            _plan(connection, "over", _as_incident(known[key]), known[key], silences, now)
        connection.execute(_DROP, {"id": known[key]["incident_id"], "now": now})
    return Counts(len(current), n_started, n_worse, n_over, n_silenced=n_silenced)


def _record(
    connection: Connection, what: Incident, incident: dict[str, Any] | None, now: datetime
) -> tuple[Event | None, dict[str, Any]]:
    """Record the current state of an incident. Return the event to notify, and the incident as known before."""
    values = {name: getattr(what, name) for name in ("key", "kind", "source", "entity", "rule_id", "n_bad", "n_rows")}
    values |= {"reason": what.reason, "now": now, "since": now - SAME_WITHIN}
    if incident is None:
        again = connection.execute(_REOPEN, values).mappings().one_or_none()
        if again:
            return "worse", dict(again)
        return "start", dict(connection.execute(_START, values).mappings().one())
    connection.execute(_UPDATE, values | {"id": incident["incident_id"]})
    known = incident["notified_n_bad"]
    if what.n_bad >= WORSE_TIMES * known and what.n_bad - known >= WORSE_ROWS and incident["n_notified"]:
        connection.execute(_WORSE, {"id": incident["incident_id"], "n": what.n_bad, "now": now})
        return "worse", incident
    # An expired silence can leave an open incident that was never notified.
    return (None if incident["n_notified"] else "start"), incident


def _plan(
    connection: Connection,
    event: Event,
    what: Incident,
    incident: dict[str, Any],
    silences: list[tuple[str, str]],
    now: datetime,
) -> int:
    """Record a notification. Return 1 if a silence suppresses it."""
    settings = load()
    silence = next((reason for pattern, reason in silences if fnmatchcase(what.key, pattern)), "")
    if silence and event == "start" and incident.get("n_silenced"):
        return 1
    to = message.owner(what, settings)
    known = incident["opened_at"], incident["notified_n_bad"]
    text = notices.written(to, lambda: message.write(connection, event, what, *known))
    for channel in notices.channels() or [_IN_LOG]:
        values = {
            "id": incident["incident_id"],
            "event": event,
            "channel": channel,
            "recipient": to.email,
            "subject": text.subject,
            "body": text.model_dump_json(),
            "state": "silenced" if silence else "planned",
            "reason": silence,
            "now": now,
        }
        connection.execute(_PLAN, values)
    return int(bool(silence))


def _send_all(now: datetime) -> tuple[int, int]:
    with engine("loader").begin() as connection:
        connection.execute(_LEFT, {"now": now})
        waiting = connection.execute(_WAITING).mappings().all()
    n_sent = 0
    for row in waiting:
        with engine("loader").begin() as connection:
            if not connection.execute(_TAKE, {"id": row["notification_id"]}).rowcount:
                continue
        state, reason = _send(dict(row))
        if state == "planned" and row["n_attempts"] + 1 >= ATTEMPTS:
            state = "failed"
        with engine("loader").begin() as connection:
            connection.execute(_SETTLE, {"id": row["notification_id"], "state": state, "reason": reason, "now": now})
        n_sent += state == "sent"
    return n_sent, len(waiting) - n_sent


def _send(row: Mapping[str, Any]) -> tuple[str, str]:
    text = Message.model_validate(row["body"])
    if row["channel"] == _IN_LOG:
        log.warning("%s %s %s", text.subject, text.summary, " ".join(text.next_steps))
        return "sent", "no channel is enabled"
    try:
        outcome = notices.send(row["channel"], row["recipient"], text, f"incident-{row['notification_id']}")
    except PerennialError as error:
        log.warning("owner could not be notified via %s: %s", row["channel"], error)
        return ("failed" if isinstance(error, Undeliverable) else "planned"), str(error)[:500]
    if outcome.state == "later":
        return "planned", outcome.reason
    return ("failed" if outcome.state == "refused" else "sent"), outcome.reason


def _silences(connection: Connection, now: datetime) -> list[tuple[str, str]]:
    """Return the silences in force, from files and from commands, as pattern and reason."""
    silences = [(row.pattern, row.reason) for row in connection.execute(_SILENCES, {"now": now})]
    return silences + [(each.pattern, each.reason) for each in load().silences if now.date() < each.until]


def _as_incident(row: dict[str, Any]) -> Incident:
    names = ("key", "kind", "source", "entity", "rule_id", "n_bad", "n_rows", "reason")
    return Incident(**{name: row[name] for name in names})


_OPEN = sa.text(
    """
    select incident.*,
        (select count(*) from meta.notification as sent
         where sent.incident_id = incident.incident_id and sent.state in ('planned', 'sending', 'sent', 'failed')
        ) as n_notified,
        (select count(*) from meta.notification as sent
         where sent.incident_id = incident.incident_id and sent.state = 'silenced') as n_silenced
    from meta.incident as incident
    where state = 'open'
    """
)
_START = sa.text(
    """
    insert into meta.incident (key, kind, source, entity, rule_id, n_bad, n_rows, notified_n_bad, reason, opened_at)
    values (:key, :kind, :source, :entity, :rule_id, :n_bad, :n_rows, :n_bad, :reason, :now)
    returning *
    """
)
_REOPEN = sa.text(
    """
    update meta.incident
    set state = 'open', closed_at = null, worsened_at = :now, n_bad = :n_bad, n_rows = :n_rows, reason = :reason
    where incident_id = (
        select incident_id from meta.incident
        where key = :key and state = 'closed' and closed_at > :since
            and exists (select from meta.notification as sent
                where sent.incident_id = meta.incident.incident_id and sent.state = 'sent')
        order by incident_id desc limit 1
    )
    returning *
    """
)
_UPDATE = sa.text("update meta.incident set n_bad = :n_bad, n_rows = :n_rows, reason = :reason where incident_id = :id")
_WORSE = sa.text("update meta.incident set notified_n_bad = :n, worsened_at = :now where incident_id = :id")
_CLOSE = sa.text("update meta.incident set state = 'closed', closed_at = :now where incident_id = :id")
# An incident that ended before its owner was notified needs no notification at all.
_DROP = sa.text(
    """
    update meta.notification set state = 'silenced', reason = 'resolved before anybody was notified', resolved_at = :now
    where incident_id = :id and state = 'planned'
        and not exists (
            select from meta.notification as sent where sent.incident_id = :id and sent.state in ('sending', 'sent')
        )
    """
)
_PLAN = sa.text(
    """
    insert into meta.notification (incident_id, event, channel, recipient, subject, body, state, reason, planned_at)
    values (:id, :event, :channel, :recipient, :subject, cast(:body as jsonb), :state, :reason, :now)
    """
)
_LEFT = sa.text(
    "update meta.notification set state = 'sent', resolved_at = :now,"
    " reason = 'the process died while sending: it may have arrived and is not sent again'"
    " where state = 'sending'"
)
_WAITING = sa.text("select * from meta.notification where state = 'planned' order by notification_id")
_TAKE = sa.text(
    "update meta.notification set state = 'sending', n_attempts = n_attempts + 1"
    " where notification_id = :id and state = 'planned'"
)
_SETTLE = sa.text(
    "update meta.notification set state = :state, reason = :reason, resolved_at = :now where notification_id = :id"
)
_SILENCES = sa.text("select pattern, reason from meta.silence where ended_at is null and until > :now")
