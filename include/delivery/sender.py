"""Sends one channel's planned letters: looks again, claims, calls, records.

The claim is committed before the call and the outcome after it, so that a death in between leaves a row that says
``sending``. Whoever comes next takes it over (``uncertain``), and nothing is sent twice or lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from include.config import Settings
from include.delivery import holds, outbox, recheck, uncertain
from include.delivery.channels.base import Channel, NoSuchRecipient, Outcome
from include.delivery.outbox import Letter
from include.errors import PerennialError
from include.warehouse.engine import engine

log = logging.getLogger(__name__)

# Far enough back that whatever a lost store had sent and would plan again is seen.
COMPARE_DAYS = 60
_LONGEST_PAUSE = timedelta(hours=1)

Clock = Callable[[], datetime]


def due(connection: sa.Connection, channel: str, now: datetime) -> list[Letter]:
    """Return the letters of a channel whose time has come, those with the nearest deadline first."""
    return outbox.read(
        connection,
        "channel = :channel and state = 'planned' and coalesce(not_before, :now) <= :now"
        " and coalesce(next_attempt_at, :now) <= :now",
        order="deadline nulls last, outbox_id",
        channel=channel,
        now=now,
    )


def expire(letters: Sequence[Letter], now: datetime) -> None:
    """Record which letters of a channel that may not send are past their use."""
    with engine("builder").begin() as connection:
        for letter in letters:
            if now >= letter.not_after:
                because = f"the channel was on hold or in dry run until {letter.not_after:%Y-%m-%d %H:%M} UTC"
                outbox.settle(connection, letter.key, "expired", now, because=because)


def send_due(
    channel: Channel, settings: Settings, clock: Clock, still_alone: Callable[[], None], counts: Counter[str]
) -> None:
    """Send what is due over one channel.

    Args:
        channel: The channel, neither held nor in dry run.
        settings: The settings in force.
        clock: Says what time it is.
        still_alone: Raises if another sender may be at work.
        counts: Is told how many letters ended in which state; ``waiting`` for those that may not leave yet.

    Raises:
        PerennialError: The channel as a whole does not work; the letters stay planned.
    """
    with engine("builder").connect() as connection:
        letters = due(connection, channel.name, clock())
    gate = recheck.Gate()
    for start in range(0, len(letters), channel.batch_size):
        still_alone()
        ready = [
            letter
            for candidate in letters[start : start + channel.batch_size]
            if (letter := _prepare(channel, candidate, settings, gate, clock(), counts)) is not None
        ]
        claimed = _claim(ready, gate, clock, counts)
        if claimed:
            _send(channel, claimed, settings, clock, counts)


def _prepare(
    channel: Channel, letter: Letter, settings: Settings, gate: recheck.Gate, now: datetime, counts: Counter[str]
) -> Letter | None:
    """Find where a letter goes; None if it does not go, or has been there already."""
    with engine("builder").begin() as connection:
        verdict = recheck.look(connection, letter, gate, now)
        if verdict.says != "go":
            _put_off(connection, letter, verdict, now)
            counts["waiting" if verdict.says == "wait" else verdict.says] += 1
            return None
    try:
        letter = replace(letter, address=channel.address(letter))
    except NoSuchRecipient as error:
        with engine("builder").begin() as connection:
            _refuse(connection, letter, str(error), settings, now)
        counts["failed"] += 1
        return None
    if not channel.is_repeatable and not _is_known_to_be_new(channel, letter, now, counts):
        return None
    return letter


def _is_known_to_be_new(channel: Channel, letter: Letter, now: datetime, counts: Counter[str]) -> bool:
    """Compare an address with its history before this store writes to it for the first time."""
    with engine("builder").begin() as connection:
        if holds.state(connection, channel.name, now).changed_by or holds.is_compared(
            connection, channel.name, letter.address
        ):
            return True
    history = channel.find(letter.address, now - timedelta(days=COMPARE_DAYS))
    with engine("builder").begin() as connection:
        if history is None:
            because = (
                "this store may not know what was sent before, and the history cannot be read"
                f" | run `channel release {channel.name} --reason ...` if nothing was"
            )
            _put_off(connection, letter, recheck.Verdict("wait", because), now)
            counts["waiting"] += 1
            return False
        holds.note_compared(connection, channel.name, letter.address, history, now)
    if letter.key in history:
        counts["found_outside"] += 1
        return False
    return True


def _claim(letters: Sequence[Letter], gate: recheck.Gate, clock: Clock, counts: Counter[str]) -> list[Letter]:
    """Note that letters are about to leave; what changed since the last look is left out."""
    claimed = []
    with engine("builder").begin() as connection:
        for letter in letters:
            now = clock()
            if recheck.look(connection, letter, gate, now).says == "go" and outbox.claim(
                connection, letter.key, letter.address, now
            ):
                claimed.append(replace(letter, sending_at=now, n_attempts=letter.n_attempts + 1))
            else:
                counts["waiting"] += 1
    return claimed


def _send(channel: Channel, letters: Sequence[Letter], settings: Settings, clock: Clock, counts: Counter[str]) -> None:
    try:
        outcomes: Mapping[str, Outcome] = channel.send(letters)
    except PerennialError as error:
        # By the channel's promise nothing was accepted; or accepting it twice does no harm.
        with engine("builder").begin() as connection:
            for letter in letters:
                _later(connection, letter, str(error), clock())
        counts["later"] += len(letters)
        raise
    with engine("builder").begin() as connection:
        for letter in letters:
            outcome = outcomes[letter.key]
            _record(connection, letter, outcome, settings, clock())
            counts["failed" if outcome.state == "refused" else outcome.state] += 1
    for letter in letters:
        log.info("%s %s %s: %s", channel.name, letter.key, letter.subject, outcomes[letter.key].state)


def _record(connection: sa.Connection, letter: Letter, outcome: Outcome, settings: Settings, now: datetime) -> None:
    if outcome.state == "sent":
        outbox.settle(connection, letter.key, "sent", now, because=outcome.because, external_id=outcome.external_id)
    elif outcome.state == "refused":
        _refuse(connection, letter, outcome.because, settings, now, outcome.external_id)
    elif outcome.state == "later":
        _later(connection, letter, outcome.because, now)
    else:
        outbox.settle(connection, letter.key, "uncertain", now, because=outcome.because, next_attempt_at=now)


def _refuse(
    connection: sa.Connection, letter: Letter, because: str, settings: Settings, now: datetime, external_id: str = ""
) -> None:
    """Record a refusal for good, and try the second channel: a refused message has certainly not arrived."""
    outbox.settle(connection, letter.key, "failed", now, because=because, external_id=external_id)
    second = uncertain.second_channel(letter.channel, settings)
    # What came over here because the other channel had refused it does not go back.
    if second:
        outbox.plan(connection, [uncertain.repeat(letter, second, "")], "deliver", now)


def _later(connection: sa.Connection, letter: Letter, because: str, now: datetime) -> None:
    pause = min(timedelta(minutes=2 ** min(letter.n_attempts, 10) / 2), _LONGEST_PAUSE)
    outbox.settle(connection, letter.key, "planned", now, because=because, next_attempt_at=now + pause)


def _put_off(connection: sa.Connection, letter: Letter, verdict: recheck.Verdict, now: datetime) -> None:
    if verdict.says in ("expired", "suppressed"):
        outbox.settle(connection, letter.key, verdict.says, now, because=verdict.because)
    elif verdict.because != letter.because:
        outbox.settle(
            connection, letter.key, "planned", now, because=verdict.because, next_attempt_at=letter.next_attempt_at
        )
