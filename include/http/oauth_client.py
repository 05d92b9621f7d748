"""A client whose token comes from the vendor's token endpoint."""

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
    """Return a client that sends a token and fetches it when one is needed.

    Args:
        base_url: See ``Client``.
        limiter: See ``Client``; calls for tokens count too.
        rate_policy: See ``Client``.
        secrets: What buys the token.
        connection_id: See ``Client``.
        token: Asks for a token, by a client that sends none.
    """
    asking = Client(base_url, None, limiter, rate_policy, secrets, connection_id)

    def fetch() -> Token:
        # As patient as the one that waits for the token, and over its connections.
        asking.sleep, asking.timeouts, asking.session = made.sleep, made.timeouts, made.session
        return token(asking)

    made = Client(base_url, OAuth(fetch, base_url, *secrets), limiter, rate_policy, secrets, connection_id)
    return made
