"""Learn the weights and the calibration of the additive score from settled renewals.

Only weights are learned, never the shapes of measures, so a learned score can still be explained to the hundredth. With
few losses an unconstrained fit would fit noise. Weights are therefore shrunk towards the configured ones (ridge towards
c times the configured weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from include.common.errors import ConfigError
from include.models.health import Profile
from include.scores import statistics

Numbers = npt.NDArray[np.float64]
FEWEST_LOSSES = 30
LAMBDAS = (0.3, 0.1, 0.03, 0.01, 0.003)


@dataclass(frozen=True)
class Rows:
    """Settled renewals at their checkpoints.

    Args:
        losses: One row per renewal and checkpoint, one column per measure: (100 - sub-score) / 100. An unknown measure
            gets the mean of the row's known ones, because a score gives its weight to them.
        checkpoint: Days before the decision.
        is_lost: Whether the renewal was lost.
        family: The account's family. The bootstrap draws whole families and never splits one.
        settled_on: The day on which the outcome became known.
        decided_on: The decision date.
    """

    measures: tuple[str, ...]
    losses: Numbers
    checkpoint: npt.NDArray[np.int64]
    is_lost: npt.NDArray[np.bool_]
    family: npt.NDArray[np.str_]
    renewal: npt.NDArray[np.str_]
    settled_on: npt.NDArray[np.datetime64]
    decided_on: npt.NDArray[np.datetime64]

    def where(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        return Rows(
            self.measures,
            *(getattr(self, name)[chosen] for name in
              ("losses", "checkpoint", "is_lost", "family", "renewal", "settled_on", "decided_on")),
        )  # fmt: skip

    @property
    def n_losses(self) -> int:
        """Number of lost renewals. Each counts once, whatever its number of checkpoints."""
        return len(set(self.renewal[self.is_lost]))


@dataclass(frozen=True)
class Fit:
    """A fitted model: logit(loss) = intercept of the checkpoint + the weighted losses of points."""

    measures: tuple[str, ...]
    beta: Numbers
    intercepts: Mapping[int, float]
    ridge: float

    @property
    def weights(self) -> dict[str, float]:
        """Measure -> weight; they add up to 100."""
        total = self.beta.sum()
        shares = self.beta / total if total else np.full(len(self.beta), 1 / len(self.beta))
        return dict(zip(self.measures, (100 * shares).tolist(), strict=True))

    def risk(self, rows: Rows) -> Numbers:
        base = np.array([self.intercepts.get(int(c), 0.0) for c in rows.checkpoint])
        return statistics.expit(base + rows.losses @ self.beta)


def filled(sub_scores: Numbers, weights: Numbers) -> Numbers:
    """Return losses of points. An unknown sub-score (nan) gets the weighted mean loss of its row."""
    losses = (100 - sub_scores) / 100
    known = ~np.isnan(losses)
    weighed = np.where(known, weights, 0)
    total = weighed.sum(axis=1, keepdims=True)
    mean = np.where(total > 0, np.where(known, losses, 0) * weighed, 0).sum(axis=1, keepdims=True) / np.where(
        total > 0, total, 1
    )
    return np.where(known, losses, mean)


def fit(rows: Rows, configured: Mapping[str, float], ridge: float) -> Fit:
    """Fit non-negative weights, shrunk towards the configured ones.

    Minimises the mean log-loss plus ``ridge`` times the squared distance of the weights from c times the configured
    ones, over the intercepts, c >= 0 and the weights >= 0.

    Args:
        rows: Training rows.
        configured: Measure -> configured weight.
        ridge: Strength of the shrinkage.
    """
    checkpoints = sorted({int(each) for each in rows.checkpoint})
    prior = np.array([configured[name] for name in rows.measures])
    prior = prior / prior.sum()
    n, m = len(rows.measures), len(checkpoints)
    dummies = np.stack([rows.checkpoint == each for each in checkpoints], axis=1).astype(float)
    lost = rows.is_lost.astype(float)

    def objective(theta: Numbers) -> tuple[float, Numbers]:
        beta, c, intercepts = theta[:n], theta[n], theta[n + 1 :]
        z = rows.losses @ beta + dummies @ intercepts
        loss = np.logaddexp(0, z) - lost * z
        error = (statistics.expit(z) - lost) / len(lost)
        away = beta - c * prior
        gradient = np.concatenate(
            [rows.losses.T @ error + 2 * ridge * away, [-2 * ridge * (away @ prior)], dummies.T @ error]
        )
        return float(loss.mean() + ridge * away @ away), gradient

    start = np.concatenate([prior * 5, [5.0], np.full(m, -2.0)])
    bounds = [(0, None)] * (n + 1) + [(None, None)] * m
    from scipy.optimize import minimize

    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Fit(rows.measures, found.x[:n], dict(zip(checkpoints, found.x[n + 1 :].tolist(), strict=True)), ridge)


def log_loss(risk: Numbers, is_lost: npt.NDArray[np.bool_]) -> float:
    safe = np.clip(risk, 1e-9, 1 - 1e-9)
    return float(-np.where(is_lost, np.log(safe), np.log(1 - safe)).mean())


def walk_forward(rows: Rows, make: Callable[[Rows], Fit | None], months: Sequence[date]) -> Numbers:
    """Return each row's risk under a model fitted on renewals settled before its month; nan if there was none.

    Args:
        make: Fits a model, or returns None if there are too few rows.
        months: First days of the months, in ascending order.
    """
    found = np.full(len(rows.is_lost), np.nan)
    for position, month in enumerate(months):
        after = months[position + 1] if position + 1 < len(months) else None
        inside = rows.decided_on >= np.datetime64(month)
        if after:
            inside &= rows.decided_on < np.datetime64(after)
        # Train only on outcomes known before the month starts: a model fitted then could not have used others.
        fitted = make(rows.where(rows.settled_on < np.datetime64(month)))
        if fitted is not None and inside.any():
            found[inside] = fitted.risk(rows.where(inside))
    return found


def choose(rows: Rows, configured: Mapping[str, float], months: Sequence[date]) -> Fit:
    """Fit with the ridge that performed best in walk-forward validation.

    Raises:
        ConfigError: Fewer than 30 losses are settled.
    """
    if (n := rows.n_losses) < FEWEST_LOSSES:
        raise ConfigError(
            f"{n} losses are settled; learning weights needs {FEWEST_LOSSES}",
            cure="keep the configured weights; `score backtest` shows how well they predict",
        )
    best, lowest = LAMBDAS[0], float("inf")
    for ridge in LAMBDAS:

        def make(seen: Rows, ridge: float = ridge) -> Fit | None:
            return fit(seen, configured, ridge) if 0 < seen.is_lost.sum() < len(seen.is_lost) else None

        risk = walk_forward(rows, make, months)
        judged = ~np.isnan(risk)
        if not judged.any():
            continue
        found = log_loss(risk[judged], rows.is_lost[judged])
        if found < lowest - 1e-6:
            best, lowest = ridge, found
    return fit(rows, configured, best)


def limited(profile: Profile, weights: Mapping[str, float]) -> dict[str, float]:
    """Return weights that keep each group within its maximum weight, rounded to one decimal and adding up to 100."""
    from include.scores.health.score import capped

    order = [measure.id for measure in profile.measures]
    row = np.array([[weights.get(name, 0.0) for name in order]])
    final, _ = capped(profile, row)
    shares = 100 * final[0] / final[0].sum()
    rounded = np.floor(shares * 10) / 10
    for position in np.argsort(rounded - shares)[: round((100 - rounded.sum()) * 10)]:
        rounded[position] += 0.1
    return dict(zip(order, (round(float(each), 1) for each in rounded), strict=True))


def interval(
    risk_now: Numbers, risk_new: Numbers, rows: Rows, *, n_draws: int = 400, seed: int = 1
) -> tuple[float, float, float]:
    """Return the gain in AUC with its 95% bootstrap interval. Whole families are drawn.

    Args:
        risk_now: Risk of each row under the current weights, in any unit.
        risk_new: Risk of each row under the proposed weights.
    """
    chance = np.random.default_rng(seed)
    families, number = np.unique(rows.family, return_inverse=True)
    members = [np.flatnonzero(number == each) for each in range(len(families))]

    def difference(chosen: npt.NDArray[np.int64]) -> float | None:
        lost = rows.is_lost[chosen]
        new, now = (statistics.auc(risk[chosen].tolist(), lost.tolist()) for risk in (risk_new, risk_now))
        return None if new is None or now is None else new - now

    draws = []
    for _ in range(n_draws):
        drawn = chance.integers(0, len(families), len(families))
        one = difference(np.concatenate([members[each] for each in drawn]))
        if one is not None:
            draws.append(one)
    middle = difference(np.arange(len(rows.is_lost)))
    if middle is None or not draws:
        raise ConfigError("an AUC needs lost and kept renewals", cure="wait until there is at least one of each")
    return middle, float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))
