"""``touches.yaml``: what holds for all touches: how often a person is written to, and who may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from include.config.documents import Strict

# opt_in: only contacts whose consent the CRM records. opt_out: all customers but those who opted out. never: nobody.
ConsentRule = Literal["opt_in", "opt_out", "never"]


class Consent(Strict):
    """Whom touches may write to. Nobody who opted out is written to, whatever the rule.

    Args:
        default: The rule of regions that are not listed, and of accounts without a region.
        regions: Region, as in the CRM -> its rule.
        given_as: The values of the contact's ``consent`` that are a consent; case does not matter.
    """

    default: ConsentRule
    regions: dict[Annotated[str, Field(min_length=1)], ConsentRule]
    given_as: tuple[Annotated[str, Field(min_length=1)], ...]

    def rule_of(self, region: str | None) -> ConsentRule:
        return self.regions.get(region or "", self.default)

    def is_given(self, consent: str | None) -> bool:
        return (consent or "").strip().casefold() in {one.casefold() for one in self.given_as}


class Touches(Strict):
    """``touches.yaml``.

    Args:
        days_between: A contact is on one list, or addressed by one playbook, in so many days.
        consent: Whom touches may write to.
    """

    days_between: Annotated[int, Field(ge=1, le=365)]
    consent: Consent
