"""The schema of a touch file: a message to many customers at once, handed off as a list."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from include.decide.playbooks.schema import Tested
from include.decide.rules.schema import Name, Text


class Touch(Tested):
    """One touch.

    Args:
        when: Condition over the columns of ``marts.act_account`` and the scores of ``marts.account_rfm``. Only accounts
            for which it is true are in the audience.
        segments: Only accounts in these segments of segments.yaml; empty for all.
        roles: Only contacts in one of these roles; empty for all.
        consent: ``by_region`` follows touches.yaml; ``opt_in`` requires a recorded consent everywhere.
        again_after_days: A contact may be on a list of this touch again after so many days.
        subject: Jinja template of one line.
        body: Jinja template. Line breaks are kept.
    """

    type: ClassVar[str] = "touch"

    when: Text
    segments: tuple[Name, ...] = ()
    roles: tuple[Literal["decision_maker", "champion"], ...] = ()
    consent: Literal["by_region", "opt_in"] = "by_region"
    again_after_days: Annotated[int, Field(ge=14, le=3660)] = 180
    subject: Annotated[str, Field(min_length=1, max_length=250)]
    body: Text
