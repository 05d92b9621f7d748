"""Wait in the demo for as long as its processes live, however slow the machine, and report what is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from include.sandbox.demo.processes import DemoError

# Receives what is being waited for, for how many seconds, and the log to look at.
OnWait = Callable[[str, float, Path], None]
# Temporary: the server is overloaded or not up yet (RFC 9110, 15.5.9 and 15.6; RFC 6585, 4).
PASSING = (408, 429, 500, 502, 503, 504)
# Timeout of one request. Not an overall limit: unanswered requests are repeated.
ANSWER_SECONDS = 60.0


class Waiter:
    """Waits for a condition, and gives up only if a process has ended.

    Args:
        check: Raises if a process of the demo has ended.
        on_wait: Receives what is being waited for.
        pause: Seconds between two attempts.
    """

    def __init__(self, check: Callable[[], None], on_wait: OnWait, pause: float = 0.2) -> None:
        self.check = check
        self.on_wait = on_wait
        self.pause = pause

    def until(self, what: str, log: Path, look: Callable[[], Any]) -> Any:
        """Poll until there is a result, and return it.

        Raises:
            DemoError: A process has ended.
        """
        began = time.monotonic()
        while not (found := look()):
            self.check()
            self.on_wait(what, time.monotonic() - began, log)
            time.sleep(self.pause)
        return found

    def answer(self, what: str, log: Path, ask: Callable[[], requests.Response]) -> requests.Response:
        """Repeat a request until the response is not a temporary error.

        Raises:
            DemoError: A process has ended.
        """

        def look() -> list[requests.Response]:
            try:
                answer = ask()
            except requests.RequestException:
                return []
            return [] if answer.status_code in PASSING else [answer]

        return self.until(f"an answer from {what}", log, look)[0]


def ready(answer: requests.Response, what: str) -> Any:
    """Return the JSON of a response.

    Raises:
        DemoError: It is an error response.
    """
    if not answer.ok:
        raise DemoError(f"{what}: HTTP {answer.status_code}: {answer.text[:300]}")
    return answer.json()
