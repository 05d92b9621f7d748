"""Choose the recipient of a message: the account's CSM, or their stand-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from include.config import Settings
from include.config.models import People, WorkingCalendar


class Owned(Protocol):
    """A subject with a CSM: a renewal, an account or a contact."""

    @property
    def owner_key(self) -> str | None: ...

    @property
    def owner_name(self) -> str | None: ...

    @property
    def owner_email(self) -> str | None: ...

    @property
    def owner_team(self) -> str | None: ...

    @property
    def owner_is_active(self) -> bool | None: ...


@dataclass(frozen=True)
class Owner:
    """An account's CSM, as the tables list them."""

    owner_key: str | None
    owner_name: str | None
    owner_email: str | None
    owner_team: str | None
    owner_is_active: bool | None


@dataclass(frozen=True)
class Recipient:
    """A person to write to.

    Args:
        owner_key: The owner key, if this is the account's owner; else "".
        note: Why they receive the message instead of the CSM; "" for the CSM.
    """

    name: str
    email: str
    owner_key: str = ""
    note: str = ""

    @property
    def owner_id(self) -> str:
        """The owner's id in the CRM; "" for anyone else."""
        return self.owner_key.partition(":")[2]


def recipient(owned: Owned, role: Literal["csm", "lead"], people: People) -> Recipient:
    """Return the person to notify in a role.

    If an account has no owner, or its owner has left or has no e-mail address, the message goes to the team's lead,
    else to the queue. The message says why. A renewal must not be missed because nobody was left to read about it.
    """
    lead = people.team_leads.get(owned.owner_team or "")
    if role == "lead":
        return Recipient((lead or people.queue).name, (lead or people.queue).email)
    if owned.owner_key and owned.owner_is_active and owned.owner_email:
        name = owned.owner_name or owned.owner_email
        return Recipient(name, owned.owner_email, owned.owner_key)
    stand_in = lead or people.queue
    return Recipient(stand_in.name, stand_in.email, "", f"You get this because {_why_not_owner(owned)}.")


def assignee(owner: Owner) -> Recipient | None:
    """Return the person who was assigned a task; None if they are inactive or have no e-mail address."""
    if not (owner.owner_is_active and owner.owner_email):
        return None
    note = "You get this because its task was assigned to you in the CRM."
    return Recipient(owner.owner_name or owner.owner_email, owner.owner_email, "", note)


def _why_not_owner(owned: Owned) -> str:
    if not owned.owner_key:
        return "the account has no owner in the CRM"
    owner = owned.owner_name or f"owner {owned.owner_key.partition(':')[2]}"
    if not owned.owner_is_active:
        return f"the account's owner in the CRM, {owner}, is no longer active"
    return f"the account's owner in the CRM, {owner}, has no e-mail address there"


def calendar_of(region: str | None, settings: Settings) -> WorkingCalendar:
    """Return the holidays and time zone of a region, or the default ones."""
    calendars = settings.people.calendars
    return calendars.get(region or "") or calendars.get("default") or WorkingCalendar(country="US", zone="UTC")
