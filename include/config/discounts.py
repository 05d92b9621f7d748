"""``discounts.yaml``: who may grant which discount on a renewal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Share, Strict

Trade = Literal["term", "reference", "seats"]


class Rung(Strict):
    """What may be granted to some renewals.

    Args:
        tiers: Only accounts of these tiers; empty for all.
        bands: Only accounts in these health bands; empty for all.
        days: Only renewals whose decision is between so many days away; empty for all.
        csm: The deepest discount that a CSM grants alone, as a share of the list price.
        lead: The same for a lead.
        head: The same for the head of customer success. Nobody grants more.
        floor: The lowest price, as a share of the list price, whatever the term.
        trades: What the customer must give in return for more than the CSM's discount: one of these; empty for nothing.
    """

    tiers: tuple[str, ...] = ()
    bands: tuple[Literal["red", "yellow", "green", "unknown"], ...] = ()
    days: tuple[int, int] | None = None
    csm: Share
    lead: Share
    head: Share
    floor: Share
    trades: tuple[Trade, ...] = ()

    @model_validator(mode="after")
    def _check_order(self) -> Rung:
        if not self.csm <= self.lead <= self.head:
            raise ValueError("csm, lead and head must not decrease")
        if self.days and self.days[0] > self.days[1]:
            raise ValueError("days needs the smaller number first")
        return self

    def applies(self, tier: str | None, band: str | None, days: int | None) -> bool:
        """Return whether it is for a renewal. An unknown number of days is within every range."""
        return (
            (not self.tiers or tier in self.tiers)
            and (not self.bands or (band or "unknown") in self.bands)
            and (self.days is None or days is None or self.days[0] <= days <= self.days[1])
        )


class Discounts(Strict):
    """``discounts.yaml``.

    Args:
        term_credit: Months of the new term -> share that a longer term earns, which does not count as a discount.
        valid_days: Days after which a request or an approval lapses.
        rows: The ladder. The first row that applies to a renewal counts; the last one applies to all.
    """

    term_credit: dict[Annotated[int, Field(ge=1, le=120)], Share]
    valid_days: Annotated[int, Field(ge=1, le=365)]
    rows: Annotated[tuple[Rung, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_last_row(self) -> Discounts:
        last = self.rows[-1]
        if last.tiers or last.bands or last.days:
            raise ValueError("the last of rows must apply to all renewals: without tiers, bands and days")
        return self

    def row(self, tier: str | None, band: str | None, days: int | None = None) -> Rung:
        """Return the row for a renewal."""
        return next(row for row in self.rows if row.applies(tier, band, days))

    def credit(self, months: int | None) -> float:
        """Return the credit for the term of the new contract."""
        return max((credit for least, credit in self.term_credit.items() if months and months >= least), default=0.0)
