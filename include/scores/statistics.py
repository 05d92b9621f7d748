"""Small statistics that judge a score: intervals of shares, and how well numbers tell two outcomes apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata


class Interval(NamedTuple):
    """A share with its interval of 95 %."""

    share: float
    low: float
    high: float


def wilson(k: int, n: int, z: float = 1.959963984540054) -> Interval:
    """Return k of n with Wilson's interval (Wilson 1927), which holds for small n and shares near 0 and 1.

    Raises:
        ValueError: n is not positive, or k is no count of n.
    """
    if n <= 0 or not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no share")
    share = k / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def auc(numbers: Sequence[float], is_event: Sequence[bool]) -> float | None:
    """Return how probable it is that an event has the higher number than a non-event, ties as a half.

    Returns:
        None where there are no events, or nothing else.
    """
    events = np.asarray(is_event, dtype=bool)
    n_events, n_others = int(events.sum()), int((~events).sum())
    if not n_events or not n_others:
        return None
    ranks = rankdata(np.asarray(numbers, dtype=float))
    return float((ranks[events].sum() - n_events * (n_events + 1) / 2) / (n_events * n_others))


def auc_error(area: float, n_events: int, n_others: int) -> float:
    """Return the standard error of an AUC (Hanley and McNeil 1982)."""
    q1 = area / (2 - area)
    q2 = 2 * area * area / (1 + area)
    spread = area * (1 - area) + (n_events - 1) * (q1 - area * area) + (n_others - 1) * (q2 - area * area)
    return sqrt(spread / (n_events * n_others))
