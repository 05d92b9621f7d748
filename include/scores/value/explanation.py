"""Explain a customer value score to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from include.common import formatting, texts
from include.common.texts import gettext
from include.common.words import word
from include.config import load, templates
from include.scores import wording
from include.scores.value import proposals, readings
from include.scores.value.readings import Month
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Part:
    """One dimension of a score.

    Args:
        points: Points that it adds; "-" if unknown.
        known_on: Day of the newest fact behind it.
    """

    dimension: str
    points: str
    score: str
    weight: str
    known_on: str
    evidence: str


@dataclass(frozen=True)
class Explanation:
    """An account's score at a month end. The points of ``parts`` add up to it.

    Args:
        group_score: The score with the whole family's order amount in place of the account's own; None without
            relatives.
    """

    account: str
    as_of: date
    definition: str
    score: Decimal | None
    group_score: Decimal | None
    coverage: float
    is_covered: bool
    is_preliminary: bool
    tier: str | None
    parts: tuple[Part, ...]
    sentences: tuple[str, ...]


def of_account(account_key: str, as_of: date | None = None) -> Explanation:
    """Explain a customer value score.

    Args:
        account_key: The account.
        as_of: A month end; by default the last one with a score.

    Raises:
        ConfigError: The account has no score on that day.
    """
    with engine("reader").connect() as connection:
        end = as_of or readings.newest(connection, account_key)
        month = readings.read(connection, account_key, end)
        group = proposals.group_scores(connection, (end,), account_key).get((account_key, end))
    made = month.score
    parts = []
    for line in made.lines.values():
        each = line.dimension
        is_there = line.points is not None
        if each.id in month.not_connected:
            missing = gettext("left out: no source provides it")
        else:
            missing = gettext("not known" if line.weight else "left out: it does not apply")
        known_on = month.values[each.dated] if each.dated else end
        parts.append(
            Part(
                texts.from_file(each.title),
                f"{line.points:.2f}" if is_there else "-",
                f"{line.score:.2f}" if is_there else "-",
                f"{line.weight:g}",
                str(known_on) if is_there else "-",
                templates.line(texts.from_file(each.evidence), month.values) if is_there else missing,
            )
        )
    return Explanation(
        account_key,
        end,
        made.version.key,
        made.number,
        group,
        made.coverage,
        made.is_covered,
        month.is_preliminary,
        month.values["tier"],
        tuple(parts),
        tuple(_sentences(month, group)),
    )


def _sentences(month: Month, group: Decimal | None) -> list[str]:
    made, tier = month.score, month.values["tier"]
    if made.number is None:
        return [gettext("No data for any of its dimensions.")]
    fitting = next(each.name for each in made.version.tiers if made.number >= each.edge)
    score = formatting.decimal(made.number, 2)
    lines = [
        gettext(
            "Customer value {score}: tier {tier} by this score alone; the CRM has {known}.",
            score=score,
            tier=word(fitting),
            known=word(tier) or gettext("none"),
        )
    ]
    if group is not None:
        whole = formatting.decimal(group, 2)
        lines.append(gettext("With the order amount of its whole group, the score is {score}.", score=whole))
    lines.append(gettext("The points add up to {score}.", score=score))
    unknown = [
        texts.from_file(line.dimension.title) for line in made.lines.values() if line.weight and line.points is None
    ]
    lines.append(wording.coverage(made.coverage, unknown))
    if not made.is_covered:
        floor = formatting.percent(made.version.floor)
        lines.append(gettext("Below {share}, no tier change is proposed.", share=floor))
    left_out = [texts.from_file(each.title) for each in made.version.dimensions if each.id in month.not_connected]
    if left_out:
        lines.append(gettext("No source provides {titles}: left out of all scores.", titles=", ".join(left_out)))
    if month.is_preliminary:
        lines.append(
            gettext("Preliminary: for a new customer only the order amount counts, and the tier does not change.")
        )
    policy = load().tiers.policy(tier)
    lines.append(
        gettext(
            "Owner level {level}, contacted every {days} days.",
            level=word(policy.owner_level),
            days=policy.cadence_days,
        )
    )
    return lines
