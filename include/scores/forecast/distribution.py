"""Compute the distribution of renewed ARR when each renewal independently brings its full amount or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
# Up to this many uncertain amounts (4,096 sums), all sums are enumerated.
EXACT = 12
# Beyond that, sums are rounded to a grid of this many cells, or this many per amount if that is more. With a fixed
# number of cells, each of two thousand amounts would be half a cell.
CELLS, CELLS_PER_AMOUNT = 1000, 20
# Tolerance for sums of probabilities.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Distribution:
    """Possible sums in ascending order, with their probabilities.

    Args:
        sums: Distinct values.
        probabilities: They add up to 1.
    """

    sums: Numbers
    probabilities: Numbers

    @property
    def mean(self) -> float:
        """The expected sum."""
        return float(self.sums @ self.probabilities)

    def quantile(self, share: float) -> float:
        """Return the smallest sum that is not exceeded with at least this probability."""
        reached = np.cumsum(self.probabilities) >= share - _ROUNDING
        return float(self.sums[int(np.argmax(reached))] if reached.any() else self.sums[-1])

    def around_mean(self) -> tuple[float, float]:
        """Return the possible sums around the expected one: the largest up to it, and the smallest from it on."""
        tolerance = max(1.0, abs(self.mean)) * _ROUNDING
        below = int(np.searchsorted(self.sums, self.mean + tolerance, "right")) - 1
        above = int(np.searchsorted(self.sums, self.mean - tolerance, "left"))
        return float(self.sums[max(below, 0)]), float(self.sums[min(above, len(self.sums) - 1)])

    def at_least(self, amount: float) -> float:
        """Return the probability that the sum is at least an amount."""
        return float(self.probabilities[self.sums >= amount - _ROUNDING].sum())


def of(amounts: Sequence[float], probabilities: Sequence[float]) -> Distribution:
    """Return the distribution of a sum of independent amounts.

    Args:
        amounts: The amount of each renewal; not negative.
        probabilities: The probability of each renewal.
    """
    amount, p = np.asarray(amounts, dtype=float), np.asarray(probabilities, dtype=float)
    certain = float(amount[p >= 1].sum())
    is_open = (p > 0) & (p < 1) & (amount > 0)
    amount, p = amount[is_open], p[is_open]
    found = _exact(amount, p) if len(amount) <= EXACT else _on_grid(amount, p)
    return Distribution(found.sums + certain, found.probabilities)


def _exact(amounts: Numbers, probabilities: Numbers) -> Distribution:
    sums, weights = np.zeros(1), np.ones(1)
    for amount, p in zip(amounts, probabilities, strict=True):
        sums, weights = np.concatenate((sums, sums + amount)), np.concatenate((weights * (1 - p), weights * p))
    unique, at = np.unique(np.round(sums, 4), return_inverse=True)
    return Distribution(unique, np.bincount(at, weights=weights).astype(float))


def _on_grid(amounts: Numbers, probabilities: Numbers) -> Distribution:
    cell = amounts.sum() / max(CELLS, CELLS_PER_AMOUNT * len(amounts))
    # Round running totals, not amounts, so that the amounts still add up to the total.
    steps = np.diff(np.round(np.cumsum(amounts) / cell).astype(int), prepend=0)
    weights = np.zeros(int(steps.sum()) + 1)
    weights[0] = 1.0
    for step, p in zip(steps, probabilities, strict=True):
        moved = weights * p
        weights *= 1 - p
        weights[step:] += moved[: len(weights) - step]
    return Distribution(np.arange(len(weights)) * cell, weights)
