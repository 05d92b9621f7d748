"""A client that gets its token from the vendor's token endpoint."""

from __future__ import annotations

from collections.abc import Callable

from include.http.client import Client, RatePolicy
from include.http.limiter import Limiter
from include.http.oauth import OAuth, Token


def signed_in(
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
    asking = Client(base_url, None, limiter, rate_policy, secrets, connection_id)

    def fetch() -> Token:
        # Use the waiting client's sleep, timeouts and connections.
        asking.sleep, asking.timeouts, asking.session = made.sleep, made.timeouts, made.session
        return token(asking)

    made = Client(base_url, OAuth(fetch, base_url, *secrets), limiter, rate_policy, secrets, connection_id)
    return made
