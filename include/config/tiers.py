"""``value.yaml`` and ``tiers.yaml``: what serving an account costs, and how accounts of a tier are served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Identifier

Amount = Annotated[float, Field(ge=0, le=10_000_000)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Value(Strict):
    """``value.yaml``: what the customer value score needs next to the sources; amounts in the reporting currency.

    Args:
        touch_cost: Of one call or meeting.
        brands: Account -> how well known it is; goes before the CRM's field.
    """

    ticket_cost: Amount
    touch_cost: Amount
    brands: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:.+$")], Word]


class TierPolicy(Strict):
    """How accounts of one tier are served.

    Args:
        owner_level: What level of CSM owns them.
        cadence_days: They are contacted at least so often.
        reports: What they get, and how often.
        discount_ceiling: The most that may be offered without a lead's word, as a share.
        services_cost: What services that come with the tier cost a year, for the gross margin.
        playbooks: Made for the tier; while one of them runs an account does not go down.
    """

    owner_level: str
    cadence_days: Annotated[int, Field(ge=1, le=366)]
    channel: str
    reports: str
    discount_ceiling: Annotated[float, Field(ge=0, le=1)]
    services_cost: Amount
    playbooks: tuple[Identifier, ...]


class Tiers(Strict):
    """``tiers.yaml``.

    Args:
        follows: Whether an account's tier follows its own score, or the score with its whole family's order amount.
        answer_within_working_days: After so many working days a list of proposals expires.
        crm_names: Tier -> how the CRM's field calls it, where that is another word.
        policies: Tier, in lower case -> its policy; ``default`` for all others.
    """

    follows: Literal["account", "group"]
    answer_within_working_days: Annotated[int, Field(ge=1, le=60)]
    crm_names: dict[Word, str]
    policies: dict[Word, TierPolicy]

    def policy(self, tier: str | None) -> TierPolicy:
        """Return the policy of a tier."""
        return self.policies.get((tier or "").lower()) or self.policies["default"]

    def crm_name(self, tier: str) -> str:
        """Return how the CRM's field calls a tier."""
        return self.crm_names.get(tier, tier)

    @model_validator(mode="after")
    def _has_a_default(self) -> Tiers:
        if "default" not in self.policies:
            raise ValueError("policies needs `default`, for accounts without a tier of their own")
        return self
