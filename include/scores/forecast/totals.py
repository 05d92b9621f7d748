"""Forecast a quarter's renewed ARR with an 80% interval.

Renewals are treated as independent. A common shock (a price rise, an outage) makes the real interval wider. Past
quarters show by how much: the interval is scaled until it would have covered 80% of them (split conformal prediction:
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, https://arxiv.org/abs/1604.04173).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from include.common import formatting
from include.common.texts import gettext
from include.scores import rounding
from include.scores.forecast import distribution
from include.scores.forecast.lines import Line

FEWEST_QUARTERS = 6
_HELD = 0.8
GROUPS: dict[str, Callable[[Line], str]] = {
    "csm": lambda line: line.csm,
    "tier": lambda line: line.tier,
    "category": lambda line: line.category,
}


class Past(NamedTuple):
    """A finished quarter: its forecast, made as it began or some quarters before, and its actual ARR."""

    p10: float
    p50: float
    p90: float
    actual: float


class IntervalScale(NamedTuple):
    """The factor by which intervals are widened.

    Args:
        factor: Multiplies half the interval's width; 1 leaves it unchanged.
        n: Number of past quarters behind it.
        is_known: Whether there were enough of them.
    """

    factor: float
    n: int
    is_known: bool

    @property
    def label(self) -> str:
        """The label of an interval, such as "widened by a factor of 1.5, based on 9 past quarters"."""
        if not self.is_known:
            return gettext(
                "computed as if customers decided independently of each other:"
                " {n} of the {fewest} past quarters needed to correct this are known",
                n=self.n,
                fewest=FEWEST_QUARTERS,
            )
        factor = formatting.decimal(self.factor, 2)
        return gettext("widened by a factor of {factor}, based on {n} past quarters", factor=factor, n=self.n)


@dataclass(frozen=True)
class Total:
    """The expected ARR of a group of renewals.

    Args:
        group: The name of the group.
        n: Number of renewals.
        target: Their ARR.
        expected: Expected ARR.
        by_category: Expected ARR by the category's probability alone.
        after_contraction: Expected ARR after contraction of renewals that renew for less.
        p10: ARR falls below this once in ten times.
        p90: ARR exceeds this once in ten times.
    """

    group: str
    n: int
    target: Decimal
    expected: Decimal
    by_category: Decimal
    after_contraction: Decimal
    p10: Decimal
    p50: Decimal
    p90: Decimal

    @property
    def share(self) -> float | None:
        """Expected share of the target; None without a target."""
        return float(self.expected / self.target) if self.target else None


def interval_scale(past: Sequence[Past]) -> IntervalScale:
    """Return the factor that would have made intervals cover 80% of past quarters; never less than 1.

    Args:
        past: Past quarters forecast equally far ahead. Fewer than six give no factor.
    """
    scores = sorted(_score(one) for one in past)
    if len(scores) < FEWEST_QUARTERS:
        return IntervalScale(1.0, len(scores), False)
    # Conformal rank: the next quarter counts as one more of the same kind, hence n + 1.
    rank = min(len(scores), math.ceil((len(scores) + 1) * _HELD - 1e-9))
    factor = scores[rank - 1]
    if math.isinf(factor):
        return IntervalScale(1.0, len(scores), False)
    return IntervalScale(max(1.0, factor), len(scores), True)


def total(lines: Iterable[Line], scale: IntervalScale, group: str = "all") -> Total:
    """Return the expected ARR of some renewals.

    Args:
        lines: The renewals.
        scale: How much the interval is widened.
        group: The name of the group.
    """
    chosen = list(lines)
    amounts = [float(line.amount) for line in chosen]
    sums = distribution.of(amounts, [line.p for line in chosen])
    low, middle, high = (sums.quantile(share) for share in (0.1, 0.5, 0.9))
    if scale.factor > 1:
        half = scale.factor * (high - low) / 2
        # The total cannot exceed the sum of all amounts, or fall below the ARR already won.
        low = max(float(sums.sums[0]), min(low, middle - half))
        high = min(float(sums.sums[-1]), max(high, middle + half))
    # Of few renewals one outcome can be likelier than 80%. The interval then reaches to the outcomes around the mean.
    below, above = sums.around_mean()
    low, high = min(low, below), max(high, above)
    return Total(
        group,
        len(chosen),
        sum((line.target for line in chosen), Decimal()),
        rounding.cents(sum(amount * line.p for amount, line in zip(amounts, chosen, strict=True))),
        rounding.cents(sum(amount * line.configured for amount, line in zip(amounts, chosen, strict=True))),
        rounding.cents(sum(amount * line.p * line.renewed_share for amount, line in zip(amounts, chosen, strict=True))),
        *(rounding.cents(each) for each in (low, middle, high)),
    )


def by_group(lines: Sequence[Line], name: str, scale: IntervalScale) -> list[Total]:
    """Return the total of each group, largest target first. Their expected ARR adds up to the overall one.

    Args:
        lines: The renewals.
        name: ``csm``, ``tier`` or ``category``.
        scale: How much intervals are widened.
    """
    members: dict[str, list[Line]] = {}
    for line in lines:
        members.setdefault(GROUPS[name](line), []).append(line)
    exact = {key: sum(float(line.amount) * line.p for line in chosen) for key, chosen in members.items()}
    rounded = rounding.to_sum(exact, rounding.cents(sum(exact.values())))
    made = [total(chosen, scale, key) for key, chosen in members.items()]
    summed = [replace(one, expected=rounded[one.group]) for one in made]
    return sorted(summed, key=lambda one: (-one.target, one.group))


def _score(one: Past) -> float:
    half, off = (one.p90 - one.p10) / 2, abs(one.actual - one.p50)
    if not half:
        return math.inf if off > 0.005 else 0.0
    return off / half
