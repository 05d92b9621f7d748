"""The token endpoint of an OAuth app: a refresh token buys an access token that lives half an hour."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import new_id, reply
from include.sandbox.hubspot.errors import error

LIFETIME_SECONDS = 1800


def router(sandbox: Sandbox) -> APIRouter:
    """Return the token endpoint, at both addresses that are in use."""
    routes = APIRouter()

    @routes.post("/oauth/v1/token")
    @routes.post("/oauth/2026-03/token")
    async def token(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if form.get("grant_type") != "refresh_token":
            raise error(400, "missing or unknown grant_type", "BAD_GRANT_TYPE")
        app = credentials(sandbox)
        if (form.get("client_id"), form.get("client_secret")) != (app["client_id"], app["client_secret"]):
            raise error(400, "missing or unknown client id or secret", "BAD_CLIENT_ID")
        if form.get("refresh_token") != app["refresh_token"]:
            raise error(400, "missing or unknown refresh token", "BAD_REFRESH_TOKEN")
        given = f"oauth-{new_id()}"
        sandbox.switches.setdefault("hubspot.oauth", {})[given] = sandbox.now() + LIFETIME_SECONDS * 1000
        sandbox.keep_switches()
        return reply({"access_token": given, "refresh_token": app["refresh_token"], "expires_in": LIFETIME_SECONDS,
                      "token_type": "bearer"})  # fmt: skip

    return routes


def credentials(sandbox: Sandbox) -> dict[str, str]:
    """Return what an OAuth app needs to get tokens."""
    return {
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": sandbox.secret("hubspot client"),
        "refresh_token": sandbox.secret("hubspot refresh", "na1-"),
    }
