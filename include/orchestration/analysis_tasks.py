"""Run the monthly analyses, store them, and report what somebody should act on."""

from __future__ import annotations

from datetime import date, timedelta

from include import config
from include.analyses import feature_store, features
from include.common import clock
from include.deliver import notices
from include.outbox.message import Evidence, Message
from include.warehouse.engine import engine


def last_month() -> date:
    """Return the first day of the month before the current one."""
    return (clock.now().date().replace(day=1) - timedelta(days=1)).replace(day=1)


def judge_features() -> dict[str, str]:
    """Judge which features go with renewal. The head of customer success is notified of new ones.

    Returns:
        Feature -> verdict; empty while there are fewer than 30 losses.
    """
    with engine("builder").begin() as connection:
        before = {row["feature"]: row["verdict"] for row in feature_store.stored(connection)}
        found = feature_store.read(connection)
        if found.is_available:
            feature_store.keep(connection, found, last_month())
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
