"""Waiting in the demo: as long as the processes live, however slow the machine is, and never in silence."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from include.sandbox.demo.processes import DemoError

# Told what is waited for, for how many seconds, and which log to look at.
Tell = Callable[[str, float, Path], None]
# The other side is there and overloaded, or not there yet (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4).
PASSING = (408, 429, 500, 502, 503, 504)
# For one answer; not a limit, since what did not answer is asked again.
ANSWER_SECONDS = 60.0


class Patience:
    """Waits until something is so; only a process that has ended makes it give up.

    Args:
        check: Raises when a process of the demo has ended.
        tell: Told what is waited for.
        pause: Seconds between two looks.
    """

    def __init__(self, check: Callable[[], None], tell: Tell, pause: float = 0.2) -> None:
        self.check = check
        self.tell = tell
        self.pause = pause

    def until(self, what: str, log: Path, look: Callable[[], Any]) -> Any:
        """Look until there is something, and return that.

        Raises:
            DemoError: A process has ended.
        """
        began = time.monotonic()
        while not (found := look()):
            self.check()
            self.tell(what, time.monotonic() - began, log)
            time.sleep(self.pause)
        return found

    def answer(self, what: str, log: Path, ask: Callable[[], requests.Response]) -> requests.Response:
        """Ask until there is an answer that is not about being overloaded.

        Raises:
            DemoError: A process has ended.
        """

        def look() -> list[requests.Response]:
            try:
                answer = ask()
            except requests.RequestException:
                return []
            return [] if answer.status_code in PASSING else [answer]

        return self.until(f"an answer of {what}", log, look)[0]


def ready(answer: requests.Response, what: str) -> Any:
    """Return what an answer holds.

    Raises:
        DemoError: It refuses.
    """
    if not answer.ok:
        raise DemoError(f"{what} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()
