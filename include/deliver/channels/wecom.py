"""Send to a WeCom group by its robot. This is the worked example of adding a channel.

A robot writes to one group, and learns only whether the message was accepted: uncertain messages stay uncertain. The
key of its URL is the connection's password. It is passed as a parameter of the call, so that no logged or shown URL
contains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from requests.auth import AuthBase

from include.common import connections
from include.common.errors import AuthError
from include.config import Settings
from include.deliver.channels.base import TIMEOUTS, Outcome, message_of
from include.deliver.render import wecom as render_wecom
from include.http.client import Client, RatePolicy, Refused, Uncertain
from include.http.limiter import Limit, for_account
from include.outbox.store import Delivery

_PATH = "/cgi-bin/webhook/send"
_LIMIT = Limit(20, 60.0)  # per robot, by WeCom's reference
_WRONG_KEY = {93000, 40001, 40014}
_TOO_MANY = 45009
_BUSY = -1  # "the system is busy": the message may have been accepted or not


class _KeyInTheCall(AuthBase):
    """Adds nothing: the key is a parameter of the call."""

    def __call__(self, request: Any) -> Any:
        return request


class WeComChannel:
    """Writes to a group."""

    name = "wecom"
    batch_size = 1
    is_repeatable = False

    def __init__(self, client: Client, key: str) -> None:
        self._client = client
        self._key = key

    @classmethod
    def connect(cls, settings: Settings) -> WeComChannel:
        """Return the channel of the robot that channels.yaml names.

        Raises:
            ConfigError: The connection is missing or wrong.
        """
        connection = connections.get(settings.channels.wecom.connection)
        base_url, key = connection.base_url(settings.allowed_plain_http_hosts), connection.secret()
        client = Client(
            base_url=base_url,
            auth=_KeyInTheCall(),
            limiter=for_account("wecom", base_url, key, limits={"message": _LIMIT}),
            rate_policy=RatePolicy(name="WeCom"),
            secrets=(key,),
            connection_id=connection.id,
            timeouts=TIMEOUTS,
        )
        return cls(client, key)

    def address(self, delivery: Delivery) -> str:
        message_of(delivery)
        return "group"

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Post one message, in several parts if it is long."""
        (delivery,) = deliveries
        parts = render_wecom.parts(message_of(delivery, is_shared=True), delivery.recipient)
        for number, part in enumerate(parts, 1):
            outcome = self._post(part)
            if outcome.state == "sent":
                continue
            if number == 1:
                return {delivery.key: outcome}
            # A retry would duplicate the parts already posted.
            reason = f"part {number} of {len(parts)} may not have arrived: {outcome.reason}"
            return {delivery.key: Outcome("uncertain", reason)}
        return {delivery.key: Outcome("sent")}

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return None: a robot cannot read its group."""
        return None

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Do nothing: WeCom robots cannot delete messages."""
        return {delivery.key: "a WeCom robot cannot delete its messages" for delivery in deliveries}

    def close(self) -> None:
        self._client.session.close()

    def _post(self, part: str) -> Outcome:
        content = {"msgtype": "markdown", "markdown": {"content": part}}
        try:
            answer = self._client.call("POST", _PATH, params={"key": self._key}, json=content, kind="message").data
        except Uncertain as error:
            return Outcome("uncertain", error.message)
        except Refused as error:
            return Outcome("refused", str(error))
        code = answer.get("errcode") if isinstance(answer, dict) else None
        if code == 0:
            return Outcome("sent")
        text = (
            f"WeCom answered {code}: {str(answer.get('errmsg', ''))[:200]}"
            if code is not None
            else "WeCom gave no error code"
        )
        if code in _WRONG_KEY:
            raise AuthError(
                text, cure=f"enter the robot's key as the password of connection {self._client.connection_id}"
            )
        if code == _TOO_MANY:
            self._client.limiter.block("message", _LIMIT.seconds)
            return Outcome("later", text)
        return Outcome("uncertain" if code in (None, _BUSY) else "refused", text)
