"""The fields that every rule file has, whether it is a signal or a playbook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from include.config.documents import Strict
from include.config.fields import Language
from include.decide.rules.reasons import DetailedReason, Reason

Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]


class Audience(Strict):
    """The accounts that a rule applies to; an empty list means all."""

    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()

    def outside(self, values: Mapping[str, Any]) -> list[DetailedReason]:
        """Return why an account is not in the audience; empty if it is."""
        wanted = {"tier": self.tiers, "region": self.regions, "industry": self.industries}
        return [
            DetailedReason(Reason.NOT_IN_AUDIENCE, {"name": name, "value": values[name], "wanted": chosen})
            for name, chosen in wanted.items()
            if chosen and values[name] not in chosen
        ]


class RuleFile(Strict):
    """The fields that all rules have.

    Args:
        name: The file's name without ``.yaml``.
        version: Raised with every change. Each message names the version that made it.
        status: A draft signal is evaluated, but notifies nobody. A retired signal closes its open episodes. A playbook
            starts only while it is live.
        title: The name that people see.
        why: Why the reader should care.
        audience: The accounts that it applies to.
        languages: Language -> the file's texts in it, in the form of the file. Others come from the catalogue.
    """

    type: ClassVar[str]

    name: Name
    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "live", "retired"]
    title: Text
    why: Text
    audience: Audience = Audience()
    languages: dict[Language, dict[str, Any]] = Field(default={}, exclude=True)
