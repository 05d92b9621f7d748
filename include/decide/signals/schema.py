"""The schema of a signal file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from include.config.documents import Strict
from include.decide.rules.schema import Name, RuleFile, Text

_MONTH_AND_DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class Quiet(Strict):
    """A yearly period in which nothing opens. Conditions that still hold after it open then.

    Args:
        first: Month and day, such as 12-20.
        last: Month and day, included. If it is before ``first``, it is in the next year.
    """

    first: Annotated[str, Field(pattern=_MONTH_AND_DAY)]
    last: Annotated[str, Field(pattern=_MONTH_AND_DAY)]

    def includes(self, day: date) -> bool:
        here = f"{day:%m-%d}"
        if self.first <= self.last:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last


class Signal(RuleFile):
    """One signal: its conditions, its audience and its message.

    Args:
        kind: Whether it reports a risk, an opportunity, or missing data, which is neither.
        about: Its subjects: customer accounts, their contacts, or former customers. This selects the columns.
        thresholds: Name -> number, for use in conditions and texts.
        tiers: Tier -> thresholds that it overrides.
        open: Condition over the columns that opens an episode.
        worse: Condition that raises an open episode to high severity; empty for never.
        close: Condition that closes it. It must be clearly beyond ``open``, so that episodes do not flap.
        needs: Entities without which the signal is not available.
        min_days_as_customer: It opens only for accounts that have been customers for at least this many days.
        cool_down_days: It does not open again for this many days after a close.
        quiet: Days of the year on which nothing opens.
        unless_at_risk: It does not open while another risk signal, which names the cause, is open for the account.
        explains_health: Its alert lists the three largest causes of the fall of the health score.
        first_scan: What happens when the signal is evaluated for the very first time and its condition already holds:
            ``silent`` opens the episode and notifies nobody, ``notify`` notifies.
        subject: Jinja template of one line.
        evidence: Jinja templates, one per line of evidence. Empty lines are left out.
        next_steps: Recommended actions, most urgent first.
    """

    type: ClassVar[str] = "signal"

    kind: Literal["risk", "opportunity", "data"]
    about: Literal["account", "contact", "former"]
    thresholds: dict[Name, float] = Field(default={})
    tiers: dict[str, dict[Name, float]] = Field(default={})
    open: Text
    worse: str = ""
    close: Text
    needs: tuple[Name, ...] = ()
    min_days_as_customer: Annotated[int, Field(ge=0, le=3660)] = 0
    cool_down_days: Annotated[int, Field(ge=0, le=365)] = 14
    quiet: tuple[Quiet, ...] = ()
    unless_at_risk: bool = False
    explains_health: bool = False
    first_scan: Literal["silent", "notify"] = "silent"
    subject: Annotated[str, Field(min_length=1, max_length=250)]
    evidence: Annotated[tuple[Text, ...], Field(min_length=1, max_length=10)]
    next_steps: Annotated[tuple[Text, ...], Field(min_length=1, max_length=4)]

    @field_validator("tiers")
    @classmethod
    def _lower(cls, value: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        return {tier.lower(): numbers for tier, numbers in value.items()}

    @model_validator(mode="after")
    def _knows_its_thresholds(self) -> Signal:
        for tier, numbers in self.tiers.items():
            strange = sorted(set(numbers) - set(self.thresholds))
            if strange:
                raise ValueError(f"tiers.{tier} sets {strange[0]}, which is not a threshold of this signal")
        return self
