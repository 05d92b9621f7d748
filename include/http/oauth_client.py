"""A client that gets its token from the vendor's token endpoint."""

from __future__ import annotations

from collections.abc import Callable

from include.http.client import Client, RatePolicy
from include.http.limiter import Limiter
from include.http.oauth import OAuth, Token


def open_oauth_client(
    base_url: str,
    limiter: Limiter,
    rate_policy: RatePolicy,
    secrets: tuple[str, ...],
    connection_id: str,
    token: Callable[[Client], Token],
) -> Client:
    """Return a client that fetches its token when it needs one.

    Args:
        base_url: As for ``Client``.
        limiter: As for ``Client``; calls for tokens count too.
        rate_policy: As for ``Client``.
        secrets: Values that obtain the token.
        connection_id: As for ``Client``.
        token: Requests a token, through a client that sends none.
    """
    token_client = Client(base_url, None, limiter, rate_policy, secrets, connection_id)

    def fetch() -> Token:
        # Use the waiting client's sleep, timeouts and connections.
        token_client.sleep, token_client.timeouts, token_client.session = client.sleep, client.timeouts, client.session
        return token(token_client)

    client = Client(base_url, OAuth(fetch, base_url, *secrets), limiter, rate_policy, secrets, connection_id)
    return client
