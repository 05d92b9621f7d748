"""Checks of every Salesforce call: session, daily limit, and the limit header."""

from __future__ import annotations

import base64
import binascii
import re
import secrets

from fastapi import APIRouter, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, reply
from include.sandbox.salesforce.errors import error, expired_session, not_found

SESSION_SECONDS = 7200
OLDEST_VERSION = 31
NEWEST_VERSION = 68


class Guard:
    """Refuses calls without a session, beyond the limit, or to retired API versions.

    Args:
        sandbox: The sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: Request) -> None:
        """Check one call, and set the header of its response."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        sessions = self.sandbox.switches.get("salesforce.sessions", {})
        now = self.sandbox.now()
        if scheme not in ("Bearer", "OAuth") or sessions.get(token, 0) <= now:
            raise expired_session()
        sessions[token] = now + SESSION_SECONDS * 1000  # using a session extends it
        daily = self.sandbox.limits.take("salesforce.daily")
        used = {"Sforce-Limit-Info": f"api-usage={daily.limit - daily.remaining}/{daily.limit}"}
        request.scope["extra_headers"] |= used
        if not daily.allowed:
            raise error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        version = re.match(r"/salesforce/services/data/v(\d+)\.0/", request.url.path + "/")
        if not version or not OLDEST_VERSION <= int(version[1]) <= NEWEST_VERSION:
            raise not_found()


def router(sandbox: Sandbox) -> APIRouter:
    """Return the token endpoint."""
    routes = APIRouter()

    @routes.post("/services/oauth2/token")
    async def token(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        app = credentials(sandbox)
        given = form.get("client_id"), form.get("client_secret")
        if given == (None, None):
            given = _basic(request.headers.get("authorization", ""))
        if given[0] != app["client_id"]:
            raise _refusal("invalid_client_id", "client identifier invalid")
        if given[1] != app["client_secret"]:
            raise _refusal("invalid_client", "invalid client credentials")
        grant = form.get("grant_type")
        if grant not in ("client_credentials", "refresh_token"):
            raise _refusal("unsupported_grant_type", "grant type not supported")
        if grant == "refresh_token" and form.get("refresh_token") != app["refresh_token"]:
            raise _refusal("invalid_grant", "expired access/refresh token")
        session = f"00DSB0000000001!{secrets.token_urlsafe(48)}"
        now = sandbox.now()
        sandbox.switches.setdefault("salesforce.sessions", {})[session] = now + SESSION_SECONDS * 1000
        sandbox.keep_switches()
        at = f"{sandbox.url}/salesforce"
        # As in Salesforce, the response does not say when the token expires.
        body = {"access_token": session, "instance_url": sandbox.switches.get("salesforce.instance_url", at),
                "id": f"{at}/id/00DSB0000000001EAA/005SB0000000001AAA", "token_type": "Bearer",
                "issued_at": str(now), "signature": "c2lnbmF0dXJl", "scope": "api"}  # fmt: skip
        if sandbox.switches.get("salesforce.rotate_refresh_tokens") and grant == "refresh_token":
            body["refresh_token"] = secrets.token_urlsafe(32)
        return reply(body)

    return routes


def credentials(sandbox: Sandbox) -> dict[str, str]:
    """Return the connected app's credentials."""
    return {
        "client_id": "3MVG9sandbox.PerennialConnectedApp",
        "client_secret": sandbox.secret("salesforce client"),
        "refresh_token": sandbox.secret("salesforce refresh", "5Aep861"),
    }


def _basic(header: str) -> tuple[str | None, str | None]:
    try:
        login, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return login, password


def _refusal(code: str, message: str) -> Refusal:
    return Refusal(400, {"error": code, "error_description": message})
