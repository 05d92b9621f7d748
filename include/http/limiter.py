"""One rate limiter per vendor account, shared by all tasks and processes.

The state is small, and changed under a lock (``include.http.shared``). Public limiters do not fit: their rates are
fixed when they are made. Ours follow the vendor's headers, and a "try again at" that one task received must apply to
all tasks at once.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

import orjson

from include.common.errors import QuotaExhausted
from include.http import shared
from include.http.dates import MAX_PAUSE_SECONDS, pause

# A window is counted in this many slots, so its state stays small whatever the limit.
_SLOTS = 20
# In the warehouse a count costs round trips, so a process counts calls of the present slot in advance, but at most this
# part of those that are free: what it does not use then is lost to the others.
_RESERVED = 8
# A task that would wait longer than this ends and is retried later, instead of occupying its slot.
MAX_WAIT_SECONDS = 900.0
# Above any vendor's real limit, and the longest window: a longer one would block an account for that time.
_MAX_CALLS = 10_000_000
_MAX_WINDOW_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Limit:
    """A maximum number of calls in any window of this many seconds."""

    calls: int
    seconds: float


@dataclass
class Limiter:
    """Wait until a call is allowed.

    Args:
        shared: Where the state is kept.
        limits: Kind of call -> its initial limit; kinds are counted separately.
        clock: Seconds since the epoch; a store with a clock of its own corrects it.
        sleep: Waits for a number of seconds.
    """

    shared: shared.Shared
    limits: dict[str, Limit]
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _learned: dict[str, Limit] = field(default_factory=dict, init=False)
    _ahead: float = field(default=0.0, init=False)
    _is_remote: bool = field(default=False, init=False)
    # Kind of call -> calls that this process has counted in advance, and until when it may make them.
    _reserved: dict[str, tuple[int, float]] = field(default_factory=dict, init=False)

    def acquire(self, kind: str) -> float:
        """Wait until one call of this kind is allowed, count it, and return the time at which it was counted.

        Raises:
            QuotaExhausted: No call is allowed for longer than a task should wait.
        """
        n, until = self._reserved.get(kind, (0, 0.0))
        if n and self._now() < until:
            self._reserved[kind] = n - 1, until
            return self._now()
        while True:
            wait = self._try(kind)
            if wait <= 0:
                return self._now()
            if wait > MAX_WAIT_SECONDS:
                resumes_at = datetime.fromtimestamp(self._now() + wait, UTC).isoformat(timespec="seconds")
                raise QuotaExhausted(
                    f"the vendor allows no more {kind} calls for now; partial, resumes at {resumes_at}",
                    resumes_at=resumes_at,
                    cure="no action needed: the next run after that time resumes where this one stopped",
                )
            self.sleep(wait)

    def recount(self, kind: str, counted_at: float) -> None:
        """Move a call's count to now: on a slow network it may have reached the vendor only just now.

        Without this, correctly spaced calls could reach the vendor closer together than its limit allows.

        Args:
            kind: As for ``acquire``.
            counted_at: The time that ``acquire`` returned.
        """
        width = (self._learned.get(kind) or self.limits[kind]).seconds / _SLOTS
        if int(counted_at / width) == int(self._now() / width):
            return
        with self._state(kind) as state:
            slots = state.setdefault("slots", {})
            before, now = str(int(counted_at / width)), str(int(self._now() / width))
            if slots.get(before, 0) > 0:
                slots[before] -= 1
            slots[now] = slots.get(now, 0) + 1

    def block(self, kind: str, seconds: float) -> None:
        """Block calls of this kind for some seconds, in all processes."""
        wait = pause(seconds)
        if wait is None:
            return
        self._reserved.pop(kind, None)
        with self._state(kind) as state:
            state["blocked_until"] = max(state.get("blocked_until", 0.0), self._now() + wait)

    def learn(self, kind: str, limit: Limit) -> None:
        """Adopt the limit that the vendor's headers state."""
        if kind not in self.limits or self._learned.get(kind) == limit or not _is_usable(limit):
            return
        self._learned[kind] = limit
        self._reserved.pop(kind, None)
        with self._state(kind) as state:
            if state.get("seconds", self.limits[kind].seconds) != limit.seconds:
                # The old counts use another slot width. Counting all of them as just made is safe.
                width = limit.seconds / _SLOTS
                state["slots"] = {str(int(self._now() / width)): sum(state.get("slots", {}).values())}
            state.update(calls=limit.calls, seconds=limit.seconds)

    def _try(self, kind: str) -> float:
        """Count one call and return 0, or return the seconds to wait before the next attempt."""
        with self._state(kind) as state:
            now = self._now()
            blocked = state.get("blocked_until", 0.0) - now
            if blocked > 0:
                return blocked
            limit = self.limits[kind]
            calls, seconds = state.get("calls", limit.calls), state.get("seconds", limit.seconds)
            width = seconds / _SLOTS
            current = int(now / width)
            # The oldest slot may be partly outside the window; counting all of it errs on the safe side.
            slots = {int(at): n for at, n in state.get("slots", {}).items() if current - _SLOTS <= int(at) <= current}
            state["slots"] = {str(at): n for at, n in slots.items()}
            if (free := calls - sum(slots.values())) > 0:
                n = max(1, min(free // _RESERVED, calls // _SLOTS)) if self._is_remote else 1
                state["slots"][str(current)] = slots.get(current, 0) + n
                self._reserved[kind] = n - 1, (current + 1) * width
                return 0.0
            return (min(slots) + _SLOTS + 1) * width - now + 0.001

    def _now(self) -> float:
        return self.clock() + self._ahead

    @contextmanager
    def _state(self, kind: str) -> Iterator[dict[str, Any]]:
        with self.shared.changing() as held:
            self._is_remote = held.now is not None
            if held.now is not None:
                self._ahead = held.now - self.clock()
            states = _parse(held.content)
            states[kind] = _valid_state(states.get(kind), self._now())
            yield states[kind]
            held.content = orjson.dumps(states)


def for_account(vendor: str, *identity: str, limits: dict[str, Limit]) -> Limiter:
    """Return the limiter of one vendor account.

    Args:
        vendor: The vendor's name.
        identity: Base URL, login and secret, to tell accounts apart. Only a hash of them is stored.
        limits: Initial limits by kind of call.
    """
    digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]
    return Limiter(shared.of("limits", f"{vendor}-{digest}.json"), limits)


def _is_usable(limit: Limit) -> bool:
    return 1 <= limit.calls <= _MAX_CALLS and math.isfinite(limit.seconds) and 0 < limit.seconds <= _MAX_WINDOW_SECONDS


def _valid_state(state: Any, now: float) -> dict[str, Any]:
    """Return the valid parts of a state.

    Another version, a full disk or a manual edit may have left anything in the file.
    """
    if not isinstance(state, dict):
        return {}
    valid: dict[str, Any] = {}
    until = state.get("blocked_until")
    if _is_number(until) and until <= now + MAX_PAUSE_SECONDS:
        valid["blocked_until"] = until
    calls, seconds = state.get("calls"), state.get("seconds")
    if _is_number(calls) and _is_number(seconds) and _is_usable(Limit(int(calls), seconds)):
        valid |= {"calls": int(calls), "seconds": seconds}
    slots = state.get("slots")
    if isinstance(slots, dict):
        valid["slots"] = {
            at: n for at, n in slots.items() if at.isascii() and at.isdigit() and len(at) < 16 and _is_number(n)
        }
    return valid


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parse(content: bytes) -> dict[str, dict[str, Any]]:
    """Return the states. A file cut off by a full disk or a power failure starts empty."""
    try:
        states = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return states if isinstance(states, dict) else {}
