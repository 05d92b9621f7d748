"""Choose the recipient of a message: the account's CSM, or their stand-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from include.common.texts import N_, gettext
from include.config import Settings
from include.config.models import People, WorkingCalendar

Why = Literal["", "no_owner", "inactive", "no_address", "assigned", "earlier_task"]

_NOTES: dict[Why, str] = {
    "": "",
    "no_owner": N_("You get this because the account has no owner in the CRM."),
    "inactive": N_("You get this because the account's owner in the CRM, {owner}, is no longer active."),
    "no_address": N_("You get this because the account's owner in the CRM, {owner}, has no e-mail address there."),
    "assigned": N_("You get this because its task was assigned to you in the CRM."),
    "earlier_task": N_("You get this because an earlier task was assigned to you in the CRM."),
}
_CAUSES: dict[Why, str] = {
    "no_owner": N_("the account has no owner in the CRM"),
    "inactive": N_("the account's owner in the CRM, {owner}, is no longer active"),
    "no_address": N_("the account's owner in the CRM, {owner}, has no e-mail address there"),
}


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
        why: Why they receive the message instead of the CSM; "" for the CSM.
        instead_of: The owner who cannot be written to.
    """

    name: str
    email: str
    owner_key: str = ""
    why: Why = ""
    instead_of: str = ""

    @property
    def owner_id(self) -> str:
        """The owner's id in the CRM; "" for anyone else."""
        return self.owner_key.partition(":")[2]

    @property
    def note(self) -> str:
        """The sentence that says why they receive the message, in the language of the text being written."""
        return gettext(_NOTES[self.why], owner=self.instead_of) if self.why else ""

    @property
    def cause(self) -> str:
        """Why the owner cannot be written to, without a full stop; "" if they can."""
        return gettext(_CAUSES[self.why], owner=self.instead_of) if self.why in _CAUSES else ""


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
    why: Why = "no_owner" if not owned.owner_key else "no_address" if owned.owner_is_active else "inactive"
    owner = owned.owner_name or f"#{(owned.owner_key or '').partition(':')[2]}"
    return Recipient(stand_in.name, stand_in.email, "", why, owner)


def assignee(owner: Owner) -> Recipient | None:
    """Return the person who was assigned a task; None if they are inactive or have no e-mail address."""
    if not (owner.owner_is_active and owner.owner_email):
        return None
    return Recipient(owner.owner_name or owner.owner_email, owner.owner_email, "", "assigned")


def calendar_of(region: str | None, settings: Settings) -> WorkingCalendar:
    """Return the holidays and time zone of a region, or the default ones."""
    calendars = settings.people.calendars
    return calendars.get(region or "") or calendars.get("default") or WorkingCalendar(country="US", zone="UTC")


def zone_of(address: str, region: str | None, settings: Settings) -> str:
    """Return the time zone of times in a message: the reader's own, or else the region's."""
    return settings.people.reader(address).zone or calendar_of(region, settings).zone
