"""What the file of a signal says."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from include.config.documents import Strict
from include.decide.rules.schema import Name, RuleFile, Text

_MONTH_AND_DAY = r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"


class Quiet(Strict):
    """Days of every year on which nothing opens; what holds then is evaluated again when they are over.

    Args:
        first: Month and day, such as 12-20.
        last: Month and day, included; before ``first`` it is in the next year.
    """

    first: Annotated[str, Field(pattern=_MONTH_AND_DAY)]
    last: Annotated[str, Field(pattern=_MONTH_AND_DAY)]

    def includes(self, day: date) -> bool:
        """Return whether a day is one of them."""
        here = f"{day:%m-%d}"
        if self.first <= self.last:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last


class Signal(RuleFile):
    """One signal: when it opens, worsens and closes, whom it concerns, and what is said.

    Args:
        kind: Whether it reports a risk, an opportunity, or missing data, which is neither.
        about: What it is about: customer accounts, their people, or accounts that were customers. Chooses the columns.
        thresholds: Name -> number, usable in conditions and texts.
        tiers: Tier -> thresholds that differ for it.
        open: Condition over the columns that opens an episode.
        worse: Condition that makes an open episode one of high severity; empty for never.
        close: Condition that closes it. It must be clearly beyond ``open``, so that nothing flutters.
        needs: Entities without which it is not available.
        min_days_as_customer: Younger customers are left alone.
        cool_down_days: After a close, it does not open again for so long.
        quiet: Days of the year on which nothing opens.
        unless_at_risk: It does not open while another risk signal is open for the account, which tells the cause.
        explains_health: Its alert lists the three largest causes of the fall of the health score.
        first_scan: What happens to what holds already when the signal is evaluated for the very first time:
            ``silent`` keeps it as open and notifies nobody, ``notify`` notifies.
        subject: Jinja template of one line.
        evidence: Jinja templates, one per line of evidence; an empty line is left out.
        next_steps: What to do, most urgent first.
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
                raise ValueError(f"tiers.{tier} sets {strange[0]}, which is not among the thresholds")
        return self
