"""Access tokens that a token endpoint gives out and that end some time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from requests import PreparedRequest
from requests.auth import AuthBase


@dataclass(frozen=True)
class Token:
    """A token and for how long it is used.

    Args:
        value: The token.
        seconds: After so many seconds another one is fetched, whether or not this one still works.
    """

    value: str = field(repr=False)
    seconds: float


class OAuth(AuthBase):
    """Sends a token, fetched on first use and anew when it ends or is refused.

    Args:
        fetch: Asks the token endpoint.
        clock: Seconds that only go forward.
    """

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._token: Token | None = None
        self._ends = 0.0
        self._lock = threading.Lock()

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        # One thread fetches, the others wait for what it got.
        with self._lock:
            if self._token is None or self._clock() >= self._ends:
                self._token = self._fetch()
                self._ends = self._clock() + self._token.seconds
            request.headers["Authorization"] = f"Bearer {self._token.value}"
        return request

    def forget(self) -> None:
        """Fetch another token for the next request: the vendor says that this one has ended."""
        with self._lock:
            self._token = None
