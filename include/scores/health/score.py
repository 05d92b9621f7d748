"""Compute the health score of one account and day, with the lines that add up to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from include.models.health import Measure, Profile
from include.scores import rounding

Numbers = npt.NDArray[np.float64]
# Weights are sums of products: smaller differences are floating-point noise.
_EXACT = 1e-9


@dataclass(frozen=True)
class Reading:
    """One measure's input on a day.

    Args:
        value: None if unknown.
        age: Days since the newest fact behind the value.
        is_left_out: Whether the measure does not apply to the account, or no connected source provides it.
    """

    value: float | None = None
    age: int = 0
    is_left_out: bool = False


@dataclass(frozen=True)
class Part:
    """One measure's part of a score.

    Args:
        sub_score: 0 to 100; None if the value is unknown.
        freshness: 1 for a fresh value, falling to 0 at ``gone_days``; 0 for an unknown one.
        weight: Its weight in the profile; 0 if it is left out.
    """

    measure: Measure
    sub_score: float | None
    freshness: float
    weight: float


@dataclass(frozen=True)
class Score:
    """A score with its parts.

    Args:
        profile: The profile that produced it.
        parts: Measure -> its part, in the profile's order.
        number: The weighted mean, 0 to 100, rounded to two decimals; None if nothing is known.
        points: Measure -> points that it adds; they add up to ``number``.
        losses: Measure -> points missing to its full weight; they add up to 100 less ``number``.
        coverage: Share of the weight that is known and fresh.
        ceilings: The ceilings whose condition holds, in the profile's order.
        computed: ``number``, or the lowest ceiling if that is lower.
        unknown_reason: Code of why the band is unknown, and the group after a colon if it is one; "" if it is known.
    """

    profile: Profile
    parts: dict[str, Part]
    number: Decimal | None
    points: dict[str, Decimal]
    losses: dict[str, Decimal]
    coverage: float
    ceilings: tuple[str, ...]
    computed: Decimal | None
    unknown_reason: str
    override: Decimal | None = field(default=None)

    @property
    def shown(self) -> Decimal | None:
        """The override's score if there is one, else the computed one."""
        return self.computed if self.override is None else self.override


def sub_score(measure: Measure, value: float) -> float:
    """Return the sub-score of a value: linear between the measure's points, constant beyond them."""
    points, x = measure.points, float(value)
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (x - x0) * ((y1 - y0) / (x1 - x0))
    return points[-1][1]


def freshness(measure: Measure, age: int) -> float:
    """Return the share of its weight that a measure keeps at an age in days."""
    left = (measure.gone_days - age) / (measure.gone_days - measure.fresh_days)
    return min(1.0, max(0.0, left))


def score(
    profile: Profile,
    readings: Mapping[str, Reading],
    ceilings: Collection[str] = (),
    override: Decimal | None = None,
) -> Score:
    """Compute a score.

    Args:
        profile: Its definition.
        readings: Measure -> its input; a measure without one is unknown.
        ceilings: Ids of the ceilings whose condition holds.
        override: The score that a lead set.
    """
    parts = {measure.id: _part(measure, readings.get(measure.id, Reading())) for measure in profile.measures}
    weights, subs = arrays(parts.values())
    present = weights.sum()
    listed = sum(part.weight for part in parts.values())
    holding = tuple(each.id for each in profile.ceilings if each.id in ceilings)
    number: Decimal | None = None
    points: dict[str, Decimal] = {}
    losses: dict[str, Decimal] = {}
    if present > _EXACT:
        final, is_possible = capped(profile, weights[np.newaxis, :])
        shares = final[0] / final[0].sum()
        number = rounding.cents(float((shares * subs).sum()))
        points = rounding.to_sum(dict(zip(parts, shares * subs, strict=True)), number)
        losses = rounding.to_sum(dict(zip(parts, shares * (100 - subs), strict=True)), 100 - number)
        is_capped_out = not is_possible[0]
    else:
        is_capped_out = False
    coverage = present / listed if listed else 0.0
    lowest = min((Decimal(str(each.at_most)) for each in profile.ceilings if each.id in holding), default=None)
    computed = number if number is None or lowest is None else min(number, lowest.quantize(rounding.CENT))
    return Score(
        profile,
        parts,
        number,
        points,
        losses,
        coverage,
        holding,
        computed,
        _unknown_reason(profile, parts, coverage, number, is_capped_out),
        override,
    )


def arrays(parts: Collection[Part]) -> tuple[Numbers, Numbers]:
    """Return weights (weight times freshness) and sub-scores. An unknown sub-score is 0, with no weight."""
    weights = np.array([part.weight * part.freshness for part in parts])
    subs = np.array([part.sub_score or 0.0 for part in parts])
    return weights, subs


def capped(profile: Profile, weights: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Cap each group at its maximum weight, and give the excess to the other groups in proportion.

    Args:
        profile: Its groups define the caps.
        weights: One row per case, one column per measure of the profile.

    Returns:
        The weights, with each row's sum unchanged, and whether the caps could be met.
    """
    groups = _membership(tuple(profile.groups), tuple(measure.group for measure in profile.measures))
    limits = np.array([group.max_weight / 100 for group in profile.groups.values()])
    sums = weights @ groups
    total = sums.sum(axis=1, keepdims=True)
    if not (sums > (limits + _EXACT) * total).any():
        return weights, np.ones(len(weights), dtype=bool)
    safe = np.where(total > 0, total, 1.0)
    share = sums / safe
    is_limited = np.zeros(share.shape, dtype=bool)
    is_possible = np.ones(len(weights), dtype=bool)
    for _ in range(int((limits < 1).sum())):
        above = (share > limits + _EXACT) & ~is_limited
        if not above.any():
            break
        is_limited |= above
        free = 1 - np.where(is_limited, limits, 0).sum(axis=1, keepdims=True)
        others = np.where(is_limited, 0, sums).sum(axis=1, keepdims=True)
        fits = (others > _EXACT)[:, 0] | (free[:, 0] <= _EXACT)
        is_possible &= fits | ~is_limited.any(axis=1)
        scale = np.where(others > _EXACT, free / np.where(others > _EXACT, others, 1), 0)
        new = np.where(is_limited, limits, sums * scale)
        share = np.where((is_limited.any(axis=1) & is_possible)[:, np.newaxis], new, share)
    factor = np.where(sums > _EXACT, share * safe / np.where(sums > _EXACT, sums, 1), 0)
    final = weights * (factor @ groups.T)
    return np.where(is_possible[:, np.newaxis], final, weights), is_possible


@lru_cache(maxsize=64)
def _membership(groups: tuple[str, ...], of_measures: tuple[str, ...]) -> Numbers:
    """Return a row per measure and a column per group: 1 where the measure belongs to the group."""
    return np.array([[float(group == name) for name in groups] for group in of_measures])


def _part(measure: Measure, reading: Reading) -> Part:
    if reading.is_left_out:
        return Part(measure, None, 0.0, 0.0)
    if reading.value is None:
        return Part(measure, None, 0.0, measure.weight)
    return Part(measure, sub_score(measure, reading.value), freshness(measure, reading.age), measure.weight)


def _unknown_reason(
    profile: Profile, parts: Mapping[str, Part], coverage: float, number: Decimal | None, is_capped_out: bool
) -> str:
    if number is None:
        return "no_data"
    for name, group in profile.groups.items():
        inside = [part for part in parts.values() if part.measure.group == name]
        there = sum(part.weight * part.freshness for part in inside)
        if there < group.needed * sum(part.weight for part in inside) - _EXACT:
            return f"little_data:{name}"
    if coverage < profile.floor - _EXACT:
        return "little_data"
    return "one_group" if is_capped_out else ""
