"""Run the monthly analyses, store them, and report what somebody should act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from include import config
from include.analyses import discount_requests, feature_store, features, growth
from include.analyses.channels import Channel
from include.analyses.funnel import Edge
from include.common import formatting
from include.common.texts import gettext, ngettext
from include.common.words import word
from include.config.funnel import Campaign
from include.deliver import notices
from include.outbox.message import Evidence, Message
from include.reports import periods
from include.reports.periods import Period
from include.warehouse.engine import engine

_SHOWN = 10
_CLI = "python -m include.cli"


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
        notices.notify(people.head_or_queue, lambda: _unapproved(month, found, green))
    return {"unapproved": len(found)}


def judge_growth() -> dict[str, list[str]]:
    """Report channels that run but never convert, the bottleneck, and campaigns that nobody has explained.

    Returns:
        Names of the channels that are on the list since last month, the bottleneck, and the campaigns due.
    """
    settings, month = config.load(), periods.last_month()
    today = month.last + timedelta(days=1)
    with engine("reader").connect() as connection:
        before = {one.name for one in growth.never_converting(connection, settings, month.first)}
        found = growth.read(connection, settings, today)
    new = [one for one in found.first if one.never_converts and one.name not in before]
    due = [one.campaign for one in found.campaigns if one.is_due]
    worst = found.bottleneck
    if new or due:
        notices.notify(settings.people.head_or_queue, lambda: _growth(new, due, worst))
    return {
        "never_converts": [one.name for one in new],
        "bottleneck": [f"{worst.stage} {worst.next_stage}"] if worst else [],
        "campaigns": [one.name for one in due],
    }


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
        notices.notify(people.head_or_queue, lambda: _features(new, proposed))
    return {one.name: one.verdict for one in found.findings}


def _unapproved(month: Period, found: Sequence[dict[str, Any]], green: Mapping[str, Any] | None) -> Message:
    summary = gettext("They are deeper than a CSM grants alone, and than what was approved.")
    if green and green["given_away"]:
        summary = gettext(
            "In a year, green accounts were given {amount}, {share} of their list price; {renewed} of them renewed.",
            amount=formatting.number(green["given_away"]),
            share=formatting.percent(green["mean_depth"], 1),
            renewed=formatting.percent(green["renewal_rate"]),
        )
    return Message(
        subject=ngettext(
            "{n} discount without approval in {month}",
            "{n} discounts without approval in {month}",
            len(found),
            month=month.label,
        ),
        summary=summary,
        evidence=tuple(
            Evidence(
                text=gettext(
                    "{account}: {share} of {price}; a CSM grants {allowed}",
                    account=row["account_name"],
                    share=formatting.percent(row["depth"], 1),
                    price=formatting.number(row["list_arr"]),
                    allowed=formatting.percent(row["allowed"]),
                )
            )
            for row in found[:_SHOWN]
        ),
        next_steps=(
            gettext("See all of them: {command}", command=f"{_CLI} discounts unapproved --month {month.name}"),
        ),
        footer=gettext("You get this list once a month, if there are any."),
    )


def _features(new: Sequence[features.Finding], proposed: Sequence[str]) -> Message:
    steps = [
        gettext("Who does not use them: {command}", command=f"{_CLI} analysis features --unused-by all"),
        gettext("Whether they cause renewal: a playbook with a hold-out"),
    ]
    if proposed:
        steps.insert(
            0, gettext("Consider them as key_features in usage.yaml: {features}", features=", ".join(proposed))
        )
    return Message(
        subject=gettext("Features that go with renewal: {features}", features=", ".join(one.name for one in new)),
        summary=gettext(
            "Accounts that used them renewed more often than accounts of the same tier, age and total use."
        ),
        evidence=tuple(
            Evidence(
                text=gettext(
                    "{feature}: {points} points ({low} to {high}), used by {n_with} of {n} compared renewals",
                    feature=one.name,
                    points=formatting.signed(one.effect.interval.share * 100, 1),
                    low=formatting.signed(one.effect.interval.low * 100, 1),
                    high=formatting.signed(one.effect.interval.high * 100, 1),
                    n_with=one.n_with,
                    n=one.n_with + one.n_without,
                )
            )
            for one in new
            if one.effect
        ),
        next_steps=tuple(steps),
        footer=gettext("You are notified once of each feature."),
    )


def _growth(new: Sequence[Channel], due: Sequence[Campaign], worst: Edge | None) -> Message:
    lines = [
        gettext("{channel}: {n} qualified leads, no customer", channel=one.name, n=formatting.number(one.n_qualified))
        for one in new
    ]
    lines += [gettext("Campaign {name} lacks {fields}", name=one.name, fields=", ".join(one.missing)) for one in due]
    if worst:
        lines.append(gettext("Bottleneck: {stage} to {next}", stage=word(worst.stage), next=word(worst.next_stage)))
    return Message(
        subject=gettext("Growth: {n} channels without customers, {m} campaigns to explain", n=len(new), m=len(due)),
        summary=gettext("Their leads had 180 days. At the rate of the other channels, some would be customers."),
        evidence=tuple(Evidence(text=line) for line in lines[:_SHOWN]),
        next_steps=(
            gettext("See all channels: {command}", command=f"{_CLI} analysis channels"),
            gettext("Fill in goal, result, cause and rule in campaigns.yaml"),
        ),
        footer=gettext("You are notified once of each channel, and each month of campaigns that lack a field."),
    )
