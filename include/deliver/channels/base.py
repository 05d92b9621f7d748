"""The interface of a channel to the sender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from pydantic import ValidationError

from include.common import texts
from include.common.errors import PerennialError
from include.common.secrets import hidden
from include.outbox import personal_data
from include.outbox.message import Message
from include.outbox.store import Delivery

# Connect and read timeouts, in seconds, of calls that send messages. A call's outcome is uncertain for no longer than
# these plus ``uncertain.SETTLE``.
TIMEOUTS = (10.0, 20.0)


class Undeliverable(PerennialError):
    """The channel does not know the person, or cannot show the delivery. A retry cannot help; another channel may."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one delivery.

    Args:
        state: ``sent``; ``refused`` permanently; ``later`` if it was certainly not accepted and may be sent again;
            ``uncertain`` if nobody knows.
        reason: Why it was not simply sent, with the fix.
    """

    state: Literal["sent", "refused", "later", "uncertain"]
    reason: str = ""
    external_id: str = ""

    def __post_init__(self) -> None:
        # It is stored, logged and shown, and may quote a vendor or a mail server.
        object.__setattr__(self, "reason", hidden(self.reason))


TaskState = Literal["open", "started", "done", "deleted"]


@dataclass(frozen=True)
class TaskSnapshot:
    """The current state of a task in the CRM.

    Args:
        state: ``started`` if somebody marked it as in progress.
        due_on: The due date in the account's time zone; None if it was removed.
        owner_id: The assignee; "" for none.
        outcome: The outcome that was entered.
        changed_at: The time of the last change, by the CRM's clock.
    """

    state: TaskState
    due_on: date | None = None
    owner_id: str = ""
    outcome: str = ""
    changed_at: datetime | None = None


def message_of(delivery: Delivery, is_shared: bool = False) -> Message:
    """Return the message of a delivery, as its readers may see it.

    Args:
        is_shared: Whether people other than its recipient will read it. Personal data is then left out.

    Raises:
        Undeliverable: It was planned by a version that wrote messages in another form.
    """
    try:
        with texts.reading(str(delivery.body.get("language") or "")):
            return Message.model_validate(personal_data.shown(delivery.body, is_shared))
    except ValidationError:
        raise Undeliverable(
            "the planned message has a format that this version cannot show",
            cure="nothing to do: the next decision plans it again if it is still due",
        ) from None


class Channel(Protocol):
    """One channel.

    A problem of the channel as a whole, *before* a delivery can have been accepted (no connection, a wrong token,
    throttled for long), is raised as a PerennialError: the deliveries stay planned. A problem of one delivery, or an
    uncertain one, is an ``Outcome``.
    """

    name: str
    batch_size: int
    is_repeatable: bool
    """Whether sending the same delivery twice has the effect of sending it once."""

    def address(self, delivery: Delivery) -> str:
        """Return the address of a delivery.

        Raises:
            Undeliverable: The channel does not know the person, or cannot show the delivery.
        """

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Send at most ``batch_size`` deliveries whose address is set. Return the outcome of each, by key."""

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return our messages to an address: key -> outside id. Return None if the channel keeps no history."""

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Withdraw at most ``batch_size`` sent deliveries. Doing so twice is safe.

        Returns:
            Key -> the reason, for deliveries that cannot be withdrawn.
        """

    def close(self) -> None:
        """Close the channel's connections."""


class TaskChannel(Channel, Protocol):
    """The tasks of a CRM. They are also read back, because CSMs answer alerts in them."""

    def read_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, TaskSnapshot]:
        """Return the current state of written tasks, by key. Tasks that the CRM does not know are left out."""
