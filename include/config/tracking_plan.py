"""``tracking_plan.yaml``: the events that the product sends, and who answers for them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Feature
from include.config.person import Person

Property = Literal["user_id", "minutes"]


class Event(Strict):
    """An event, or a feature whose use is counted.

    Args:
        description: What the person did, and when the event is sent.
        owner: The person to notify when it no longer arrives or is no longer measured.
        feature: The feature that it belongs to; "" if it is one.
        properties: Columns of ``usage_day`` that every row of it fills.
        within_days: It arrives at least once in so many days.
    """

    description: Annotated[str, Field(min_length=5)]
    owner: Person
    feature: str = ""
    properties: tuple[Property, ...] = ()
    within_days: Annotated[int, Field(ge=1, le=400)] = 28

    def missing_since(self, complete_day: date) -> date:
        """Return the day that makes the event missing if it last arrived then or earlier.

        Args:
            complete_day: The newest day of which all usage has been read.
        """
        return complete_day - timedelta(days=self.within_days)


class TrackingPlan(Strict):
    """``tracking_plan.yaml``.

    Args:
        version: Raised with every change of the plan.
        events: Events by their names in ``usage_day.feature``; empty if there is no plan, and nothing is checked.
    """

    version: Annotated[int, Field(ge=1)]
    events: dict[Feature, Event]

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, data: Any) -> Any:
        events = data.get("events") if isinstance(data, dict) else None
        names = [str(name).strip().lower() for name in events] if isinstance(events, dict) else []
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"lists {twice} twice; casing makes no other event")
        return data
