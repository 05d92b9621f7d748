"""Plan digests: messages about a person's day or week instead of one account."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from include.common import working_days
from include.decide.context import Day
from include.decide.recipients import calendar_of
from include.outbox.message import Message
from include.outbox.store import Action

READER = "csm"  # entity kind of messages about a person's day, not about one account
# A digest that could not be sent within this many days is out of date.
USEFUL_DAYS = 7


def to_reader(
    day: Day,
    address: str,
    *,
    rule: str,
    step: str,
    message: Message,
    region: str | None,
    account_key: str,
    reads: tuple[str, ...],
    useful_days: int = USEFUL_DAYS,
) -> list[Action]:
    """Return a digest for a person, over all message channels.

    Args:
        address: The person's e-mail address.
        rule: The kind of digest.
        step: The day or week that it covers.
        region: The region whose working hours it is sent in.
        account_key: An account that it names.
        useful_days: The number of days after which it is out of date.
    """
    return [
        day.action(
            channel,
            message,
            entity_kind=READER,
            entity_id=address,
            rule=rule,
            episode_no=1,
            step=step,
            account_key=account_key,
            recipient=address,
            reads=reads,
            not_before=working_moment(day, region),
            not_after=day.after(day.today + timedelta(days=useful_days)),
            version=f"{rule} 1",
        )
        for channel in day.settings.channels.messages_by
    ]


def working_moment(day: Day, region: str | None) -> datetime | None:
    """Return the start of a region's next working hours; None during working hours."""
    where = calendar_of(region, day.settings)
    hours = day.settings.attention.sending_hours
    moment = working_days.next_working_time(
        day.now,
        ZoneInfo(where.zone),
        working_days.calendar(where.country),
        time(hours.first),
        time(hours.last),
    )
    return moment if moment > day.now else None
