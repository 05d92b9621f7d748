"""Explain a customer value score to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from include.config import load, templates
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
            missing = "left out: no source provides it"
        else:
            missing = "not known" if line.weight else "left out: it does not apply"
        known_on = month.values[each.dated] if each.dated else end
        parts.append(
            Part(
                each.title,
                f"{line.points:.2f}" if is_there else "-",
                f"{line.score:.2f}" if is_there else "-",
                f"{line.weight:g}",
                str(known_on) if is_there else "-",
                templates.line(each.evidence, month.values) if is_there else missing,
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
        return ["No data for any of its dimensions."]
    fitting = next(each.name for each in made.version.tiers if made.number >= each.edge)
    lines = [f"Customer value {made.number}: tier {fitting} by this score alone; the CRM has {tier or 'none'}."]
    if group is not None:
        lines.append(f"With the order amount of its whole group, the score is {group}.")
    lines.append(f"The points add up to {made.number}.")
    unknown = [line.dimension.title for line in made.lines.values() if line.weight and line.points is None]
    coverage = f"Data covers {made.coverage:.0%} of the weight"
    lines.append(coverage + (f"; missing: {', '.join(unknown)}." if unknown else "."))
    if not made.is_covered:
        lines.append(f"Below {made.version.floor:.0%}, no tier change is proposed.")
    left_out = [each.title for each in made.version.dimensions if each.id in month.not_connected]
    if left_out:
        lines.append(f"No source provides {', '.join(left_out)}: left out of all scores.")
    if month.is_preliminary:
        lines.append("Preliminary: for a new customer only the order amount counts, and the tier does not change.")
    lines.append(
        f"Owner level {load().tiers.policy(tier).owner_level},"
        f" contacted every {load().tiers.policy(tier).cadence_days} days."
    )
    return lines
