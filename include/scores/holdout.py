"""Measure the effect of a playbook: compare renewal rates of the accounts it acted on with its hold-out."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

from include.scores.statistics import Interval, wilson

POWER = 0.8
_Z = NormalDist().inv_cdf(0.975)
_Z_POWER = NormalDist().inv_cdf(POWER)


class Arm(NamedTuple):
    """Renewed and settled renewals of one arm."""

    renewed: int
    settled: int


def difference(acted: Arm, held_out: Arm) -> Interval | None:
    """Return the difference of the renewal rates with its 95% interval.

    Newcombe 1998, method 10: https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I

    Returns:
        None until both arms have a settled renewal.
    """
    if not acted.settled or not held_out.settled:
        return None
    one, other = wilson(*acted), wilson(*held_out)
    shift = one.share - other.share
    below = sqrt((one.share - one.low) ** 2 + (other.high - other.share) ** 2)
    above = sqrt((one.high - one.share) ** 2 + (other.share - other.low) ** 2)
    return Interval(shift, shift - below, shift + above)


def detectable(base: float, n_acted: int, n_held_out: int) -> float | None:
    """Return the smallest gain over a base rate that arms of these sizes can detect (80% power, two-sided 5%).

    Fleiss, Statistical Methods for Rates and Proportions, 3rd edition, section 4.2, without continuity correction.

    Returns:
        None if an arm is empty, or if even a rate of 100% would not be detected.
    """
    if not n_acted or not n_held_out or base >= 1:
        return None

    def missing(gain: float) -> float:
        rate = base + gain
        pooled = (n_acted * rate + n_held_out * base) / (n_acted + n_held_out)
        by_chance = _Z * sqrt(pooled * (1 - pooled) * (1 / n_acted + 1 / n_held_out))
        spread = sqrt(rate * (1 - rate) / n_acted + base * (1 - base) / n_held_out)
        return gain - by_chance - _Z_POWER * spread

    low, high = 0.0, 1 - base
    if missing(high) <= 0:
        return None
    for _ in range(50):  # bisection
        middle = (low + high) / 2
        low, high = (low, middle) if missing(middle) > 0 else (middle, high)
    return high
