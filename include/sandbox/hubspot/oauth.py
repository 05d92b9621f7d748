"""The token endpoint of an OAuth app: exchanges a refresh token for an access token that lives half an hour."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import new_id, read_json, reply
from include.sandbox.hubspot.errors import error

LIFETIME_SECONDS = 1800
SCOPES = (
    *(f"crm.{what}.{name}.read" for what in ("objects", "schemas")
      for name in ("companies", "contacts", "deals", "line_items")),
    "crm.objects.owners.read", "crm.objects.invoices.read", "crm.objects.feedback_submissions.read",
    "crm.objects.custom.read", "sales-email-read", "crm.objects.contacts.write", "crm.schemas.contacts.write",
    "crm.objects.companies.write",
)  # fmt: skip


def router(sandbox: Sandbox) -> APIRouter:
    """Return the token endpoint, at both URLs that are in use."""
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

    @routes.post("/oauth/2026-03/token/introspect")
    async def introspect(request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        app = credentials(sandbox)
        if (form.get("client_id"), form.get("client_secret")) != (app["client_id"], app["client_secret"]):
            raise error(400, "missing or unknown client id or secret", "BAD_CLIENT_ID")
        if form.get("token") not in sandbox.switches.get("hubspot.oauth", {}):
            return reply({"active": False})
        return reply({"active": True, "scopes": ["oauth", *_scopes(sandbox)], "hub_id": 1234567})

    @routes.post("/oauth/v2/private-apps/get/access-token-info")
    async def info(request: Request) -> Response:
        if (await read_json(request)).get("tokenKey") != sandbox.secret("hubspot", "pat-na1-"):
            raise error(404, "unknown token", "OBJECT_NOT_FOUND")
        return reply({"userId": 1, "hubId": 1234567, "appId": 1, "scopes": _scopes(sandbox)})

    return routes


def _scopes(sandbox: Sandbox) -> list[str]:
    missing = sandbox.switches.get("hubspot.missing_scopes") or []
    return [scope for scope in SCOPES if scope not in missing]


def credentials(sandbox: Sandbox) -> dict[str, str]:
    """Return the OAuth app's credentials."""
    return {
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": sandbox.secret("hubspot client"),
        "refresh_token": sandbox.secret("hubspot refresh", "na1-"),
    }
