"""Checks of every Zendesk call: credentials, rate limits, and rate-limit headers."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

from fastapi import Request

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal

EMAIL = "data@customer.example"


def error(status: int, name: str, description: str, headers: dict[str, str] | None = None, **more: Any) -> Refusal:
    """Return a refusal in Zendesk's usual format."""
    return Refusal(status, {"error": name, "description": description, **more}, headers)


def not_found() -> Refusal:
    """Return the 404 of a missing record."""
    return error(404, "RecordNotFound", "Not found")


class Guard:
    """Refuses calls without valid credentials or beyond the limits.

    Args:
        sandbox: The sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: Request) -> None:
        """Check one call, and set the headers of its response."""
        if not self._is_known(request.headers.get("authorization", "")):
            raise Refusal(
                401, {"error": "Couldn't authenticate you"}, {"WWW-Authenticate": 'Basic realm="Web Password"'}
            )
        count = self.sandbox.limits.take("zendesk.minute")
        headers = {
            "x-rate-limit": str(count.limit),
            "x-rate-limit-remaining": str(count.remaining),
            "rate-limit": str(count.limit),
            "rate-limit-remaining": str(count.remaining),
            "rate-limit-reset": str(math.ceil(count.reset)),
        }
        if not count.allowed:
            raise error(429, "TooManyRequests", "You have exceeded the rate limit.",
                        headers | {"Retry-After": str(math.ceil(count.reset))})  # fmt: skip
        if "/incremental/" in request.url.path:
            headers |= self._count_export()
        request.scope["extra_headers"] |= headers

    def _is_known(self, header: str) -> bool:
        scheme, _, given = header.partition(" ")
        token = self.sandbox.secret("zendesk")
        if scheme.lower() == "bearer":
            return given == token
        try:
            login, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        # Password login is off: only mail address, "/token" and a token are accepted.
        return scheme.lower() == "basic" and login == f"{EMAIL}/token" and password == token

    def _count_export(self) -> dict[str, str]:
        """Count a call against the limit that all exports share."""
        count = self.sandbox.limits.take("zendesk.incremental")
        reset = math.ceil(count.reset)
        if not count.allowed:
            raise error(
                429,
                "APIRateLimitExceeded",
                "Number of allowed incremental export API requests per minute exceeded",
                {"Retry-After": str(reset)},
            )
        usage = f"total={count.limit}; remaining={count.remaining}; resets={reset}"
        return {"zendesk-ratelimit-incremental-exports": usage}
