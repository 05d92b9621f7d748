"""Small statistics for judging a score: intervals for proportions, discrimination and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A proportion with its 95% confidence interval."""

    share: float
    low: float
    high: float


def wilson(k: float, n: float, z: float = 1.959963984540054) -> Interval:
    """Return k/n with its Wilson interval (Wilson 1927), which is valid for small n and proportions near 0 and 1.

    Raises:
        ValueError: n is not positive, or k is not between 0 and n.
    """
    if n <= 0 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def auc(numbers: Sequence[float], is_event: Sequence[bool]) -> float | None:
    """Return the probability that an event has a higher number than a non-event. Ties count as one half.

    Returns:
        None if there are no events or no non-events.
    """
    events = np.asarray(is_event, dtype=bool)
    n_events, n_others = int(events.sum()), int((~events).sum())
    if not n_events or not n_others:
        return None
    from scipy.stats import rankdata  # costs a second and 50 MB, which only judging scores needs

    ranks = rankdata(np.asarray(numbers, dtype=float))
    return float((ranks[events].sum() - n_events * (n_events + 1) / 2) / (n_events * n_others))


def auc_error(area: float, n_events: int, n_others: int) -> float:
    """Return the standard error of an AUC (Hanley and McNeil 1982)."""
    q1 = area / (2 - area)
    q2 = 2 * area * area / (1 + area)
    spread = area * (1 - area) + (n_events - 1) * (q1 - area * area) + (n_others - 1) * (q2 - area * area)
    return sqrt(spread / (n_events * n_others))


def calibration_error(probabilities: Numbers, is_event: npt.NDArray[np.bool_], n_bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal width.

    Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    p, y = np.asarray(probabilities, dtype=float), np.asarray(is_event, dtype=float)
    bins = np.minimum((p * n_bins).astype(int), n_bins - 1)
    return float(np.abs(np.bincount(bins, weights=p - y, minlength=n_bins)).sum() / len(p))


def expit(logit: Numbers) -> Numbers:
    """Return the probability of each logit."""
    return np.exp(-np.logaddexp(0, -logit))


class Curve(NamedTuple):
    """A logistic curve: logit(event) = intercept + slope * number."""

    intercept: float
    slope: float

    def of(self, numbers: Numbers) -> Numbers:
        return expit(self.intercept + self.slope * np.asarray(numbers, dtype=float))


def logistic(numbers: Numbers, is_event: npt.NDArray[np.bool_], *, shrink: float = 1.0) -> Curve:
    """Fit a logistic curve to one number.

    Args:
        numbers: One number per case.
        is_event: Whether the event happened.
        shrink: Pseudo-cases of prior belief, half of them events, so that a few events cannot produce a steep curve
            (Platt 1999). 0 turns the prior off.
    """
    from scipy.optimize import minimize

    x = np.asarray(numbers, dtype=float)
    y = np.asarray(is_event, dtype=float)
    scale = x.std() or 1.0
    z = (x - x.mean()) / scale
    # Platt's targets: (n + 1) / (n + 2) for events, 1 / (m + 2) for non-events.
    high = (y.sum() + shrink) / (y.sum() + 2 * shrink) if shrink else 1.0
    low = shrink / (len(y) - y.sum() + 2 * shrink) if shrink else 0.0
    target = np.where(y > 0, high, low)

    def loss(theta: Numbers) -> tuple[float, Numbers]:
        logit = theta[0] + theta[1] * z
        error = expit(logit) - target
        return float((np.logaddexp(0, logit) - target * logit).sum()), np.array([error.sum(), (error * z).sum()])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B").x
    slope = float(found[1] / scale)
    return Curve(float(found[0] - slope * x.mean()), slope)
