"""``kpis.yaml``: the parameters of the KPIs."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from include.config.documents import Share, Strict

Minutes = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


class SlaTarget(Strict):
    """The SLA for tickets of one priority.

    Args:
        first_reply_minutes: Time to the first reply.
        resolution_minutes: Time to resolution.
        business_hours: Count the minutes in the ticket's schedule in the desk, not on the calendar.
        stops_while_pending: Leave the time in pending out of the time to resolution.
    """

    first_reply_minutes: Minutes
    resolution_minutes: Minutes
    business_hours: bool = False
    stops_while_pending: bool = False


class ForecastCategory(Strict):
    """Deal stages of renewals that share one probability."""

    category: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    probability: Share
    stages: tuple[str, ...] = ()


class Forecast(Strict):
    """The probability that an open renewal renews."""

    open_deal: Share
    no_deal: Share
    auto_renew: Share
    categories: tuple[ForecastCategory, ...]


class Kpis(Strict):
    """``kpis.yaml``.

    Args:
        gross_margin: Share of revenue left after the cost of serving it.
        pause_days: A pause longer than this is churn.
        first_value_days: Days after its contract's start within which an account should reach first value.
        fiscal_year_start_month: The month in which a fiscal year begins. The year is named after its last day.
        plan_rates: Currency -> fiscal year -> value of one unit in the reporting currency.
        urgent_limit_hours: Tier -> hours after which an open urgent ticket is late. ``default`` applies to all others.
        sla: Priority -> the desk's SLA.
        closed_days: Days on which the desk is closed, besides weekends; they use up no business minutes.
        forecast: Probabilities of open renewals.
    """

    gross_margin: Share
    pause_days: Annotated[int, Field(ge=1, le=3660)]
    first_value_days: Annotated[int, Field(ge=1, le=3660)]
    fiscal_year_start_month: Annotated[int, Field(ge=1, le=12)]
    plan_rates: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], dict[int, Rate]]
    urgent_limit_hours: dict[str, Annotated[int, Field(ge=1)]]
    sla: dict[str, SlaTarget]
    closed_days: tuple[date, ...]
    forecast: Forecast
