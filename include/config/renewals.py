"""``renewals.yaml``: when CSMs are reminded of renewals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Days, Identifier

CONTRACT_WAYS = ("deal", "billing", "company")


@dataclass(frozen=True)
class Ladder:
    """The rungs of a renewal ladder.

    Args:
        rungs: Days before the decision date, largest first. The last rung is at most half a short term, so that every
            longer term has at least one rung.
        late_by_days: How many days after its date a rung may still be sent.
        short_term_days: A term shorter than this gets only the last rung: a ladder within a quarter would be noise.
    """

    rungs: tuple[int, ...]
    late_by_days: int
    short_term_days: int

    def __post_init__(self) -> None:
        if not self.rungs or list(self.rungs) != sorted(set(self.rungs), reverse=True) or self.rungs[-1] < 1:
            raise ValueError(f"ladder_days must be distinct, positive and in descending order: {list(self.rungs)}")
        if 2 * self.rungs[-1] > self.short_term_days:
            raise ValueError(
                f"the last of ladder_days must be at most half of short_term_days ({self.short_term_days})"
            )
        if self.late_by_days < 1:
            raise ValueError(f"late_by_days must be at least 1, not {self.late_by_days}")


class RenewalAnswer(Strict):
    """A person's answer about a term.

    Args:
        term: The agreed term, such as ``crm:4711#1``.
        deal: The won deal that continues it.
        not_deal: A deal that does not continue it, or ``all``.
        by: The person who answered.
    """

    term: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:.+#[0-9]+$")]
    deal: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+)?$")] = ""
    not_deal: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+|all)?$")] = ""
    reason: Annotated[str, Field(min_length=1)]
    by: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _check_one_answer(self) -> RenewalAnswer:
        if bool(self.deal) == bool(self.not_deal):
            raise ValueError("set either deal or not_deal, not both")
        return self


class Renewals(Strict):
    """``renewals.yaml``.

    Args:
        ladder_days: The rungs: days before the decision date on which the account's CSM is notified.
        late_by_days: A missed rung is still sent up to this many days later.
        short_term_days: A term shorter than this gets only the last rung.
        horizon_days: How far ahead renewals are listed.
        behind_days: How long after its decision date an open renewal stays listed.
        early_days: A renewal closed more than this before its due date is early.
        renewal_pipelines: Pipelines, as in the CRM, whose deals are renewals regardless of their type.
        free_months: ``spread`` spreads the paid amount over the free months; ``paid_rate`` counts them at the paid
            rate.
        contract_ways: The sources of contracts, by precedence, if an account has several. A CRM's id means its deals; a
            billing system's id means all its contracts.
        answers: The answers people gave about which deal continues which term.
    """

    ladder_days: tuple[Annotated[int, Field(ge=1, le=730)], ...]
    late_by_days: Annotated[int, Field(ge=1, le=180)]
    short_term_days: Days
    horizon_days: Days
    behind_days: Days
    early_days: Days
    renewal_pipelines: tuple[str, ...]
    free_months: Literal["spread", "paid_rate"]
    contract_ways: tuple[Identifier, ...]
    answers: tuple[RenewalAnswer, ...]

    @model_validator(mode="after")
    def _check_contract_ways(self) -> Renewals:
        ways = self.contract_ways
        if not set(CONTRACT_WAYS) <= set(ways) or len(set(ways)) < len(ways):
            raise ValueError(f"contract_ways must list {', '.join(CONTRACT_WAYS)} once each; sources are optional")
        return self

    @model_validator(mode="after")
    def _check_ladder(self) -> Renewals:
        self.ladder()
        return self

    def ladder(self) -> Ladder:
        """Return the ladder that these settings describe."""
        return Ladder(self.ladder_days, self.late_by_days, self.short_term_days)
