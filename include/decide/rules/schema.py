"""What the file of every rule says, whether it is a signal or a playbook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from include.config.documents import Strict
from include.decide.rules.reasons import Reason, Why

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]


class Audience(Strict):
    """Which accounts a rule is for; an empty list means all."""

    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()

    def outside(self, values: Mapping[str, Any]) -> list[Why]:
        """Return why an account does not belong to it; nothing if it does."""
        wanted = {"tier": self.tiers, "region": self.regions, "industry": self.industries}
        return [
            Why(Reason.NOT_IN_AUDIENCE, {"name": name, "value": values[name], "wanted": chosen})
            for name, chosen in wanted.items()
            if chosen and values[name] not in chosen
        ]


class RuleFile(Strict):
    """What all rules have in common.

    Args:
        name: The file's name without ``.yaml``.
        version: Raised with every change; each message says by which version it was made.
        status: draft ones are evaluated and notify nobody; retired ones open no more and close what they opened.
        title: What people call it.
        why: Why anybody should care.
        audience: Which accounts.
    """

    type: ClassVar[str]

    name: Name
    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "live", "retired"]
    title: Text
    why: Text
    audience: Audience = Audience()
