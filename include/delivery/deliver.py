"""Delivers what the outbox holds: one sender at a time, every channel for itself."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from include import clock
from include.config import Settings, load
from include.delivery import holds, sender, uncertain
from include.delivery.channels import NAMES, open_channel
from include.delivery.channels.base import Channel
from include.errors import PerennialError, Unavailable
from include.warehouse.engine import engine

log = logging.getLogger(__name__)

SENDER_LOCK = 0x5045_5253
# A killed sender's connection lives on in the server for a moment.
_LOCK_PATIENCE_SECONDS = 5.0
# Channels whose outside can be asked what it holds.
_COMPARABLE = ("slack", "crm_task")


@dataclass
class Delivered:
    """What one pass did.

    Args:
        channels: Channel -> how many letters ended in which state. ``waiting``: they may not leave yet (gate, hold, dry
            run, changed owner); ``later``: certainly not accepted, tried again; ``found_outside``: had arrived before.
        n_told: Uncertain letters that somebody will be told about.
        is_busy: Another sender was at work, so nothing was done.
        is_dry_run: Nothing was sent: the numbers say what is due.
        problems: What does not work, each with its cure.
    """

    channels: dict[str, dict[str, int]] = field(default_factory=dict)
    n_told: int = 0
    is_busy: bool = False
    is_dry_run: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def n_sent(self) -> int:
        """Letters sent in this pass."""
        return sum(counts.get("sent", 0) for counts in self.channels.values())


def deliver(dry_run: bool = False, now: datetime | None = None) -> Delivered:
    """Send what is due, look up what is in doubt, and record what became of each.

    A channel that does not work does not hold up the others.

    Args:
        dry_run: Only count what is due.
        now: The time; the clock's by default.

    Raises:
        PerennialError: At least one channel does not work; raised after all others are done.
    """
    settings = load()

    def tick() -> datetime:
        return now or clock.now()

    if dry_run:
        return _count_due(tick())
    with _sender_lock() as still_alone:
        if still_alone is None:
            return Delivered(is_busy=True)
        result, errors = Delivered(), []
        opened: dict[str, Channel] = {}
        try:
            for name in NAMES:
                _each(errors, lambda name=name: _clear_doubts(name, settings, tick, result, opened))
            result.n_told = uncertain.tell(settings, tick())
            for name in NAMES:
                _each(errors, lambda name=name: _send(name, settings, tick, still_alone, result, opened))
            result.n_told += uncertain.tell(settings, tick())
        finally:
            for channel in opened.values():
                channel.close()
    result.problems = [str(error) for error in errors]
    log.info("delivered: %s", result)
    if errors:
        first, *others = errors
        first.message += "".join(f"; and {other.message}" for other in others)
        raise first
    return result


def _each(errors: list[PerennialError], do: Callable[[], None]) -> None:
    try:
        do()
    except PerennialError as error:
        errors.append(error)


def _clear_doubts(
    name: str, settings: Settings, tick: sender.Clock, result: Delivered, opened: dict[str, Channel]
) -> None:
    """Take over what a dead sender left, and look up what is in doubt."""
    with engine("builder").connect() as connection:
        states = _counts(connection, name)
    if not states["sending"] and not states["in doubt"]:
        return
    channel = _open(name, settings, opened)
    uncertain.take_over(name, channel.is_repeatable, tick())
    _add(result, name, {f"cleared as {state}": n for state, n in uncertain.look_up(channel, tick()).items()})


def _send(
    name: str,
    settings: Settings,
    tick: sender.Clock,
    still_alone: Callable[[], None],
    result: Delivered,
    opened: dict[str, Channel],
) -> None:
    with engine("builder").begin() as connection:
        state = holds.state(connection, name, tick())
        letters = sender.due(connection, name, tick())
        if state.is_held and not state.changed_by and name in _COMPARABLE and letters:
            reason = "each address or task is compared with the outside before it is first written to"
            holds.release_compared(connection, name, reason, tick())
            state = holds.state(connection, name, tick())
    if not letters:
        return
    if state.is_held or getattr(settings.channels, name).dry_run:
        sender.expire(letters, tick())
        _add(result, name, {"waiting": len(letters)})
        return
    channel = _open(name, settings, opened)
    counts: Counter[str] = Counter()
    try:
        sender.send_due(channel, settings, tick, still_alone, counts)
    finally:
        _add(result, name, counts)
    if counts["uncertain"]:
        _add(result, name, {f"cleared as {state}": n for state, n in uncertain.look_up(channel, tick()).items()})


def _open(name: str, settings: Settings, opened: dict[str, Channel]) -> Channel:
    if name not in opened:
        opened[name] = open_channel(name, settings)
    return opened[name]


def _add(result: Delivered, name: str, counts: Counter[str] | dict[str, int]) -> None:
    total = Counter(result.channels.get(name, {}))
    total.update(counts)
    result.channels[name] = dict(total)


def _counts(connection: sa.Connection, channel: str) -> Counter[str]:
    rows = connection.execute(
        sa.text(
            "select case when state = 'uncertain' and next_attempt_at is not null then 'in doubt' else state end,"
            " count(*) from ops.outbox where channel = :channel and state in ('planned', 'sending', 'uncertain')"
            " group by 1"
        ),
        {"channel": channel},
    )
    return Counter(dict(rows.tuples().all()))


def _count_due(now: datetime) -> Delivered:
    result = Delivered(is_dry_run=True)
    with engine("builder").connect() as connection:
        for name in NAMES:
            letters = sender.due(connection, name, now)
            if letters:
                result.channels[name] = {"due": len(letters)}
    return result


@contextmanager
def _sender_lock() -> Iterator[Callable[[], None] | None]:
    """Hold the sender's lock for the block; None if another process has it.

    What is yielded makes sure that the lock is still held: if the connection was lost, so was the lock.
    """
    with engine("builder").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        waited_until = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while not connection.execute(sa.text("select pg_try_advisory_lock(:key)"), {"key": SENDER_LOCK}).scalar_one():
            if time.monotonic() > waited_until:
                yield None
                return
            time.sleep(0.2)

        def still_alone() -> None:
            try:
                connection.execute(sa.text("select 1"))
            except sa.exc.DBAPIError:
                raise Unavailable(
                    "the connection that keeps other senders out was lost",
                    cure="run deliver again: it takes over what was left",
                ) from None

        try:
            yield still_alone
        finally:
            if not connection.invalidated:
                connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": SENDER_LOCK})
