"""Settle deliveries with an unknown outcome: look them up in the channel's history, or else notify the reader.

An uncertain delivery is never sent again blindly. If the channel has a history, the delivery is searched for: found
means sent. Not found means not sent, once the vendor has had time to finish the call. Without a history, the reader is
notified: at once over the second channel if the decision is near, else in a digest. The row stays ``uncertain`` and
visible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from include.common import formatting, texts
from include.common.texts import gettext, ngettext
from include.config import Settings
from include.config.channels import LABELS
from include.deliver import holds
from include.deliver.channels.base import Channel
from include.outbox import store
from include.outbox.message import Evidence, Message
from include.outbox.store import Action, Delivery
from include.warehouse.engine import engine

DIGEST = "uncertain_digest"
# Longer than the longest call can take, so that a call still in progress has finished.
SETTLE = timedelta(minutes=3)
# Clocks of two machines differ, and the time of a message is the vendor's.
SKEW = timedelta(minutes=10)
URGENT_DAYS = 14
DECISION = "deliver"  # decision id of the sender's own messages
# The fields that a repeat copies from the original.
_COPIED_FIELDS = (
    *("entity_kind", "entity_id", "rule", "episode_no", "step", "account_key", "owner_key", "recipient", "subject"),
    *("reads", "deadline", "not_after", "version"),
)


def take_over(channel: str, is_repeatable: bool, now: datetime, source: str = "") -> int:
    """Take over deliveries that a dead sender left in state ``sending``. The caller holds the sender's lock.

    Returns:
        The number of these deliveries.
    """
    with engine("builder").begin() as connection:
        left = store.read(
            connection,
            "channel = :channel and state = 'sending'",
            source=source,
            channel=channel,
        )
        for delivery in left:
            if is_repeatable and not delivery.undo:
                store.set_state(connection, delivery.key, "planned", now, reason="its sender died; it is sent again")
            else:
                store.set_state(
                    connection, delivery.key, "uncertain", now, reason="its sender died", next_attempt_at=now
                )
    return len(left)


def look_up(channel: Channel, now: datetime, is_over: Callable[[], bool], source: str = "") -> dict[str, int]:
    """Search the vendor's history for uncertain deliveries.

    Args:
        is_over: Returns whether to leave the remaining addresses to the next pass.
        source: Only deliveries about accounts of this CRM source; "" for all.

    Returns:
        The number found (``sent``), certainly missing (``planned``), and still ``uncertain``.
    """
    with engine("builder").connect() as connection:
        unresolved = store.read(
            connection,
            "channel = :channel and state = 'uncertain' and next_attempt_at <= :now"
            # A repeatable channel keeps no history. Its recalled deliveries are looked up when they are withdrawn.
            " and not (undo = 'asked' and :is_repeatable)",
            source=source,
            channel=channel.name,
            is_repeatable=channel.is_repeatable,
            now=now,
        )
    counts: dict[str, int] = defaultdict(int)
    by_address: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in unresolved:
        by_address[delivery.address].append(delivery)
    for address, deliveries in by_address.items():
        since = min(delivery.sending_at or now for delivery in deliveries) - SKEW
        history = channel.find(address, since)
        with engine("builder").begin() as connection:
            for delivery in deliveries:
                counts[_settle(connection, delivery, history, now)] += 1
        if is_over():
            break
    return dict(counts)


def _settle(connection: sa.Connection, delivery: Delivery, history: Mapping[str, str] | None, now: datetime) -> str:
    settled_by = (delivery.sending_at or now) + SETTLE
    if history is None:
        reason = f"{delivery.reason}; the channel has no history to look it up in".lstrip("; ")
        store.set_state(connection, delivery.key, "uncertain", now, reason=reason)
        return "uncertain"
    if delivery.key in history:
        reason = "uncertain at first, then found in the outside system"
        store.set_state(connection, delivery.key, "sent", now, reason=reason, external_id=history[delivery.key])
        return "sent"
    if now < settled_by:
        store.set_state(connection, delivery.key, "uncertain", now, reason=delivery.reason, next_attempt_at=settled_by)
        return "uncertain"
    store.set_state(connection, delivery.key, "planned", now, reason="was uncertain, and is not in the outside system")
    return "planned"


def notify(settings: Settings, now: datetime) -> int:
    """Plan messages that tell readers of deliveries that cannot be looked up.

    Returns:
        The number of deliveries whose reader will now be notified.
    """
    with engine("builder").begin() as connection:
        unreported = store.read(
            connection,
            "state = 'uncertain' and next_attempt_at is null and notified_by = '' and undo = '' and rule <> :digest",
            digest=DIGEST,
        )
        for_digest = [
            delivery for delivery in unreported if not _notify_on_second_channel(connection, delivery, settings, now)
        ]
        by_reader: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in for_digest:
            by_reader[delivery.recipient].append(delivery)
        for reader, deliveries in by_reader.items():
            _add_to_digest(connection, reader, deliveries, settings, now)
    return len(unreported)


def second_channel(channel: str, settings: Settings) -> str:
    """Return the channel to try after this one; "" if none is turned on."""
    name = str(getattr(getattr(settings.channels, channel), "fallback", ""))
    return name if name and not getattr(settings.channels, name).dry_run else ""


def repeat(delivery: Delivery, channel: str, note: str) -> Action:
    """Return the same message for another channel, under that channel's key."""
    body = delivery.body
    if note:
        body = Message.model_validate(body).with_note(note).model_dump(mode="json")
    return Action(channel=channel, body=body, **{name: getattr(delivery, name) for name in _COPIED_FIELDS})


def _notify_on_second_channel(connection: sa.Connection, delivery: Delivery, settings: Settings, now: datetime) -> bool:
    """Use the second channel. Return whether the digest is not needed.

    If the same message is sent over both channels anyway, the other one is the notice: a third would be a nuisance.
    """
    channel = second_channel(delivery.channel, settings)
    if not channel:
        return False
    fallback = delivery.fallback_key(channel)
    copy_state = connection.execute(
        sa.text("select state from ops.outbox where key = :key"), {"key": fallback}
    ).scalar()
    if copy_state in ("planned", "sending"):
        return True  # nobody is notified yet; the next pass checks the outcome
    if copy_state == "sent":
        _note_notified(connection, [delivery], fallback)
        return True
    is_urgent = delivery.deadline is not None and delivery.deadline <= (now + timedelta(days=URGENT_DAYS)).date()
    hold = holds.state(connection, channel, now)
    can_be_sent = not hold.is_on_hold or hold.ends_automatically
    if copy_state is not None or not is_urgent or not can_be_sent or now >= delivery.not_after:
        return False
    with texts.reading(str(delivery.body.get("language") or "")):
        note = gettext(
            "This may be a duplicate: it was sent to you by {channel}, but may not have arrived.",
            channel=LABELS.get(delivery.channel, delivery.channel),
        )
    store.plan(connection, [repeat(delivery, channel, note)], DECISION, now, delivery.run_id)
    _note_notified(connection, [delivery], fallback)
    return True


def _add_to_digest(
    connection: sa.Connection, reader: str, deliveries: Sequence[Delivery], settings: Settings, now: datetime
) -> None:
    """Add deliveries to the reader's digest of today. If it was already sent, they wait for tomorrow's."""
    channel = second_channel(deliveries[0].channel, settings) or deliveries[0].channel
    today = now.date().isoformat()
    key = store.make_key("person", reader, DIGEST, 0, today, channel)
    copy_state = connection.execute(sa.text("select state from ops.outbox where key = :key"), {"key": key}).scalar()
    if copy_state not in (None, "planned"):
        return
    listed_today = [*store.read(connection, "notified_by = :key", key=key), *deliveries]
    with texts.reading(settings.language_of(reader)):
        message = _digest(listed_today, ZoneInfo(settings.people.reader(reader).zone or "UTC"))
    action = Action(
        channel=channel,
        entity_kind="person",
        entity_id=reader,
        rule=DIGEST,
        episode_no=0,
        step=today,
        account_key="",
        recipient=reader,
        subject=message.subject,
        body=message.model_dump(mode="json"),
        reads=(),
        not_after=now + timedelta(days=3),
        version="1",
    )
    store.plan(connection, [action], DECISION, now)
    _note_notified(connection, deliveries, key)


def _digest(deliveries: Sequence[Delivery], zone: ZoneInfo) -> Message:
    return Message(
        subject=ngettext(
            "{n} message may not have reached you", "{n} messages may not have reached you", len(deliveries)
        ),
        summary=gettext(
            "They were sent, but the connection broke before delivery was confirmed. They are not sent again."
        ),
        evidence=tuple(
            Evidence(
                text=gettext("{subject} (decision by {day})", subject=one.subject, day=formatting.day(one.deadline))
                if one.deadline
                else one.subject,
                source=f"{LABELS.get(one.channel, one.channel)}, {formatting.timestamp(one.sending_at, zone)}"
                if one.sending_at
                else "",
            )
            for one in deliveries
        ),
        next_steps=(gettext("Check whether you have them. If one is missing, open its account in the CRM."),),
    )


def _note_notified(connection: sa.Connection, deliveries: Sequence[Delivery], key: str) -> None:
    connection.execute(
        sa.text("update ops.outbox set notified_by = :by where key = any(:keys)"),
        {"by": key, "keys": [delivery.key for delivery in deliveries]},
    )
