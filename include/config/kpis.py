"""``kpis.yaml``: the numbers that KPIs are computed with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from include.config.documents import Strict

Share = Annotated[float, Field(ge=0, le=1)]
Minutes = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


class Promise(Strict):
    """What the desk has promised for tickets of one priority.

    Args:
        first_reply_minutes: Until the first answer.
        resolution_minutes: Until it is solved.
        business_hours: The minutes are those of the ticket's schedule in the desk, not of the calendar.
    """

    first_reply_minutes: Minutes
    resolution_minutes: Minutes
    business_hours: bool = False


class ForecastCategory(Strict):
    """Stages of a renewal's deal that go with one probability."""

    category: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    probability: Share
    stages: tuple[str, ...] = ()


class Forecast(Strict):
    """How probable it is that an open renewal is renewed."""

    open_deal: Share
    no_deal: Share
    auto_renew: Share
    categories: tuple[ForecastCategory, ...]


class Kpis(Strict):
    """``kpis.yaml``.

    Args:
        gross_margin: Share of revenue that is left after the cost of serving it.
        pause_days: A pause longer than this is churn.
        first_value_days: Within how many days of its contract's start an account should have had first value.
        fiscal_year_start_month: The month in which a fiscal year begins; the year is called after its last day.
        plan_rates: Currency -> fiscal year -> what one unit of it is worth in the reporting currency.
        urgent_limit_hours: Tier -> hours after which an open urgent ticket is late; ``default`` for all others.
        sla: Priority -> what the desk has promised.
        forecast: Probabilities of open renewals.
    """

    gross_margin: Share
    pause_days: Annotated[int, Field(ge=1, le=3660)]
    first_value_days: Annotated[int, Field(ge=1, le=3660)]
    fiscal_year_start_month: Annotated[int, Field(ge=1, le=12)]
    plan_rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], dict[int, Rate]]
    urgent_limit_hours: dict[str, Annotated[int, Field(ge=1)]]
    sla: dict[str, Promise]
    forecast: Forecast
