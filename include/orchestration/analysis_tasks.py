"""Run the monthly analyses, store them, and report what somebody should act on."""

from __future__ import annotations

from include import config
from include.analyses import discount_requests, feature_store, features
from include.common import formatting
from include.deliver import notices
from include.outbox.message import Evidence, Message
from include.reports import periods
from include.warehouse.engine import engine

_SHOWN = 10


def list_discounts() -> dict[str, int]:
    """Report last month's discounts that nobody approved, and what green accounts were given in a year.

    Returns:
        Number of unapproved discounts; empty without list prices.
    """
    month = periods.last_month()
    year = discount_requests.last_days(month.last, 365)
    with engine("reader").connect() as connection:
        found = discount_requests.unapproved(connection, month.first, month.last)
        bands = {row["band"]: row for row in discount_requests.by_band(connection, *year)}
    if not any(row["n_priced"] for row in bands.values()):
        return {}
    green = bands.get("green")
    if found:
        people = config.load().people
        given = (
            f"In a year, green accounts were given {green['given_away']:,.0f}, {green['mean_depth']:.1%} of their list"
            f" price; {green['renewal_rate']:.0%} of them renewed."
            if green and green["given_away"]
            else ""
        )
        notices.notify(
            people.head or people.queue,
            Message(
                subject=f"{formatting.count(len(found), 'discount')} without approval in {month.label}",
                summary=given or "They are deeper than a CSM grants alone, and than what was approved.",
                evidence=tuple(
                    Evidence(
                        text=f"{row['account_name']}: {row['depth']:.1%} of {row['list_arr']:,.0f};"
                        f" a CSM grants {row['allowed']:.0%}"
                    )
                    for row in found[:_SHOWN]
                ),
                next_steps=(f"See all of them: python -m include.cli discounts unapproved --month {month.name}",),
                footer="You get this list once a month, if there are any.",
            ),
        )
    return {"unapproved": len(found)}


def judge_features() -> dict[str, str]:
    """Judge which features go with renewal. The head of customer success is notified of new ones.

    Returns:
        Feature -> verdict; empty while there are fewer than 30 losses.
    """
    month = periods.last_month().first
    with engine("builder").begin() as connection:
        # Of an earlier month: a retry finds this one stored already, and may still have to notify.
        before = {row["feature"]: row["verdict"] for row in feature_store.stored(connection, before=month)}
        found = feature_store.read(connection)
        feature_store.keep(connection, found, month)
    new = [one for one in found.findings if one.verdict == "goes_with" and before.get(one.name) != "goes_with"]
    proposed = features.proposal(found.findings, config.load().usage.key_features)["add"]
    if new:
        people = config.load().people
        notices.notify(
            people.head or people.queue,
            Message(
                subject=f"Features that go with renewal: {', '.join(one.name for one in new)}",
                summary="Accounts that used them renewed more often than accounts of the same tier, age and total use.",
                evidence=tuple(
                    Evidence(
                        text=f"{one.name}: {one.effect.interval.share * 100:+.1f} points"
                        f" ({one.effect.interval.low * 100:+.1f} to {one.effect.interval.high * 100:+.1f}),"
                        f" used by {one.n_with} of {one.n_with + one.n_without} compared renewals"
                    )
                    for one in new
                    if one.effect
                ),
                next_steps=(
                    *((f"Consider them as key_features in usage.yaml: {', '.join(proposed)}",) if proposed else ()),
                    "Who does not use them: python -m include.cli analysis features --unused-by all",
                    "Whether they cause renewal: a playbook with a hold-out",
                ),
                footer="You are notified once of each feature.",
            ),
        )
    return {one.name: one.verdict for one in found.findings}
