"""Rate limits, counted in real time regardless of the world's clock."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

# name: calls per seconds. The vendors' real limits; POST /_control/limits changes them.
DEFAULTS: dict[str, tuple[int, float]] = {
    "hubspot.ten_seconds": (190, 10.0),
    "hubspot.secondly": (19, 1.0),
    "hubspot.search": (5, 1.0),
    "hubspot.daily": (1_000_000, 86_400.0),
    "salesforce.daily": (100_000, 86_400.0),
    "zendesk.minute": (700, 60.0),
    "zendesk.incremental": (10, 60.0),
    "slack.channel": (1, 1.0),
    "slack.workspace": (300, 60.0),
    "slack.tier3": (50, 60.0),
    "slack.webhook": (1, 1.0),
    "wecom.robot": (20, 60.0),
    "feishu.second": (5, 1.0),
    "feishu.minute": (100, 60.0),
    "dingtalk.robot": (20, 60.0),
    "teams.flow_bot": (25, 300.0),
}
# Slack allows a channel short bursts above its one message per second.
BURSTS = {"slack.channel": 5, "slack.webhook": 3}


@dataclass(frozen=True)
class Count:
    """The state of a limit after a call.

    Args:
        allowed: Whether the call is within it.
        limit: Calls per window.
        remaining: Calls left.
        reset: Seconds until a call is allowed again, or until the window is empty.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: float


class Limits:
    """Sliding windows by name, and by key within a name if there is one."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Restore the vendors' real limits and forget all calls."""
        self._limits = dict(DEFAULTS)
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def set(self, name: str, calls: int, seconds: float) -> None:
        """Change a limit.

        Raises:
            KeyError: There is no limit of that name.
        """
        if name not in DEFAULTS:
            raise KeyError(name)
        self._limits[name] = (calls, seconds)

    def lift(self) -> None:
        self._limits = {name: (10**9, seconds) for name, (_, seconds) in DEFAULTS.items()}

    def current(self) -> dict[str, list[float]]:
        """Return the limits in force."""
        return {name: [calls, seconds] for name, (calls, seconds) in self._limits.items()}

    def left(self, name: str) -> int:
        """Return how many calls are left, without counting one."""
        calls, seconds = self._limits[name]
        now = time.monotonic()
        return max(0, calls - sum(at > now - seconds for at in self._calls.get((name, ""), ())))

    def take(self, name: str, key: str = "") -> Count:
        """Count a call. A refused call does not use up the limit."""
        calls, seconds = self._limits[name]
        burst = BURSTS.get(name, 1)
        calls, seconds = calls * burst, seconds * burst
        now = time.monotonic()
        window = self._calls.setdefault((name, key), deque())
        while window and window[0] <= now - seconds:
            window.popleft()
        if len(window) >= calls:
            return Count(False, calls, 0, window[len(window) - calls] + seconds - now)
        window.append(now)
        return Count(True, calls, calls - len(window), seconds)
