"""Send to a group by its robot: a webhook that posts and can do nothing else.

A robot learns only whether its vendor accepted the message: uncertain messages stay uncertain. Its secret is part of
the URL. It is added just before the request, so that no logged or shown URL contains it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from requests.auth import AuthBase

from include.common import clock, connections
from include.common.errors import AuthError, PerennialError
from include.config import Settings
from include.config.channels import LABELS
from include.deliver.channels.base import TIMEOUTS, Outcome, message_of
from include.deliver.render import rooms
from include.deliver.render.rooms import Line
from include.http import body
from include.http.client import Client, RatePolicy, Refused, Uncertain
from include.http.limiter import Limit, for_account
from include.outbox.store import Delivery

# ``closed``: the robot accepts nothing until somebody corrects its settings. The others are those of ``Outcome``.
Meaning = Literal["sent", "refused", "later", "uncertain", "closed"]
SIGNING_SECRET = "signing_secret"  # noqa: S105  the name of the connection's extra field


class _SecretInTheUrl(AuthBase):
    """Adds the secret part of the URL just before the request."""

    def __init__(self, secret_part: Callable[[], str]) -> None:
        self._secret_part = secret_part

    def __call__(self, request: Any) -> Any:
        request.url = f"{request.url.rstrip('/')}{self._secret_part()}"
        return request


class RobotChannel(ABC):
    """Writes to a group. A subclass per vendor says what differs.

    Attributes:
        path: The part of the URL before the secret.
        key_pattern: What the connection's password must match.
        key_hint: How to find the password, for errors.
        limit: Messages that the vendor accepts.
        pause_seconds: For how long the vendor accepts nothing after too many messages.
        room: Bytes of a message's lines, without title and envelope.
        code_field, text_field: Where the vendor's answer holds its error code and text.
        meanings: Error code -> its meaning. 0 is ``sent``, any other code ``refused``.
        cure: What to correct if the robot is ``closed``.
        no_such_path: Statuses that say that there is no such robot.
    """

    name: str
    batch_size = 1
    is_repeatable = False

    path: ClassVar[str]
    key_pattern: ClassVar[str] = r"[\w-]+"
    key_hint: ClassVar[str]
    limit: ClassVar[Limit]
    pause_seconds: ClassVar[float] = 60.0
    room: ClassVar[int]
    code_field: ClassVar[str] = ""
    text_field: ClassVar[str] = ""
    meanings: ClassVar[Mapping[Any, Meaning]] = {}
    cure: ClassVar[str]
    no_such_path: ClassVar[frozenset[int]] = frozenset({404, 405, 410})

    def __init__(
        self, client: Client, key: str, signing_secret: str = "", now: Callable[[], datetime] = clock.now
    ) -> None:
        self.client = client
        self.key = key
        self.signing_secret = signing_secret
        self.now = now
        client.auth = _SecretInTheUrl(lambda: self.secret_part())

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Return the channel of the robot that channels.yaml names.

        Raises:
            ConfigError: The connection is missing or wrong.
        """
        connection = connections.get(getattr(settings.channels, cls.name).connection)
        base_url, key = connection.base_url(settings.allowed_plain_http_hosts), connection.secret()
        if not re.fullmatch(cls.key_pattern, key):
            raise connection.error(f"its password is not that of a {cls.label()} robot", cure=cls.key_hint)
        if cls.path.strip("/") and cls.path in f"{base_url}/":
            # Its host would be shown in errors, and may contain the secret.
            raise connection.error("its host contains more than the base URL", cure=cls.key_hint)
        signing_secret = str(connection.extra.get(SIGNING_SECRET) or "")
        client = Client(
            base_url=base_url,
            auth=None,
            limiter=for_account(cls.name, base_url, key, limits={"message": cls.limit}),
            rate_policy=RatePolicy(name=cls.label()),
            secrets=tuple(secret for secret in (key, *cls.secrets_in(key), signing_secret) if secret),
            connection_id=connection.id,
            timeouts=TIMEOUTS,
        )
        return cls(client, key, signing_secret)

    @classmethod
    def label(cls) -> str:
        """Return the vendor's name."""
        return LABELS[cls.name]

    @classmethod
    def secrets_in(cls, key: str) -> tuple[str, ...]:
        """Return parts of the key that are secrets by themselves."""
        return ()

    @abstractmethod
    def secret_part(self) -> str:
        """Return the secret rest of the URL, encoded."""

    @abstractmethod
    def show(self, line: Line) -> Any:
        """Return a line in the vendor's format, with every text escaped."""

    @abstractmethod
    def size(self, shown: Any) -> int:
        """Return the bytes that a shown line takes of ``room``."""

    @abstractmethod
    def content(self, title: str, shown: Sequence[Any]) -> dict[str, Any]:
        """Return the call's body. The title is not escaped."""

    def read(self, status: int, data: Any) -> tuple[Meaning, str]:
        """Return the meaning of an answer, and the vendor's words."""
        code = data.get(self.code_field) if isinstance(data, dict) else None
        if code is None:
            if status in self.no_such_path:
                return "closed", f"{self.label()} answered {status}"
            return "refused" if status >= 400 else "uncertain", f"{self.label()} gave no error code"
        text = f"{self.label()} answered {code}: {str(data.get(self.text_field, ''))[:200]}"
        return "sent" if code == 0 else self.meanings.get(code, "refused"), text

    def parse(self, content: bytes) -> Any:
        """Return the parsed body of an answer of success."""
        return body.parse(content)

    def parts(self, delivery: Delivery) -> list[tuple[str, list[Any]]]:
        """Return a delivery as (title, lines) per part."""
        message = message_of(delivery, is_shared=True)
        return rooms.parts(message, delivery.recipient, self.show, self.size, self.room)

    def address(self, delivery: Delivery) -> str:
        message_of(delivery)
        return "group"

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Post one message, in several parts if it is long."""
        (delivery,) = deliveries
        parts = self.parts(delivery)
        for number, (title, shown) in enumerate(parts, 1):
            try:
                outcome = self._post(self.content(title, shown))
            except PerennialError as error:
                if number == 1:
                    raise
                outcome = Outcome("uncertain", error.message)
            if outcome.state == "sent":
                continue
            if number == 1:
                return {delivery.key: outcome}
            # A retry would duplicate the parts already posted.
            reason = f"part {number} of {len(parts)} may not have arrived: {outcome.reason}"
            return {delivery.key: Outcome("uncertain", reason)}
        return {delivery.key: outcome}

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return None: a robot cannot read its group."""
        return None

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Do nothing: a robot cannot delete its messages."""
        return {delivery.key: f"a {self.label()} robot cannot delete its messages" for delivery in deliveries}

    def close(self) -> None:
        self.client.session.close()

    def _post(self, content: dict[str, Any]) -> Outcome:
        cure = f"{self.cure} (connection {self.client.connection_id})"
        try:
            answer = self.client.call("POST", self.path, json=content, kind="message", parse=self.parse)
            status, data = answer.status, answer.data
        except Uncertain as error:
            return Outcome("uncertain", error.message)
        except Refused as error:
            status, data = error.status, error.data
        except AuthError as error:
            raise AuthError(error.message, cure=cure) from None
        meaning, text = self.read(status, data)
        if meaning == "closed":
            raise AuthError(text, cure=cure)
        if meaning == "later":
            self.client.limiter.block("message", self.pause_seconds)
        return Outcome(meaning, "" if meaning == "sent" else text)
