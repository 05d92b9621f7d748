"""Checks of every HubSpot call: credentials, rate limits, and rate-limit headers."""

from __future__ import annotations

import math

from fastapi import Request

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, iso_ms, new_id
from include.sandbox.hubspot.errors import error, rate_limited

HTML_530 = "<html><head><title>530</title></head><body>error code: 1016</body></html>"


class Guard:
    """Refuses calls without valid credentials or beyond the limits.

    Args:
        sandbox: The sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: Request) -> None:
        """Check one call, and set the headers of its response."""
        self._authenticate(request.headers.get("authorization", ""))
        self._authorise(request.url.path)
        is_search = request.url.path.endswith("/search")
        request.scope["extra_headers"] |= self._count(is_search) | {"X-HubSpot-Correlation-Id": new_id()}

    def _authenticate(self, header: str) -> None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise error(
                401,
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
                "INVALID_AUTHENTICATION",
            )
        if token == self.sandbox.secret("hubspot", "pat-na1-"):
            if self.sandbox.switches.get("hubspot.expired_token"):
                raise self._expired(self.sandbox.now())
            return
        expires = self.sandbox.switches.get("hubspot.oauth", {}).get(token)
        if expires is None:
            if not token.isascii() or not token.startswith(("pat-", "oauth-")):
                raise Refusal(530, HTML_530)
            raise error(401, "Authentication credentials not found or no longer valid.", "INVALID_AUTHENTICATION")
        if expires <= self.sandbox.now():
            raise self._expired(expires)

    def _authorise(self, path: str) -> None:
        """Refuse objects whose scope a switch removes from the token."""
        missing = self.sandbox.switches.get("hubspot.missing_scopes") or []
        for scope in missing:
            if f"/{scope.split('.')[2]}" in path:
                raise error(
                    403,
                    "This app hasn't been granted all required scopes to make this call. Read more about required "
                    "scopes here: https://developers.hubspot.com/scopes.",
                    "MISSING_SCOPES",
                    errors=[
                        {
                            "message": "One or more of the following scopes are required.",
                            "context": {"requiredGranularScopes": [scope]},
                        }
                    ],
                )

    def _expired(self, at: int) -> Refusal:
        return error(
            401,
            f"The OAuth token used to make this call expired {(self.sandbox.now() - at) // 1000} second(s) ago.",
            "EXPIRED_AUTHENTICATION",
            context={"expire time": [iso_ms(at)]},
        )

    def _count(self, is_search: bool) -> dict[str, str]:
        limits = self.sandbox.limits
        daily = limits.take("hubspot.daily")
        headers = {
            "X-HubSpot-RateLimit-Daily": str(daily.limit),
            "X-HubSpot-RateLimit-Daily-Remaining": str(daily.remaining),
        }
        if not daily.allowed:
            raise rate_limited("DAILY", None)
        if is_search:
            # Search has a separate limit, and its responses show the daily one only.
            search = limits.take("hubspot.search")
            if not search.allowed:
                raise rate_limited("SECONDLY", None)
            return headers
        rolling, secondly = limits.take("hubspot.ten_seconds"), limits.take("hubspot.secondly")
        if not rolling.allowed:
            raise rate_limited("TEN_SECONDLY_ROLLING", math.ceil(rolling.reset))
        if not secondly.allowed:
            raise rate_limited("SECONDLY", None)
        return headers | {
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": str(rolling.limit),
            "X-HubSpot-RateLimit-Remaining": str(rolling.remaining),
            "X-HubSpot-RateLimit-Secondly": str(secondly.limit),
            "X-HubSpot-RateLimit-Secondly-Remaining": str(secondly.remaining),
        }
