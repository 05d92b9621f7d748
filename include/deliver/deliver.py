"""Send the outbox's due deliveries, with one sender at a time. A failing channel does not block the others."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from include.common import clock
from include.common.errors import PerennialError, Unavailable
from include.config import Settings, load
from include.config.channels import INTO_CRM, NAMES
from include.deliver import holds, sender, uncertain, undo
from include.deliver.channels import open_channel, routes
from include.deliver.channels.base import Channel
from include.outbox import approvals
from include.outbox.store import Delivery
from include.warehouse import locks
from include.warehouse.engine import engine

# After a sender was killed, the server keeps its connection for a moment.
_LOCK_PATIENCE_SECONDS = 5.0
# A pass exits cleanly after this many seconds, and the next one resumes: its Airflow task times out after 30 minutes,
# and the last call of a pass may wait as long as a rate limiter lets it.
PASS_SECONDS = 720.0
# After this many seconds it is the next channel's turn, so that mails do not wait behind thousands of Slack messages.
TURN_SECONDS = 60.0

# A channel and the CRM source that it writes to.
Route = tuple[str, str]


@dataclass
class Delivered:
    """The result of one pass.

    Args:
        channels: Channel -> the number of deliveries per state. ``waiting``: may not be sent yet (gate, hold, dry run,
            changed owner); ``later``: certainly not accepted, will be retried; ``found_outside``: had arrived before.
        n_notified: Uncertain deliveries whose reader will be notified.
        n_left: Due deliveries that the pass had no time for. The next pass continues with them.
        is_busy: Another sender was running, so nothing was done.
        is_dry_run: Nothing was sent: the numbers count due deliveries.
        problems: Failing channels, each with its fix.
    """

    channels: dict[str, dict[str, int]] = field(default_factory=dict)
    n_notified: int = 0
    n_left: int = 0
    is_busy: bool = False
    is_dry_run: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def n_sent(self) -> int:
        return sum(counts.get("sent", 0) for counts in self.channels.values())


def deliver(dry_run: bool = False, now: datetime | None = None, seconds: float = PASS_SECONDS) -> Delivered:
    """Send due deliveries, settle uncertain ones, and record each outcome.

    A failing channel does not block the others.

    Args:
        seconds: The time after which it starts nothing more.

    Raises:
        PerennialError: At least one channel failed. Raised after all others are done.
    """
    return _count_due(now or clock.now()) if dry_run else _with_lock(lambda run: run.run(), now, seconds)


def take_back(now: datetime | None = None) -> Delivered:
    """Withdraw recalled deliveries, if the channel allows it, and send nothing. Raises like ``deliver``."""
    return _with_lock(lambda run: run.clean_up(), now, PASS_SECONDS)


def _with_lock(steps: Callable[[_Pass], None], now: datetime | None, seconds: float) -> Delivered:
    settings, ends_at = load(), time.monotonic() + seconds

    def clock_now() -> datetime:
        return now or clock.now()

    with _sender_lock() as check_lock:
        if check_lock is None:
            return Delivered(is_busy=True)
        run = _Pass(settings, clock_now, check_lock, ends_at)
        try:
            steps(run)
        finally:
            run.close()
    result, errors = run.result, run.errors
    result.problems = [str(error) for error in errors]
    if errors:
        first, *others = errors
        first.message += "".join(f"; and {other.message}" for other in others)
        raise first
    return result


@dataclass
class _Pass:
    """One pass over all channels.

    Args:
        check_lock: Raises if another sender may be running.
        ends_at: The time, by the process's monotonic clock, after which it starts nothing more.
    """

    settings: Settings
    clock_now: sender.Clock
    check_lock: Callable[[], None]
    ends_at: float
    result: Delivered = field(default_factory=Delivered)
    errors: list[PerennialError] = field(default_factory=list)
    opened: dict[Route, Channel] = field(default_factory=dict)
    broken: set[Route] = field(default_factory=set)
    senders: dict[Route, sender.Sender] = field(default_factory=dict)

    def run(self) -> None:
        """Clean up, then send due deliveries."""
        self.clean_up()
        self.send_all()
        self.result.n_notified = uncertain.notify(self.settings, self.clock_now())
        if self.result.n_notified and not self.is_over():
            self.send_all()
        self.expire_orphaned()

    def send_all(self) -> None:
        """Send due deliveries over every channel, in turns."""
        self.for_each_route(self.send)
        while self.senders and not self.is_over():
            self.for_each_route(self.resume)
        self.result.n_left = sum(len(sending.left) for sending in self.senders.values())

    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    def clean_up(self) -> None:
        """Expire overdue approvals, settle uncertain deliveries, and withdraw recalled ones."""
        with engine("builder").begin() as connection:
            approvals.expire(connection, self.clock_now())
        self.for_each_route(self.resolve_uncertain)
        with engine("builder").begin() as connection:
            undo.recall_copies(connection)
        self.for_each_route(self.take_back)

    def for_each_route(self, step: Callable[[Route], None]) -> None:
        """Run a step for every working channel. A failing channel does not block the others."""
        for route in routes(self.settings):
            if route in self.broken:
                continue
            try:
                step(route)
            except PerennialError as error:
                self.broken.add(route)
                self.errors.append(error)

    def take_back(self, route: Route) -> None:
        """Withdraw recalled deliveries, even on hold or in dry run: that only reduces what is outside."""
        deliveries = undo.due(*route, self.clock_now())
        if deliveries:
            self._add(route, undo.take_back(self._open(route), deliveries, self.clock_now(), self.is_over))

    def resolve_uncertain(self, route: Route) -> None:
        """Take over the deliveries of a dead sender, and resolve uncertain ones."""
        name, source = route
        with engine("builder").connect() as connection:
            states = _counts(connection, name)
        if states["sending"] or states["uncertain"]:
            channel = self._open(route)
            uncertain.take_over(name, channel.is_repeatable, self.clock_now(), source)
            self._look_up(route, channel)

    def send(self, route: Route) -> None:
        """Send due deliveries, unless the channel is on hold or in dry run."""
        name, source = route
        with engine("builder").begin() as connection:
            deliveries = sender.due(connection, name, self.clock_now(), source)
            state = holds.state(connection, name, self.clock_now())
            if deliveries and state.is_on_hold and state.ends_automatically:
                state = holds.release_compared(connection, name, self.clock_now())
        if not deliveries:
            return
        if state.is_on_hold or getattr(self.settings.channels, name).dry_run:
            # A delivery with an earlier attempt may have left a task in the CRM. It stays until it can be looked up
            # there.
            sender.expire([one for one in deliveries if name not in INTO_CRM or not one.n_attempts], self.clock_now())
            self._add(route, {"waiting": len(deliveries)})
            return
        channel = self._open(route)
        self.senders[route] = sender.Sender(channel, self.settings, self.clock_now, self.check_lock, deque(deliveries))
        self.resume(route)

    def resume(self, route: Route) -> None:
        """Send a channel's remaining deliveries for one turn."""
        if (sending := self.senders.pop(route, None)) is None:
            return
        turn_ends_at = min(self.ends_at, time.monotonic() + TURN_SECONDS)
        before = Counter(sending.counts)
        try:
            sending.run(lambda: time.monotonic() >= turn_ends_at)
        finally:
            added = sending.counts - before
            self._add(route, added | Counter(waiting=sending.counts["waiting"]))
        if added["uncertain"]:
            self._look_up(route, sending.channel)
        if sending.left:
            self.senders[route] = sending

    def expire_orphaned(self) -> None:
        """Expire overdue deliveries to CRMs that are no longer in the settings, and record that recalled ones stay."""
        listed, why = {source.id for source in self.settings.crms}, "not among the sources in settings.yaml"

        def orphaned(deliveries: Iterable[Delivery]) -> list[Delivery]:
            return [delivery for delivery in deliveries if delivery.account_key.partition(":")[0] not in listed]

        for name in INTO_CRM:
            with engine("builder").connect() as connection:
                deliveries = orphaned(sender.due(connection, name, self.clock_now()))
            sender.expire(deliveries, self.clock_now(), f"its CRM was {why}")
            undo.record_staying(orphaned(undo.due(name, "", self.clock_now())), f"its CRM is {why}", self.clock_now())

    def close(self) -> None:
        for channel in self.opened.values():
            channel.close()

    def _open(self, route: Route) -> Channel:
        if route not in self.opened:
            self.opened[route] = open_channel(route[0], self.settings, route[1])
        return self.opened[route]

    def _look_up(self, route: Route, channel: Channel) -> None:
        found = uncertain.look_up(channel, self.clock_now(), self.is_over, route[1])
        self._add(route, {f"resolved as {state}": number for state, number in found.items()})

    def _add(self, route: Route, counts: Mapping[str, int]) -> None:
        if counts:
            name, source = route
            shown = f"{name} ({source})" if source and len(self.settings.crms) > 1 else name
            total = Counter(self.result.channels.get(shown, {}))
            total.update(counts)
            if counts.get("waiting"):
                total["waiting"] = counts["waiting"]  # every step counts all waiting deliveries
            self.result.channels[shown] = dict(total)


def _counts(connection: sa.Connection, channel: str) -> Counter[str]:
    rows = connection.execute(
        sa.text(
            "select case when state = 'uncertain' and next_attempt_at is not null then 'uncertain' else state end,"
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
            deliveries = sender.due(connection, name, now)
            if deliveries:
                result.channels[name] = {"due": len(deliveries)}
    return result


@contextmanager
def _sender_lock() -> Iterator[Callable[[], None] | None]:
    """Hold the sender's lock for the block. Yield None if another process has it.

    The yielded function checks that the lock is still held: if the connection was lost, so was the lock.
    """
    with engine("builder").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        waited_until = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while not connection.execute(
            sa.text("select pg_try_advisory_lock(:key)"), {"key": locks.SENDER_LOCK}
        ).scalar_one():
            if time.monotonic() > waited_until:
                yield None
                return
            time.sleep(0.2)

        def check_lock() -> None:
            try:
                connection.execute(sa.text("select 1"))
            except sa.exc.DBAPIError:
                raise Unavailable(
                    "the connection that holds the sender lock was lost",
                    cure="run deliver again: it takes over the remaining deliveries",
                ) from None

        try:
            yield check_lock
        finally:
            if not connection.invalidated:
                connection.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": locks.SENDER_LOCK})
