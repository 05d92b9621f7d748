"""Send one channel's planned deliveries: re-check, claim, send, and record the outcome.

The claim is committed before the call, and the outcome after it. If the sender dies in between, the row still says
``sending``. The next sender takes it over (``uncertain``), and nothing is sent twice or lost.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from include.common.errors import PerennialError
from include.config import Settings
from include.deliver import holds, recheck, uncertain
from include.deliver.channels.base import Channel, Outcome, Undeliverable
from include.outbox import links
from include.outbox import store as outbox
from include.outbox.store import Delivery
from include.warehouse.engine import engine

log = logging.getLogger(__name__)

# The history to compare. It covers everything that a lost store may have sent and this one would plan again.
COMPARE_DAYS = 60
_LONGEST_PAUSE = timedelta(hours=1)

Clock = Callable[[], datetime]


def due(connection: sa.Connection, channel: str, now: datetime, source: str = "") -> list[Delivery]:
    """Return a channel's due deliveries, the nearest deadline first.

    Args:
        connection: An open connection of the builder.
        source: Only deliveries about accounts of this CRM source; "" for all.
    """
    return outbox.read(
        connection,
        "channel = :channel and state = 'planned' and undo = '' and coalesce(not_before, :now) <= :now"
        " and coalesce(next_attempt_at, :now) <= :now",
        order="deadline nulls last, outbox_id",
        source=source,
        channel=channel,
        now=now,
    )


def expire(deliveries: Sequence[Delivery], now: datetime, why: str = "the channel was on hold or in dry run") -> None:
    """Expire overdue deliveries of a channel that may not send."""
    with engine("builder").begin() as connection:
        for delivery in deliveries:
            if now >= delivery.not_after:
                reason = f"{why} until {delivery.not_after:%Y-%m-%d %H:%M} UTC"
                outbox.set_state(connection, delivery.key, "expired", now, reason=reason)


@dataclass
class Sender:
    """Sends due deliveries over one channel that is neither on hold nor in dry run.

    Args:
        check_lock: Raises if another sender may be running.
        left: Due deliveries that were not tried yet.
        counts: The number of deliveries per state. ``waiting`` counts those that may not be sent yet.
    """

    channel: Channel
    settings: Settings
    clock: Clock
    check_lock: Callable[[], None]
    left: deque[Delivery]
    counts: Counter[str] = field(default_factory=Counter)
    _gate: recheck.Gate = field(default_factory=recheck.Gate)
    _compared: set[str] = field(default_factory=set)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Send the remaining deliveries, at least one batch.

        Args:
            is_over: Returns whether to stop after a batch.

        Raises:
            PerennialError: The channel as a whole failed. The deliveries stay planned.
        """
        while self.left:
            self.check_lock()
            batch = [self.left.popleft() for _ in range(min(self.channel.batch_size, len(self.left)))]
            ready = [ready for delivery in batch if (ready := self._prepare(delivery)) is not None]
            claimed = self._claim(ready)
            if claimed:
                self._send(claimed)
            if is_over():
                return

    def _prepare(self, delivery: Delivery) -> Delivery | None:
        """Find a delivery's address. Return None if it may not be sent, or has already arrived."""
        with engine("builder").begin() as connection:
            verdict = recheck.check(connection, delivery, self._gate, self.clock())
            if verdict.action == "go":
                delivery = links.with_task(connection, delivery, self.settings)
        if verdict.action != "go":
            self._stop(delivery, verdict)
            return None
        try:
            delivery = replace(delivery, address=self.channel.address(delivery))
        except Undeliverable as error:
            with engine("builder").begin() as connection:
                self._refuse(connection, delivery, str(error))
            self.counts["failed"] += 1
            return None
        if self.channel.is_repeatable or delivery.address in self._compared or self._compare(delivery):
            return delivery
        return None

    def _stop(self, delivery: Delivery, verdict: recheck.Verdict) -> None:
        """Postpone or end a delivery. If it ends, first withdraw what an uncertain attempt may have written."""
        if verdict.action != "wait" and delivery.n_attempts and self.channel.is_repeatable:
            if delivery.sending_at and self.clock() < delivery.sending_at + uncertain.SETTLE:
                verdict = recheck.Verdict("wait", f"{verdict.reason}; the last attempt may still arrive")
            elif why := self.channel.take_back([delivery]).get(delivery.key):
                verdict = replace(verdict, reason=f"{verdict.reason}; {why}")
        with engine("builder").begin() as connection:
            self._postpone_or_end(connection, delivery, verdict)

    def _compare(self, delivery: Delivery) -> bool:
        """Compare an address with its history before this store writes to it for the first time.

        Returns:
            Whether the delivery has certainly not arrived yet.
        """
        name, address, now = self.channel.name, delivery.address, self.clock()
        with engine("builder").begin() as connection:
            is_released = bool(holds.state(connection, name, now).changed_by)
            if is_released or holds.is_compared(connection, name, address):
                self._compared.add(address)
                return True
        history = self.channel.find(address, now - timedelta(days=COMPARE_DAYS))
        with engine("builder").begin() as connection:
            if history is None:
                reason = (
                    "this database may not know what was sent before, and the channel has no history to compare"
                    f" | if nothing was sent before, run `channel release {name} --reason ...`"
                )
                self._postpone_or_end(connection, delivery, recheck.Verdict("wait", reason))
                return False
            holds.record_compared(connection, name, address, history, now)
        self._compared.add(address)
        if delivery.key not in history:
            return True
        self.counts["found_outside"] += 1
        return False

    def _claim(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Claim deliveries for sending, without those whose re-check fails now."""
        claimed = []
        with engine("builder").begin() as connection:
            for delivery in deliveries:
                now = self.clock()
                is_ready = recheck.check(connection, delivery, self._gate, now).action == "go"
                if is_ready and outbox.claim(connection, delivery.key, delivery.address, now):
                    claimed.append(replace(delivery, sending_at=now, n_attempts=delivery.n_attempts + 1))
                else:
                    self.counts["waiting"] += 1
        return claimed

    def _send(self, deliveries: Sequence[Delivery]) -> None:
        try:
            outcomes = self.channel.send(deliveries)
        except PerennialError as error:
            # By the interface of channels, nothing was accepted, or sending it twice is safe.
            self._record(deliveries, {delivery.key: Outcome("later", str(error)) for delivery in deliveries})
            raise
        except Exception as error:
            # Log the trace without the error's text, which may quote a message, a person or a secret.
            trace = "".join(traceback.format_tb(error.__traceback__))
            log.error("%s: unexpected %s\n%s", self.channel.name, type(error).__name__, trace)
            state = "later" if self.channel.is_repeatable else "uncertain"
            reason = f"unexpected {type(error).__name__} while sending"
            self._record(deliveries, {delivery.key: Outcome(state, reason) for delivery in deliveries})  # type: ignore[arg-type]
            raise PerennialError(
                f"{self.channel.name}: {reason}", cure="this is a bug: the log has the traceback; please report it"
            ) from None
        self._record(deliveries, outcomes)

    def _record(self, deliveries: Sequence[Delivery], outcomes: Mapping[str, Outcome]) -> None:
        now = self.clock()
        with engine("builder").begin() as connection:
            for delivery in deliveries:
                outcome = outcomes[delivery.key]
                if outcome.state == "sent":
                    outbox.set_state(
                        connection, delivery.key, "sent", now, reason=outcome.reason, external_id=outcome.external_id
                    )
                elif outcome.state == "refused":
                    self._refuse(connection, delivery, outcome.reason, outcome.external_id)
                elif outcome.state == "later":
                    pause = min(timedelta(minutes=2 ** min(delivery.n_attempts, 10) / 2), _LONGEST_PAUSE)
                    outbox.set_state(
                        connection, delivery.key, "planned", now, reason=outcome.reason, next_attempt_at=now + pause
                    )
                else:
                    outbox.set_state(
                        connection, delivery.key, "uncertain", now, reason=outcome.reason, next_attempt_at=now
                    )
        for delivery in deliveries:
            outcome = outcomes[delivery.key]
            self.counts["failed" if outcome.state == "refused" else outcome.state] += 1
            log.info("%s %s: %s %s", delivery.channel, delivery.key, outcome.state, outcome.reason)

    def _refuse(self, connection: sa.Connection, delivery: Delivery, reason: str, external_id: str = "") -> None:
        """Record a permanent refusal, and plan the second channel: a refused message has certainly not arrived."""
        now = self.clock()
        outbox.set_state(connection, delivery.key, "failed", now, reason=reason, external_id=external_id)
        second = uncertain.second_channel(delivery.channel, self.settings)
        # The copy has the second channel's own key. If that key already exists, the message is not sent again.
        if second:
            outbox.plan(connection, [uncertain.repeat(delivery, second, "")], uncertain.DECISION, now, delivery.run_id)

    def _postpone_or_end(self, connection: sa.Connection, delivery: Delivery, verdict: recheck.Verdict) -> None:
        now = self.clock()
        if verdict.action in ("expired", "suppressed"):
            outbox.set_state(connection, delivery.key, verdict.action, now, reason=verdict.reason)
            self.counts[verdict.action] += 1
            return
        self.counts["waiting"] += 1
        if verdict.reason != delivery.reason:
            outbox.set_state(
                connection,
                delivery.key,
                "planned",
                now,
                reason=verdict.reason,
                next_attempt_at=delivery.next_attempt_at,
            )
