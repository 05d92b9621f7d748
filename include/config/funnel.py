"""``funnel.yaml``: the standard for leads and the targets; ``campaigns.yaml``: what campaigns were for and taught."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from include.config.documents import PositiveShare, Strict

LeadStage = Literal["lead", "qualified", "sales_qualified", "converted"]


class Standard(Strict):
    """A version of the written standard that a lead must meet to count as acquired.

    Args:
        valid_from: Leads from this day on are judged by it; those before the first version, too.
        says: The standard in words.
        stage: The CRM's stage that stands for it. A later stage counts as well.
    """

    version: Annotated[int, Field(ge=1)]
    valid_from: date
    says: Annotated[str, Field(min_length=5)]
    stage: LeadStage

    @property
    def stage_no(self) -> int:
        """Its place among the stages, from 1."""
        return get_args(LeadStage).index(self.stage) + 1


class Target(Strict):
    """A target for the way from one stage to another.

    Args:
        days: Days that each has for it.
        rate: Share that should make it.
    """

    stage: Literal["acquisition", "activation", "revenue"]
    next_stage: Literal["activation", "retention", "revenue", "referral"]
    days: Literal[30, 90, 180]
    rate: PositiveShare


class Funnel(Strict):
    """``funnel.yaml``.

    Args:
        standards: In the order of their days.
        targets: The ways that are compared for the bottleneck.
        unlikely: A channel without a win is listed once this many wins are less likely than this.
    """

    standards: Annotated[tuple[Standard, ...], Field(min_length=1)]
    targets: tuple[Target, ...]
    unlikely: PositiveShare

    @model_validator(mode="after")
    def _check_order(self) -> Funnel:
        days = [one.valid_from for one in self.standards]
        versions = [one.version for one in self.standards]
        if days != sorted(set(days)) or versions != sorted(set(versions)):
            raise ValueError("standards must be in the order of valid_from, with rising versions")
        return self


class Campaign(Strict):
    """A campaign. Perennial counts; a person fills in goal, result, cause and rule.

    Args:
        name: As the CRM and the costs name it.
        goal: What it was for.
        wanted: Customers that it should win.
        result: What came of it, in words.
        cause: Why.
        rule: What to do, or not to do, next time.
    """

    name: Annotated[str, Field(min_length=1)]
    starts_on: date
    ends_on: date
    goal: str = ""
    wanted: Annotated[int, Field(ge=1)] | None = None
    result: str = ""
    cause: str = ""
    rule: str = ""

    @property
    def key(self) -> str:
        """Its name in figures: tools take another casing for another campaign, people do not.

        https://www.utmguard.com/blog/utm-case-sensitivity-issues
        """
        return self.name.strip().lower().replace(" ", "_")

    @property
    def missing(self) -> tuple[str, ...]:
        """The fields that nobody has filled in."""
        return tuple(name for name in ("goal", "result", "cause", "rule") if not getattr(self, name).strip())


class Campaigns(Strict):
    """``campaigns.yaml``."""

    campaigns: tuple[Campaign, ...]

    @model_validator(mode="after")
    def _check_names(self) -> Campaigns:
        names = [one.key for one in self.campaigns]
        if len(names) != len(set(names)):
            raise ValueError("each campaign needs a name of its own")
        if wrong := next((one.name for one in self.campaigns if one.ends_on < one.starts_on), ""):
            raise ValueError(f"campaign {wrong} ends before it starts")
        return self
