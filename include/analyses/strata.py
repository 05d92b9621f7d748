"""Compare two groups of accounts within strata, so that like is compared with like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from include.scores.statistics import Interval

_Z = NormalDist().inv_cdf(0.975)


class Stratum(NamedTuple):
    """Renewals of like accounts.

    Args:
        kept_with: Renewed, of those with the behaviour.
        n_with: Those with the behaviour.
        kept_without: Renewed, of those without it.
        n_without: Those without it.
        arr_with: Their ARR, and the renewed part of it; the same without the behaviour.
    """

    kept_with: int
    n_with: int
    kept_without: int
    n_without: int
    arr_with: float = 0
    kept_arr_with: float = 0
    arr_without: float = 0
    kept_arr_without: float = 0


@dataclass(frozen=True)
class Effect:
    """A difference of renewal rates within strata.

    Args:
        interval: The difference with its 95% interval.
        p: Two-sided, of the difference.
        e_value: How strongly something unknown would have to go with both, as a ratio of risks, to explain all of it.
    """

    interval: Interval
    p: float
    e_value: float


def mantel_haenszel(strata: Sequence[Stratum]) -> Effect | None:
    """Return the difference of the renewal rates, pooled over strata.

    Weights of Mantel and Haenszel; variance of Greenland and Robins 1985, https://doi.org/10.2307/2530643. E-value of
    VanderWeele and Ding 2017, https://doi.org/10.7326/M16-2607, from the pooled ratio of loss rates.

    Returns:
        None if no stratum has renewals of both kinds, or if nothing differs in any of them.
    """
    x1, n1, x0, n0 = _columns(strata)
    n = n1 + n0
    weight = n1 * n0 / np.where(n > 0, n, 1)
    total = float(weight.sum())
    if not total:
        return None
    used = weight > 0
    x1, n1, x0, n0, n, weight = (each[used] for each in (x1, n1, x0, n0, n, weight))
    shift = float((weight * (x1 / n1 - x0 / n0)).sum() / total)
    spread = (x1 * (n1 - x1) * n0**3 + x0 * (n0 - x0) * n1**3) / (n1 * n0 * n**2)
    error = sqrt(float(spread.sum())) / total
    if not error:
        return None
    interval = Interval(shift, shift - _Z * error, shift + _Z * error)
    p = 2 * NormalDist().cdf(-abs(shift) / error)
    return Effect(interval, p, _e_value(n1 - x1, n1, n0 - x0, n0, n))


def crude(strata: Sequence[Stratum]) -> float | None:
    """Return the difference of the renewal rates without strata; None if one of the groups is empty."""
    x1, n1, x0, n0 = (float(each.sum()) for each in _columns(strata))
    return x1 / n1 - x0 / n0 if n1 and n0 else None


def by_arr(strata: Sequence[Stratum]) -> float | None:
    """Return the difference of the renewed shares of ARR, pooled over strata with the weights of their ARR."""
    rows = [each for each in strata if each.arr_with and each.arr_without]
    weights = [each.arr_with * each.arr_without / (each.arr_with + each.arr_without) for each in rows]
    shifts = [each.kept_arr_with / each.arr_with - each.kept_arr_without / each.arr_without for each in rows]
    return sum(w * shift for w, shift in zip(weights, shifts, strict=True)) / sum(weights) if weights else None


def permutation_p(strata: Sequence[Stratum], n_draws: int, seed: int) -> float:
    """Return the share of permutations of the behaviour within strata whose difference is as large as the real one.

    Permuting who has the behaviour within a stratum draws the renewals with it from a hypergeometric distribution.
    """
    x1, n1, x0, n0 = _columns(strata)
    used = (n1 > 0) & (n0 > 0)
    x1, n1, x0, n0 = (each[used] for each in (x1, n1, x0, n0))
    if not len(x1):
        return 1.0
    weight = n1 * n0 / (n1 + n0)
    kept, lost, n_with = (each.astype(np.int64) for each in (x1 + x0, n1 + n0 - x1 - x0, n1))
    drawn = np.random.default_rng(seed).hypergeometric(kept, lost, n_with, size=(n_draws, len(x1)))
    shifts = (weight * (drawn / n1 - (x1 + x0 - drawn) / n0)).sum(axis=1)
    real = float((weight * (x1 / n1 - x0 / n0)).sum())
    return float((1 + (np.abs(shifts) >= abs(real) - 1e-9).sum()) / (1 + n_draws))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return the p values, adjusted for the number of tests (Benjamini and Hochberg 1995)."""
    if not p_values:
        return []
    from scipy.stats import false_discovery_control  # costs a second and 50 MB

    return [float(p) for p in false_discovery_control(p_values)]


def _columns(strata: Sequence[Stratum]) -> tuple[npt.NDArray[np.float64], ...]:
    table = np.array([each[:4] for each in strata], dtype=float).reshape(-1, 4)
    return tuple(table.T)


def _e_value(
    lost_with: npt.NDArray[np.float64],
    n_with: npt.NDArray[np.float64],
    lost_without: npt.NDArray[np.float64],
    n_without: npt.NDArray[np.float64],
    n: npt.NDArray[np.float64],
) -> float:
    """Return the E-value of the pooled ratio of loss rates."""
    r, s = float((lost_with * n_without / n).sum()), float((lost_without * n_with / n).sum())
    if not r or not s:
        return float("inf")  # one of the groups lost nothing: no finite ratio explains that
    ratio = max(r / s, s / r)
    return ratio + sqrt(ratio * (ratio - 1))
