"""Letters of which nobody knows whether they arrived: looked up where that is possible, told about where it is not.

Nothing uncertain is ever sent again blindly. Where the outside system has a history, the letter is searched for: found
means sent; not found, once the vendor has had time to finish what it was doing, means not sent. Where there is none,
the reader is told: at once over the second channel when the decision is near, else in a digest. The row itself stays
``uncertain`` and stays visible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from include.common import formatting
from include.config import Settings
from include.deliver import holds
from include.deliver.channels.base import Channel
from include.outbox import store
from include.outbox.message import Evidence, Message
from include.outbox.store import Action, Letter
from include.warehouse.engine import engine

DIGEST = "uncertain_digest"
# Longer than the longest call can take, so that what is still on its way has come in.
SETTLE = timedelta(minutes=3)
# The clocks of two machines differ, and a message's time is the vendor's.
SKEW = timedelta(minutes=10)
URGENT_DAYS = 14
DECISION = "deliver"  # what the sender itself plans


def take_over(channel: str, is_repeatable: bool, now: datetime, source: str = "") -> int:
    """Take over what a dead sender left in the middle; the caller holds the sender's lock.

    Returns:
        How many letters that were.
    """
    with engine("builder").begin() as connection:
        left = store.read(
            connection,
            "channel = :channel and state = 'sending'",
            source=source,
            channel=channel,
        )
        for letter in left:
            if is_repeatable and not letter.undo:
                store.settle(connection, letter.key, "planned", now, because="its sender died; it is done again")
            else:
                store.settle(connection, letter.key, "uncertain", now, because="its sender died", next_attempt_at=now)
    return len(left)


def look_up(channel: Channel, now: datetime, is_over: Callable[[], bool], source: str = "") -> dict[str, int]:
    """Search the vendor's history for letters in doubt.

    Args:
        channel: The channel.
        now: The time.
        is_over: Says whether to leave the other addresses to the next pass.
        source: Only what is about accounts of this CRM source; "" for all.

    Returns:
        How many were found (``sent``), are certainly missing (``planned``), and stay ``uncertain``.
    """
    with engine("builder").connect() as connection:
        doubtful = store.read(
            connection,
            "channel = :channel and state = 'uncertain' and next_attempt_at <= :now"
            # Such a channel keeps no history: what is asked back is looked for where it is taken back.
            " and not (undo = 'asked' and :is_repeatable)",
            source=source,
            channel=channel.name,
            is_repeatable=channel.is_repeatable,
            now=now,
        )
    counts: dict[str, int] = defaultdict(int)
    by_address: dict[str, list[Letter]] = defaultdict(list)
    for letter in doubtful:
        by_address[letter.address].append(letter)
    for address, letters in by_address.items():
        since = min(letter.sending_at or now for letter in letters) - SKEW
        history = channel.find(address, since)
        with engine("builder").begin() as connection:
            for letter in letters:
                counts[_settle(connection, letter, history, now)] += 1
        if is_over():
            break
    return dict(counts)


def _settle(connection: sa.Connection, letter: Letter, history: Mapping[str, str] | None, now: datetime) -> str:
    settled_by = (letter.sending_at or now) + SETTLE
    if history is None:
        because = f"{letter.because}; there is no history to look it up in".lstrip("; ")
        store.settle(connection, letter.key, "uncertain", now, because=because)
        return "uncertain"
    if letter.key in history:
        because = "in doubt at first, then found in the outside system"
        store.settle(connection, letter.key, "sent", now, because=because, external_id=history[letter.key])
        return "sent"
    if now < settled_by:
        store.settle(connection, letter.key, "uncertain", now, because=letter.because, next_attempt_at=settled_by)
        return "uncertain"
    store.settle(connection, letter.key, "planned", now, because="was in doubt, and is not in the outside system")
    return "planned"


def tell(settings: Settings, now: datetime) -> int:
    """Plan how readers learn of letters that cannot be looked up.

    Returns:
        How many letters somebody will now be told about.
    """
    with engine("builder").begin() as connection:
        untold = store.read(
            connection,
            "state = 'uncertain' and next_attempt_at is null and told_by = '' and undo = '' and rule <> :digest",
            digest=DIGEST,
        )
        for_digest = [letter for letter in untold if not _tell_elsewhere(connection, letter, settings, now)]
        by_reader: dict[str, list[Letter]] = defaultdict(list)
        for letter in for_digest:
            by_reader[letter.recipient].append(letter)
        for reader, letters in by_reader.items():
            _add_to_digest(connection, reader, letters, settings, now)
    return len(untold)


def second_channel(channel: str, settings: Settings) -> str:
    """Return the channel to try after this one; "" if there is none that is turned on."""
    name = str(getattr(getattr(settings.channels, channel), "fallback", ""))
    return name if name and not getattr(settings.channels, name).dry_run else ""


def repeat(letter: Letter, channel: str, note: str) -> Action:
    """Return the same message for another channel, under that channel's key."""
    body = letter.body
    if note:
        body = Message.model_validate(body).with_note(note).model_dump(mode="json")
    return Action(
        channel=channel,
        entity_kind=letter.entity_kind,
        entity_id=letter.entity_id,
        rule=letter.rule,
        episode_no=letter.episode_no,
        step=letter.step,
        account_key=letter.account_key,
        owner_key=letter.owner_key,
        recipient=letter.recipient,
        subject=letter.subject,
        body=body,
        reads=letter.reads,
        deadline=letter.deadline,
        not_after=letter.not_after,
        version=letter.version,
    )


def _tell_elsewhere(connection: sa.Connection, letter: Letter, settings: Settings, now: datetime) -> bool:
    """Use the second channel; return whether the digest need not do it.

    Where the same message goes over both channels anyway, the other one is the telling: a third would be a nuisance.
    """
    channel = second_channel(letter.channel, settings)
    if not channel:
        return False
    twin = letter.twin_key(channel)
    known = connection.execute(sa.text("select state from ops.outbox where key = :key"), {"key": twin}).scalar()
    if known in ("planned", "sending"):
        return True  # nobody is told yet; the next look says what happened to it
    if known == "sent":
        _note_told(connection, [letter], twin)
        return True
    is_urgent = letter.deadline is not None and letter.deadline <= (now + timedelta(days=URGENT_DAYS)).date()
    held = holds.state(connection, channel, now)
    can_be_sent = not held.is_held or held.ends_by_itself
    if known is not None or not is_urgent or not can_be_sent or now >= letter.not_after:
        return False
    sent_by = _spoken(letter.channel)
    note = f"This may be a repeat: it was sent to you by {sent_by}, and it is not known whether it arrived."
    store.plan(connection, [repeat(letter, channel, note)], DECISION, now, letter.run_id)
    _note_told(connection, [letter], twin)
    return True


def _add_to_digest(
    connection: sa.Connection, reader: str, letters: Sequence[Letter], settings: Settings, now: datetime
) -> None:
    """Put letters into the reader's digest of today; if that has left already, they wait for tomorrow's."""
    channel = second_channel(letters[0].channel, settings) or letters[0].channel
    today = now.date().isoformat()
    key = store.make_key("person", reader, DIGEST, 0, today, channel)
    known = connection.execute(sa.text("select state from ops.outbox where key = :key"), {"key": key}).scalar()
    if known not in (None, "planned"):
        return
    all_of_today = [*store.read(connection, "told_by = :key", key=key), *letters]
    message = Message(
        headline=f"{formatting.count(len(all_of_today), 'message')} may not have reached you",
        summary="They were sent, but the connection broke before their arrival was confirmed. Nothing is sent twice.",
        evidence=tuple(
            Evidence(
                text=f"{letter.subject}" + (f" (decision by {letter.deadline})" if letter.deadline else ""),
                source=f"{_spoken(letter.channel)}, {letter.sending_at:%d %b %H:%M} UTC" if letter.sending_at else "",
            )
            for letter in all_of_today
        ),
        next_steps=("Look whether you have them; if one is missing, open its account in the CRM.",),
    )
    action = Action(
        channel=channel,
        entity_kind="person",
        entity_id=reader,
        rule=DIGEST,
        episode_no=0,
        step=today,
        account_key="",
        recipient=reader,
        subject=message.headline,
        body=message.model_dump(mode="json"),
        reads=(),
        not_after=now + timedelta(days=3),
        version="1",
    )
    store.plan(connection, [action], DECISION, now)
    _note_told(connection, letters, key)


def _note_told(connection: sa.Connection, letters: Sequence[Letter], key: str) -> None:
    connection.execute(
        sa.text("update ops.outbox set told_by = :by where key = any(:keys)"),
        {"by": key, "keys": [letter.key for letter in letters]},
    )


def _spoken(channel: str) -> str:
    return {"email": "e-mail", "slack": "Slack", "wecom": "WeCom"}.get(channel, channel)
