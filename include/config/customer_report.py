"""``customer_report.yaml``: the customers' usage and value report."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Feature as FeatureName
from include.config.fields import Language

AccountKey = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:.+$")]
Sentence = Annotated[str, Field(min_length=3, max_length=300)]


class Feature(Strict):
    """How customers know a feature.

    Args:
        title: Its name in the product.
        why: One sentence why it is worth using. Without one, the feature is never recommended.
        link: Where to read on.
        products: Products of the contract that include it. Empty: every contract does.
    """

    title: Annotated[str, Field(min_length=1, max_length=80)]
    why: Sentence | Literal[""] = ""
    link: Annotated[str, Field(pattern=r"^(https://[^\s]+)?$")] = ""
    products: tuple[str, ...] = ()


class CustomerReport(Strict):
    """``customer_report.yaml``.

    Args:
        cadence: How often reports are drafted; ``never`` turns them off.
        wait_days: Days after the period's end until they are drafted.
        consent: Whether every customer gets one unless listed in ``opted_out``, or only those in ``opted_in``.
        languages: Region of the account -> the customer's language, if the CRM has none. Else the default language.
        output: Features whose events count as the customer's output. Empty: output per head is not shown.
        features: Feature -> how customers know it.
        next_steps: Playbook and step, such as ``onboarding.kickoff`` -> what the customer reads while its task is open.
    """

    cadence: Literal["monthly", "quarterly", "never"]
    wait_days: Annotated[int, Field(ge=0, le=28)]
    consent: Literal["assumed", "required"]
    opted_in: tuple[AccountKey, ...]
    opted_out: tuple[AccountKey, ...]
    languages: dict[str, Language]
    output: tuple[FeatureName, ...]
    features: dict[FeatureName, Feature]
    next_steps: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")], Sentence]

    @model_validator(mode="after")
    def _check_consent(self) -> CustomerReport:
        if self.consent == "assumed" and self.opted_in:
            raise ValueError("opted_in has no effect unless consent is required")
        return self

    def is_agreed(self, account_key: str) -> bool:
        """Return whether an account gets a report."""
        if account_key in self.opted_out:
            return False
        return self.consent == "assumed" or account_key in self.opted_in
