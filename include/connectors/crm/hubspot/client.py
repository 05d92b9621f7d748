"""HubSpot's rate policy, and the client for one portal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from include.common.connections import Connection
from include.common.errors import AuthError, Unavailable
from include.connectors.casting import time_or_none as moment
from include.connectors.crm.hubspot.resources import INTROSPECT, TOKEN, TOKEN_INFO, USAGE
from include.http.auth import Bearer
from include.http.client import Client, RatePolicy, Refused, Throttle
from include.http.dates import pause, retry_after
from include.http.limiter import Limit, for_account
from include.http.oauth import OAuth, Token
from include.http.oauth_client import open_oauth_client

_MARGIN_SECONDS = 60.0
_LIMITS = {"ordinary": Limit(10, 1.0), "search": Limit(5, 1.0)}


def _learn(kind: str, headers: Mapping[str, str]) -> dict[str, Limit]:
    """Return the ordinary limit from the headers. Search responses state only the daily limit."""
    try:
        if "X-HubSpot-RateLimit-Secondly" in headers:
            return {"ordinary": Limit(int(headers["X-HubSpot-RateLimit-Secondly"]), 1.0)}
        if "X-HubSpot-RateLimit-Max" in headers:
            milliseconds = int(headers.get("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"))
            return {"ordinary": Limit(int(headers["X-HubSpot-RateLimit-Max"]), milliseconds / 1000)}
    except ValueError:
        pass
    return {}


def _throttle(headers: Mapping[str, str], data: Any) -> Throttle:
    """Return the meaning of a 429. If Retry-After is missing, the policy's name implies the wait."""
    policy = str(data.get("policyName", "")) if isinstance(data, dict) else ""
    seconds = retry_after(headers)
    if "DAILY" in policy:
        return Throttle(seconds, is_daily=True)
    if seconds is None and policy:
        seconds = 10.0 if "TEN" in policy else 1.0
    return Throttle(seconds)


def _explain(data: Any) -> str:
    if not isinstance(data, dict):
        return ""
    parts = [str(data[key]) for key in ("message", "error_description", "category") if data.get(key)]
    scopes = [scope for error in data.get("errors") or [] for scope in _scopes(error)]
    if scopes:
        parts.insert(0, f"missing scope {' or '.join(dict.fromkeys(scopes))}")
    if data.get("correlationId"):
        parts.append(f"correlation id {data['correlationId']}")
    return ", ".join(parts)


def _scopes(error: Any) -> list[str]:
    """Return the scopes that an error names as missing."""
    context = error.get("context") if isinstance(error, dict) else None
    named = (context or {}).get("requiredGranularScopes") or (context or {}).get("requiredScopes") or []
    return [str(scope) for scope in named]


def _resets_at(client: Client) -> datetime | None:
    """Return when the daily quota resets: midnight in the portal's time zone, by the usage report."""
    data = client.get(USAGE).data
    rows = data.get("results") if isinstance(data, dict) else None
    times = [at for row in rows or [] if isinstance(row, dict) and (at := moment(row.get("resetsAt")))]
    return max(times, default=None)


RATE_POLICY = RatePolicy("HubSpot", _learn, _throttle, _explain, resets_at=_resets_at)


def open_client(
    connection: Connection, allowed_plain_http_hosts: tuple[str, ...], reader: Connection | None = None
) -> Client:
    """Return a client for one portal, for reading and for delivery.

    The connection's password is a private app's token. With a ``refresh_token`` in ``extra`` it is an OAuth app's
    client secret instead, and the login is the client id.

    Args:
        connection: The connection to use.
        allowed_plain_http_hosts: Hosts that may be called without TLS.
        reader: The connection that reads the portal, if it is another one: both share the portal's limits.

    Raises:
        ConfigError: The connection lacks a host or a secret.
    """
    base_url, secret = connection.base_url(allowed_plain_http_hosts), connection.secret()
    refresh_token = str(connection.extra.get("refresh_token") or "")
    counted = reader or connection
    # Limits belong to the portal, whichever of an app's tokens is in use.
    identity = str(counted.extra.get("refresh_token") or "") or counted.secret()
    limiter = for_account("hubspot", counted.base_url(allowed_plain_http_hosts), identity, limits=_LIMITS)
    if not refresh_token:
        return Client(base_url, Bearer(secret), limiter, RATE_POLICY, (secret,), connection.id)
    if not connection.login:
        raise connection.error("has no login", cure="set its login to the OAuth app's client id")
    secrets = (secret, refresh_token)
    return open_oauth_client(
        base_url,
        limiter,
        RATE_POLICY,
        secrets,
        connection.id,
        lambda token_client: _token(token_client, connection, refresh_token),
    )


def _token(token_client: Client, connection: Connection, refresh_token: str) -> Token:
    form = {
        "grant_type": "refresh_token",
        "client_id": connection.login,
        "client_secret": connection.password,
        "refresh_token": refresh_token,
    }
    try:
        data = token_client.call("POST", TOKEN, form=form, is_repeatable=True).data
    except Refused as error:
        raise AuthError(
            error.message,
            cure=f"correct login (client id), password (client secret) and extra.refresh_token of {connection.id}; "
            "a refresh token is revoked when the app is uninstalled from the portal",
        ) from None
    if not isinstance(data, dict) or not isinstance(data.get("access_token"), str):
        raise Unavailable("HubSpot's token endpoint returned no access token", cure="check the connection's host")
    # HubSpot asks clients not to wait for a 401. A token must not expire during a request.
    seconds = pause(data.get("expires_in")) or 1800.0
    return Token(data["access_token"], max(1.0, seconds - _MARGIN_SECONDS))


def granted(client: Client, connection: Connection) -> frozenset[str] | None:
    """Return the scopes of the token in use; None if HubSpot does not report them."""
    try:
        if isinstance(client.auth, OAuth):
            login = {"client_id": connection.login, "client_secret": connection.password}
            form = login | {"token": client.auth.current(), "token_type_hint": "access_token"}
            data = client.call("POST", INTROSPECT, form=form, is_repeatable=True).data
        else:
            data = client.call("POST", TOKEN_INFO, json={"tokenKey": connection.password}, is_repeatable=True).data
    except Refused:
        return None
    scopes_given = data.get("scopes") or str(data.get("scope") or "").split() if isinstance(data, dict) else None
    return frozenset(map(str, scopes_given)) if scopes_given else None
