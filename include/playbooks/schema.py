"""What a playbook file says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from include.config.documents import Strict

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]


class Audience(Strict):
    """Which accounts it is for; an empty list means all."""

    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()

    def includes(self, tier: str | None, region: str | None, industry: str | None) -> bool:
        """Return whether an account belongs to it."""
        return all(
            not wanted or value in wanted
            for wanted, value in ((self.tiers, tier), (self.regions, region), (self.industries, industry))
        )


class Step(Strict):
    """One thing to do.

    Args:
        id: Its name within the playbook; it is part of the task's key, so it is never given to another step.
        kind: What it becomes.
        owner: Whose it is: the account's own manager, or the team's lead.
        due_in_working_days: Counted from the day on which the playbook starts, in the account's region.
        priority: As the CRM shows it.
        subject: Jinja template of one line.
        body: Jinja template; line breaks are kept.
    """

    id: Name
    kind: Literal["crm_task"]
    owner: Literal["csm", "lead"]
    due_in_working_days: Annotated[int, Field(ge=0, le=120)]
    priority: Literal["LOW", "MEDIUM", "HIGH"] = "MEDIUM"
    subject: Annotated[str, Field(min_length=1, max_length=250)]
    body: Text


class Playbook(Strict):
    """One playbook file.

    Args:
        name: The file's name without ``.yaml``.
        version: Raised with every change; each task says by which version it was made.
        status: draft ones are checked but never start; retired ones start no more, but end what they started.
        title: What people call it.
        why: What it is for, shown in lists.
        guide: Address of the text that explains it to the CSM; empty for none.
        trigger: Condition over the columns of the open renewals; starts the playbook.
        exit: Condition that ends it: the risk is gone. The end of the renewal always ends it.
        audience: Which accounts.
        steps: What to do, in order.
    """

    name: Name
    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "live", "retired"]
    title: Text
    why: Text
    guide: str = ""
    trigger: Text
    exit: Text
    audience: Audience = Audience()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)]
