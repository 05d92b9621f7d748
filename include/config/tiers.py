"""``value.yaml`` and ``tiers.yaml``: the cost of serving an account, and how each tier is served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Identifier

Amount = Annotated[float, Field(ge=0, le=10_000_000)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Value(Strict):
    """``value.yaml``: inputs of the customer value score that no source has. Amounts are in the reporting currency.

    Args:
        touch_cost: Cost of a call or meeting.
        brands: Account -> how well known it is. It overrides the CRM's field.
    """

    ticket_cost: Amount
    touch_cost: Amount
    brands: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:.+$")], Word]


class TierPolicy(Strict):
    """How accounts of a tier are served.

    Args:
        owner_level: The level of the CSMs who own them.
        cadence_days: The longest time between two contacts.
        reports: The reports they get, and how often.
        services_cost: Yearly cost of the services that come with the tier, for the gross margin.
        playbooks: Playbooks for the tier. An account is not moved down while one of them runs.
    """

    owner_level: str
    cadence_days: Annotated[int, Field(ge=1, le=366)]
    channel: str
    reports: str
    services_cost: Amount
    playbooks: tuple[Identifier, ...]


class Tiers(Strict):
    """``tiers.yaml``.

    Args:
        follows: Whether an account's tier follows its own score, or the score with its whole family's order amount.
        answer_within_working_days: Working days after which a list of proposals expires.
        crm_names: Tier -> its value in the CRM's field, if it differs.
        policies: Tier, in lower case -> its policy. ``default`` applies to all others.
    """

    follows: Literal["account", "group"]
    answer_within_working_days: Annotated[int, Field(ge=1, le=60)]
    crm_names: dict[Word, str]
    policies: dict[Word, TierPolicy]

    def policy(self, tier: str | None) -> TierPolicy:
        return self.policies.get((tier or "").lower()) or self.policies["default"]

    def crm_name(self, tier: str) -> str:
        """Return a tier's value in the CRM's field."""
        return self.crm_names.get(tier, tier)

    @model_validator(mode="after")
    def _check_default(self) -> Tiers:
        if "default" not in self.policies:
            raise ValueError("policies needs `default`, for accounts of all other tiers")
        return self
