"""Statistics of two arms: the difference of their renewal rates, its intervals, and what a number of renewals can show.

Numbers of renewals may be fractions: renewals of the same family count less than as many of separate ones.
"""

from __future__ import annotations

from math import inf, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from include.scores.statistics import Interval, wilson

POWER = 0.8
_Z = NormalDist().inv_cdf(0.975)
_Z_POWER = NormalDist().inv_cdf(POWER)
# The sequence is narrowest, compared with a fixed interval, at this number of renewals.
TUNED_TO = 300
FIRST_LOOK = 100


class Arm(NamedTuple):
    """Renewed and settled renewals of one arm."""

    renewed: float
    settled: float

    @property
    def rate(self) -> float:
        return self.renewed / self.settled

    def shrunk(self, effect: float) -> Arm:
        """Return the arm with its numbers divided by a design effect."""
        return Arm(self.renewed / effect, self.settled / effect)


EMPTY = Arm(0, 0)


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


def detectable(base: float, n_acted: float, n_held_out: float) -> float | None:
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


def needed(base: float, share: float, effect: float) -> float | None:
    """Return the number of renewals, both arms together, that detects an effect (80% power, two-sided 5%).

    Args:
        base: The renewal rate without the playbook.
        share: The share that is held out.
        effect: The gain of the rate.

    Returns:
        None if the gain exceeds what is left to 100%.
    """
    if base + effect > 1:
        return None
    rate = base + effect
    pooled = (1 - share) * rate + share * base
    by_chance = _Z * sqrt(pooled * (1 - pooled) * (1 / (1 - share) + 1 / share))
    spread = _Z_POWER * sqrt(rate * (1 - rate) / (1 - share) + base * (1 - base) / share)
    return ((by_chance + spread) / effect) ** 2


def sequence_half_width(n: float, deviation: float, alpha: float = 0.05) -> float:
    """Return the half-width of a confidence sequence: an interval that may be looked at after every renewal.

    The asymptotic sequence of Waudby-Smith et al. 2021, https://arxiv.org/abs/2103.06476, equation 2. GrowthBook uses
    the same for its sequential tests.

    Args:
        n: Renewals of both arms together.
        deviation: The standard error of the difference times the root of n.
        alpha: The chance that the sequence ever misses the truth.
    """
    r2 = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / TUNED_TO
    return deviation * sqrt(2 * (n * r2 + 1) / (n * n * r2) * log(sqrt(n * r2 + 1) / alpha))


def sequence(acted: Arm, held_out: Arm, alpha: float = 0.05) -> Interval | None:
    """Return the difference of the renewal rates with its confidence sequence.

    The deviation is taken from rates with one renewed and one lost renewal added to each arm (Agresti and Caffo 2000):
    in a small arm that renewed completely, the plain deviation would be zero.

    Returns:
        None before 100 settled renewals, or while an arm is empty.
    """
    n = acted.settled + held_out.settled
    if n < FIRST_LOOK or not acted.settled or not held_out.settled:
        return None
    variance = 0.0
    for arm in (acted, held_out):
        rate = (arm.renewed + 1) / (arm.settled + 2)
        variance += rate * (1 - rate) / arm.settled
    half = sequence_half_width(n, sqrt(n * variance), alpha)
    shift = acted.rate - held_out.rate
    return Interval(shift, shift - half, shift + half)


def fisher(acted: Arm, held_out: Arm) -> float | None:
    """Return the two-sided p of Fisher's exact test; None while an arm is empty. Families count in full."""
    if not acted.settled or not held_out.settled:
        return None
    from scipy.stats import fisher_exact  # costs a second and 50 MB

    table = [[round(arm.renewed), round(arm.settled - arm.renewed)] for arm in (acted, held_out)]
    return float(fisher_exact(table).pvalue)


def sample_ratio(n_acted: int, n_held_out: int, share: float) -> float:
    """Return the p of a chi-square test that the arms have the planned sizes; 1 for empty arms."""
    n = n_acted + n_held_out
    if not n:
        return 1.0
    deviation = (n_held_out - n * share) / sqrt(n * share * (1 - share))
    return 2 * NormalDist().cdf(-abs(deviation))


class Families(NamedTuple):
    """Sums over the families of both arms, each with its settled renewals.

    Args:
        n_families: Families.
        n: Renewals.
        squares: Sum of the squared number of renewals per family.
        within: Sum of squares within families: of renewed minus its family's rate.
        between: Sum of squares between families of the same arm.
        n_arms: Arms with a renewal.
    """

    n_families: int
    n: int
    squares: float
    within: float
    between: float
    n_arms: int = 2


NO_FAMILIES = Families(0, 0, 0, 0, 0)
# Assumed until there are enough families with several renewals to measure it.
ASSUMED_ICC = 0.3
_ENOUGH_PAIRS = 30


def intraclass(families: Families) -> float:
    """Return how alike the renewals of a family are: 0 as if of separate families, 1 all the same.

    The estimator of the analysis of variance (Donner and Klar 2000, section 1.4). 0.3 is assumed while fewer than 30
    renewals have a sibling.
    """
    spare = families.n - families.n_families
    degrees = families.n_families - families.n_arms
    if spare < _ENOUGH_PAIRS or degrees <= 0:
        return ASSUMED_ICC
    size = (families.n - families.squares / families.n) / degrees
    between, within = families.between / degrees, families.within / spare
    total = between + (size - 1) * within
    return min(1.0, max(0.0, (between - within) / total)) if total > 0 else 0.0


def design_effect(size: float, icc: float) -> float:
    """Return by how much families inflate the variance.

    Args:
        size: The mean, over renewals, of the number of renewals of the same family.
        icc: How alike the renewals of a family are.
    """
    return 1 + (size - 1) * icc


def years(n: float | None, per_year: float) -> float:
    """Return the years until a number of renewals is reached; infinite if that is never."""
    return inf if n is None or per_year <= 0 else n / per_year
