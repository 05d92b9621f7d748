"""Send to a Slack channel by incoming webhook, for workspaces that allow no bot. It cannot look up past messages.

The secret part of its URL, ``T…/B…/X…``, is the connection's password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from requests.auth import AuthBase

from include.common import texts
from include.common.connections import Connection
from include.common.errors import AuthError, ConfigError, Forbidden
from include.config import Settings
from include.deliver.channels.base import TIMEOUTS, Outcome, message_of
from include.deliver.render import slack as render_slack
from include.http.client import Client, RatePolicy, Refused, Uncertain
from include.http.limiter import Limit, for_account
from include.outbox.store import Delivery

HOST_PATH = "/services"
_LIMIT = Limit(1, 1.0)


class _SecretInThePath(AuthBase):
    """Adds the secret to the URL just before the request, so that no logged or shown URL contains it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __call__(self, request: Any) -> Any:
        request.url = f"{request.url}{self._secret}"
        return request


def _text(content: bytes) -> str:
    return content[:200].decode(errors="replace")


class SlackWebhook:
    """Writes to the webhook's channel, and names the recipient."""

    name = "slack"
    batch_size = 1
    is_repeatable = False

    def __init__(self, client: Client) -> None:
        self._client = client

    @classmethod
    def connect(cls, connection: Connection, settings: Settings) -> SlackWebhook:
        """Return the channel of a webhook.

        Raises:
            ConfigError: The connection is wrong.
        """
        base_url, secret = connection.base_url(settings.allowed_plain_http_hosts), connection.secret().strip("/")
        client = Client(
            base_url=base_url,
            auth=_SecretInThePath(secret),
            # The secret begins with the workspace id. The bot counts against the same workspace limits.
            limiter=for_account("slack", secret.partition("/")[0], limits={"webhook": _LIMIT}),
            rate_policy=RatePolicy(name="Slack", parse=_text, explain=str),
            secrets=(secret,),
            connection_id=connection.id,
            timeouts=TIMEOUTS,
        )
        return cls(client)

    def address(self, delivery: Delivery) -> str:
        message_of(delivery)
        return "webhook"

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        (delivery,) = deliveries
        message = message_of(delivery, is_shared=True)
        with texts.reading(message.language):
            message = message.with_note(texts.gettext("For {reader}", reader=delivery.recipient))
        content = {"text": render_slack.fallback_text(message), "blocks": render_slack.blocks(message)}
        try:
            self._client.call("POST", "/", json=content, kind="webhook")
        except Uncertain as error:
            return {delivery.key: Outcome("uncertain", error.message)}
        except Refused as error:
            if error.status in (404, 410):
                raise ConfigError(
                    f"Slack no longer accepts the webhook: {error.message}",
                    cure=f"create a new webhook and enter it in connection {self._client.connection_id}",
                ) from None
            return {delivery.key: Outcome("refused", str(error))}
        except Forbidden as error:
            raise AuthError(
                error.message, cure=f"create a new webhook and enter it in connection {self._client.connection_id}"
            ) from None
        return {delivery.key: Outcome("sent")}

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return None: a webhook cannot read its channel."""
        return None

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Do nothing: webhooks cannot delete messages."""
        return {delivery.key: "a webhook cannot delete its messages" for delivery in deliveries}

    def close(self) -> None:
        self._client.session.close()
