"""OAuth access tokens that expire.

All processes share one token (``include.http.shared``), encrypted with the secrets that obtain it. Without them it
cannot be read; with them, anyone could fetch a token anyway.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from requests import PreparedRequest
from requests.auth import AuthBase

from include.common import secrets as secret_registry
from include.common.errors import WarehouseError
from include.http import shared
from include.http.dates import MAX_PAUSE_SECONDS, pause

# Maximum wait for a token that another process is fetching; after that, each process fetches its own.
_LOCK_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Token:
    """An access token and its lifetime.

    Args:
        value: The token.
        seconds: A new token is fetched after this time, even if this one still works.
    """

    value: str = field(repr=False)
    seconds: float


class OAuth(AuthBase):
    """Authenticate with a token. One process fetches it for all, on first use and when it expires or is rejected.

    Args:
        fetch: Asks the token endpoint.
        *secrets: Values that obtain the token and identify it.
        clock: Seconds since the epoch.
    """

    def __init__(self, fetch: Callable[[], Token], *secrets: str, clock: Callable[[], float] = time.time) -> None:
        # Imported here because only OAuth clients need it.
        from cryptography.fernet import Fernet

        self._fetch, self._clock = fetch, clock
        key = hashlib.sha256("\0".join(secrets).encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._shared = shared.of("tokens", hashlib.sha256(key).hexdigest()[:16])
        self._expires_at = 0.0
        self._rejected = ""
        self.value = ""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.current()}"
        return request

    def current(self) -> str:
        """Return a token that is valid now."""
        if self._clock() >= self._expires_at:
            self._renew()
        return self.value

    def forget(self) -> None:
        """Use another token for the next request, because the vendor rejected this one."""
        self._rejected, self._expires_at = self.value, 0.0

    def _renew(self) -> None:
        token = None
        try:
            with self._shared.changing(_LOCK_WAIT_SECONDS) as held:
                ahead = 0.0 if held.now is None else held.now - self._clock()
                value, expires_at = self._decrypted(held.content, ahead)
                if self._clock() >= expires_at or value == self._rejected:
                    token = self._fetch()
                    value, expires_at = token.value, self._clock() + (pause(token.seconds) or 0.0)
                    held.content = self._fernet.encrypt(orjson.dumps([value, expires_at + ahead]))
        except WarehouseError:
            if token is None:
                raise  # else the warehouse ended the connection during the fetch: this process has its token
        secret_registry.remember([value])  # a late rejection may quote this token after a new one has replaced it
        self.value, self._expires_at = value, expires_at

    def _decrypted(self, content: bytes, ahead: float) -> tuple[str, float]:
        from cryptography.fernet import InvalidToken

        try:
            value, expires_at = orjson.loads(self._fernet.decrypt(content))
            expires_at -= ahead  # by this machine's clock
        except (InvalidToken, ValueError, TypeError):  # empty, or cut off by a full disk or a power failure
            return "", 0.0
        is_valid = (
            isinstance(value, str)
            and isinstance(expires_at, int | float)
            and expires_at <= self._clock() + MAX_PAUSE_SECONDS
        )
        return (value, expires_at) if is_valid else ("", 0.0)
