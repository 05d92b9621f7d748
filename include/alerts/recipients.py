"""Who is written to: the account's manager, or whoever stands in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from include.config.models import People
from include.renewals.checkpoint import Checkpoint


@dataclass(frozen=True)
class Recipient:
    """A person to write to.

    Args:
        name: The person's name.
        email: The person's address.
        owner_key: The account's owner, when that is who it is; else "".
        note: Why someone else than the account's manager gets it; "" if it is the manager.
    """

    name: str
    email: str
    owner_key: str = ""
    note: str = ""

    @property
    def owner_id(self) -> str:
        """The owner's id in the CRM; "" for anyone else."""
        return self.owner_key.partition(":")[2]


def recipient(checkpoint: Checkpoint, role: Literal["csm", "lead"], people: People) -> Recipient:
    """Return who is told about a renewal in a role.

    An account without an owner, or whose owner has left, is told to the team's lead, else to the queue, and the message
    says so: a renewal must not pass because nobody was left to read about it.
    """
    lead = people.team_leads.get(checkpoint.owner_team or "")
    if role == "lead":
        return Recipient((lead or people.queue).name, (lead or people.queue).email)
    if checkpoint.owner_key and checkpoint.owner_is_active and checkpoint.owner_email:
        name = checkpoint.owner_name or checkpoint.owner_email
        return Recipient(name, checkpoint.owner_email, checkpoint.owner_key)
    stand_in = lead or people.queue
    return Recipient(stand_in.name, stand_in.email, "", f"You get this because {_why_not_owner(checkpoint)}.")


def _why_not_owner(checkpoint: Checkpoint) -> str:
    if not checkpoint.owner_key:
        return "the account has no owner in the CRM"
    owner = checkpoint.owner_name or f"owner {checkpoint.owner_key.partition(':')[2]}"
    if not checkpoint.owner_is_active:
        return f"the account's owner in the CRM, {owner}, is no longer active"
    return f"the account's owner in the CRM, {owner}, has no e-mail address there"
