"""``viewers.yaml``: what each person sees on the pages inside Airflow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Language


class Viewer(Strict):
    """What a person sees on the pages.

    Args:
        role: csm, lead, head, executive, region or operator.
        owner: For a CSM: the owner id in the CRM, such as ``crm:7``.
        teams: For a lead: teams, as in the CRM.
        regions: For a region: regions, as in the CRM.
        language: The pages' language; empty for the browser's.
    """

    role: Literal["csm", "lead", "head", "executive", "region", "operator"]
    owner: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*:.+)?$")] = ""
    teams: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    language: Language = ""

    @model_validator(mode="after")
    def _check_role(self) -> Viewer:
        for role, name in (("csm", "owner"), ("lead", "teams"), ("region", "regions")):
            if (self.role == role) != bool(getattr(self, name)):
                raise ValueError(f"{name} is required for role {role}, and only for it")
        return self

    @property
    def sees_names(self) -> bool:
        """Whether account names are shown."""
        return self.role != "operator"

    @property
    def sees_amounts(self) -> bool:
        return self.role != "operator"

    @property
    def sees_company(self) -> bool:
        """Whether amounts of all accounts together are shown."""
        return self.role in ("head", "executive")

    @property
    def sees_csms(self) -> bool:
        """Whether the names of CSMs are shown."""
        return self.role in ("csm", "lead", "head", "executive")

    @property
    def sees_people(self) -> bool:
        """Whether persons are named, and single accounts shown in full detail."""
        return self.role in ("csm", "lead", "head")


class Viewers(Strict):
    """``viewers.yaml``.

    Args:
        viewers: Login in Airflow -> what that person sees.
    """

    viewers: dict[Annotated[str, Field(min_length=1)], Viewer]

    def of(self, login: str) -> Viewer:
        """Return what a login sees. A login that is not listed sees an operator's view."""
        return self.viewers.get(login) or Viewer(role="operator")
