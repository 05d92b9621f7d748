"""Choose three questions for a renewal talk from the known figures and the missing ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from include.common import formatting
from include.common.texts import N_, gettext

LOW_USE, IDLE_SEATS = 0.8, 0.6
_ALWAYS = (
    N_("Which result of the last year would you show your management?"),
    N_("What should be different for you a year from now?"),
    N_("Who else should be involved before you decide?"),
)


def choose(
    today: Mapping[str, Any], features: Sequence[Mapping[str, Any]], tickets: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return three questions, most pressing first.

    Args:
        today: The health score's inputs, with seats and usage.
        features: Features with their usage over 28 days.
        tickets: The past year's tickets that hurt, newest first.
    """
    return tuple(islice((*_pressing(today, features, tickets), *map(gettext, _ALWAYS)), 3))


def _pressing(
    today: Mapping[str, Any], features: Sequence[Mapping[str, Any]], tickets: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    if today.get("n_decision_makers") == 0:
        yield gettext("Who decides on the renewal, and what do they need to see?")
    if today.get("n_competitor_mentions_90d"):
        yield gettext("Which alternatives are you considering, and what will the choice depend on?")
    if (ratio := today.get("use_ratio")) is not None and ratio < LOW_USE:
        yield gettext(
            "Usage is at {share} of its usual level: what has changed in your work?", share=formatting.percent(ratio)
        )
    if any(ticket["status"] not in ("solved", "closed") for ticket in tickets):
        ticket = next(ticket for ticket in tickets if ticket["status"] not in ("solved", "closed"))
        yield gettext(
            "What is ticket {ticket} of {day} stopping you from doing?",
            ticket=ticket["ticket_id"],
            day=formatting.day(ticket["created_day"]),
        )
    if today.get("overdue_days"):
        yield gettext("What is holding up payment of the overdue invoice?")
    seats, users = today.get("paid_seats"), today.get("active_users_28d")
    if seats and users is not None and users < IDLE_SEATS * seats:
        yield gettext("Which team were the {n} unused seats bought for?", n=formatting.number(seats - users))
    unused = [feature["feature"] for feature in features if feature["is_key_feature"] and not feature["n_events"]]
    if unused:
        yield gettext("How do you handle today what {feature} could do for you?", feature=unused[0])
