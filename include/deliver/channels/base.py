"""What every channel offers to the sender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from pydantic import ValidationError

from include.common.errors import PerennialError
from include.common.secrets import hidden
from include.outbox import personal_data
from include.outbox.message import Message
from include.outbox.store import Delivery

# Of calls that people wait for. What is uncertain is so for no longer than this and what uncertain.SETTLE adds.
TIMEOUTS = (10.0, 20.0)


class Undeliverable(PerennialError):
    """The channel does not know the person, or cannot show the delivery. Retrying cannot help; another channel may."""


@dataclass(frozen=True)
class Outcome:
    """What became of one delivery.

    Args:
        state: ``sent``; ``refused`` permanently; ``later`` if it was certainly not accepted and may be sent again;
            ``uncertain`` if nobody knows.
        reason: Why it was not simply sent, with the cure.
    """

    state: Literal["sent", "refused", "later", "uncertain"]
    reason: str = ""
    external_id: str = ""

    def __post_init__(self) -> None:
        # It is kept, logged and shown, and may be in the words of a vendor or a mail server.
        object.__setattr__(self, "reason", hidden(self.reason))


TaskState = Literal["open", "started", "done", "deleted"]


@dataclass(frozen=True)
class TaskNow:
    """A task as the CRM shows it now.

    Args:
        state: ``started`` if somebody says that they are at it; ``deleted`` if it was thrown away.
        due_on: When it is due where the account is; None if that was taken away.
        owner_id: Whose it is; "" for nobody's.
        outcome: What was written down as its outcome.
        changed_at: When it was last changed, by the CRM's clock.
    """

    state: TaskState
    due_on: date | None = None
    owner_id: str = ""
    outcome: str = ""
    changed_at: datetime | None = None


def message_of(delivery: Delivery, in_a_room: bool = False) -> Message:
    """Return the message that a delivery holds, as its readers may see it.

    Args:
        in_a_room: Whether others than its recipient will read it: what is personal is then left out.

    Raises:
        Undeliverable: It was planned by a version that wrote messages in another form.
    """
    try:
        return Message.model_validate(personal_data.shown(delivery.body, in_a_room))
    except ValidationError:
        raise Undeliverable(
            "the planned message has a form that this version cannot show",
            cure="nothing to do: the next decision plans what is still due",
        ) from None


class Channel(Protocol):
    """One way out.

    Whatever goes wrong with the channel as a whole *before* a delivery can have been accepted (no connection, a wrong
    token, throttled for long) is raised as a PerennialError: the deliveries stay planned. What concerns one delivery,
    or is uncertain, is an ``Outcome``.
    """

    name: str
    batch_size: int
    is_repeatable: bool
    """Whether sending the same delivery twice has the effect of sending it once."""

    def address(self, delivery: Delivery) -> str:
        """Return where the delivery goes.

        Raises:
            Undeliverable: The channel does not know the person, or cannot show the delivery.
        """

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        """Send deliveries whose address is set, at most ``batch_size``; return what became of each, by key."""

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return what an address has received from us: key -> outside id; None if the channel keeps no history."""

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        """Withdraw deliveries that were sent, at most ``batch_size``; doing it twice does no harm.

        Returns:
            Key -> why it stays, for those that cannot be taken back.
        """

    def close(self) -> None:
        """Let go of connections."""


class TaskChannel(Channel, Protocol):
    """A CRM's tasks: they are also read back, because in them people answer."""

    def read_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, TaskNow]:
        """Return what has become of tasks that were written, by key; one that nothing is known of is left out."""
