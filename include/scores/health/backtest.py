"""Back-test the health score: compare it with simpler methods on settled renewals.

Each month is judged with models fitted only on renewals settled before it. The score must meet the floors of the best
public method: red accounts churn at least three times as often as average, two thirds of the lost accounts were below
green 60 to 90 days before, and at most 80% of the book is green. No single measure may outperform the score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from include.common import formatting
from include.common.texts import gettext
from include.models.health import Profile
from include.scores import statistics
from include.scores.health import checkpoints, learn
from include.scores.health.checkpoints import Checkpoints

Numbers = npt.NDArray[np.float64]
SCORE, LEARNED, EQUAL, EVERYONE, CRM = "score", "learned", "equal weights", "everyone at T-90", "CRM category"
RED_MULTIPLE, BELOW_GREEN, GREEN = 3.0, 2 / 3, 0.8
ALL = "all"
# Single measures are judged on all renewals only: a tier has too few losses.
BY_TIER = (SCORE, LEARNED, EQUAL, CRM)
_DRAWS = 200


@dataclass(frozen=True)
class Judged:
    """The result of one method at one checkpoint.

    Args:
        auc: Probability that a lost renewal had the worse figure. None unless there are both lost and kept renewals.
        low: Lower end of the 95% interval of ``auc``, bootstrapped by account family.
        auc_arr: The AUC with each pair weighted by the ARR of both renewals.
        lift: Share of lost renewals found in the worst tenth, divided by a tenth.
        brier: Mean squared error of the calibrated probability. None if no calibration could be fitted yet.
        intercept: Calibration intercept. 0 means as many losses as predicted.
        slope: Calibration slope. 1 means that probabilities are neither too extreme nor too cautious.
        ece: Expected calibration error over ten bins.
        segment: ``all``, or the tier whose renewals are judged. Models are always fitted on all renewals.
    """

    method: str
    days_before: int
    n: int
    n_lost: int
    auc: float | None
    low: float | None = None
    high: float | None = None
    auc_arr: float | None = None
    lift: float | None = None
    brier: float | None = None
    intercept: float | None = None
    slope: float | None = None
    ece: float | None = None
    segment: str = ALL


@dataclass(frozen=True)
class Backtest:
    """The results of all methods at all checkpoints, and how well the bands performed.

    Args:
        red_multiple: Loss rate of red accounts over the overall loss rate, 30 to 90 days before the decision. None
            without red accounts.
        lost_below_green: Share of lost renewals that were red or yellow at a checkpoint 60 or 90 days before.
        share_green: Share of renewals whose account was green.
        lead_days: Median days before the decision from which a lost account stayed below green.
        n_left_out: Renewals that are not settled yet.
    """

    judged: tuple[Judged, ...]
    red_multiple: float | None
    lost_below_green: float | None
    share_green: float | None
    lead_days: float | None
    coverage: float | None
    n_losses: int
    n_left_out: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """The missed floors, in the reader's language."""
        return tuple(_warnings(self))


def judge(found: Checkpoints, profile: Profile) -> Backtest:
    """Judge the score and the simpler methods on settled renewals.

    Args:
        found: Settled renewals.
        profile: The profile that the sub-scores were computed with.
    """
    risks = dict(_risks(found, profile))
    judged = [
        one
        for name, risk in risks.items()
        for days in checkpoints.DAYS_BEFORE
        for segment in (ALL, *(sorted(set(found.tier)) if name in BY_TIER else ()))
        if (one := _at(name, risk, found, days, str(segment))) is not None
    ]
    bands = _bands(found)
    coverage = float(found.coverage.mean()) if len(found.coverage) else None
    return Backtest(tuple(judged), *bands, coverage, found.rows.n_losses, found.n_open)


def _risks(found: Checkpoints, profile: Profile) -> Iterator[tuple[str, Numbers]]:
    """Yield each method with one risk per row: higher is worse, nan where the method has no figure."""
    yield SCORE, -found.computed
    yield EQUAL, np.where(np.isnan(found.sub_scores).all(axis=1), np.nan, found.rows.losses.mean(axis=1))
    for column, measure in enumerate(profile.measures):
        yield measure.id, -found.sub_scores[:, column]
    yield EVERYONE, np.zeros(len(found.computed))
    if not np.isnan(found.probability).all():
        yield CRM, 1 - found.probability
    configured = {measure.id: measure.weight for measure in profile.measures}

    def make(seen: learn.Rows) -> learn.Fit | None:
        return learn.fit(seen, configured, learn.LAMBDAS[1]) if seen.n_losses >= learn.FEWEST_LOSSES else None

    forward = learn.walk_forward(found.rows, make, checkpoints.months(found))
    if not np.isnan(forward).all():
        yield LEARNED, forward


def _at(name: str, risk: Numbers, found: Checkpoints, days: int, segment: str) -> Judged | None:
    of_segment = (found.tier == segment) | (segment == ALL)
    chosen = (found.rows.checkpoint == days) & ~np.isnan(risk) & of_segment
    if not chosen.any():
        return None
    inside, number = found.where(chosen), risk[chosen]
    lost = inside.rows.is_lost
    area = statistics.auc(number.tolist(), lost.tolist())
    low, high = _interval(number, inside) if area is not None else (None, None)
    calibrated = _calibration(risk, found, days, of_segment)
    return Judged(
        name,
        days,
        len(lost),
        int(lost.sum()),
        area,
        low,
        high,
        _weighted(number, inside),
        _lift(number, lost),
        *calibrated,
        segment,
    )


def _interval(number: Numbers, found: Checkpoints) -> tuple[float | None, float | None]:
    chance = np.random.default_rng(1)
    families, at = np.unique(found.rows.family, return_inverse=True)
    members = [np.flatnonzero(at == each) for each in range(len(families))]
    draws = []
    for _ in range(_DRAWS):
        chosen = np.concatenate([members[each] for each in chance.integers(0, len(families), len(families))])
        area = statistics.auc(number[chosen].tolist(), found.rows.is_lost[chosen].tolist())
        if area is not None:
            draws.append(area)
    return (float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))) if draws else (None, None)


def _weighted(number: Numbers, found: Checkpoints) -> float | None:
    lost = found.rows.is_lost
    if lost.all() or not lost.any():
        return None
    better = (number[lost][:, None] > number[~lost][None, :]) + 0.5 * (number[lost][:, None] == number[~lost][None, :])
    weight = found.target[lost][:, None] * found.target[~lost][None, :]
    return float((better * weight).sum() / weight.sum()) if weight.sum() else None


def _lift(number: Numbers, lost: npt.NDArray[np.bool_]) -> float | None:
    """Return the loss rate of the worst tenth over the overall loss rate. Ties at the cut-off count in proportion."""
    if not lost.any():
        return None
    size = len(number) / 10
    edge = np.sort(number)[::-1][max(0, int(np.ceil(size)) - 1)]
    above, at = number > edge, number == edge
    share = (size - above.sum()) / at.sum()
    return float((lost[above].sum() + share * lost[at].sum()) / size / lost.mean())


def _calibration(
    risk: Numbers, found: Checkpoints, days: int, of_segment: npt.NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None, float | None]:
    """Return the Brier score, intercept, slope and ECE of Platt scaling (1999), fitted on the preceding months."""
    foreseen, lost = [], []
    rows = found.rows
    chosen = (rows.checkpoint == days) & ~np.isnan(risk)
    months = checkpoints.months(found)
    for position, month in enumerate(months):
        before = chosen & (rows.settled_on < np.datetime64(month))
        inside = chosen & of_segment & (rows.decided_on >= np.datetime64(month))
        if position + 1 < len(months):
            inside &= rows.decided_on < np.datetime64(months[position + 1])
        if rows.is_lost[before].sum() < 5 or not inside.any():
            continue
        curve = statistics.logistic(risk[before], rows.is_lost[before])
        foreseen += curve.of(risk[inside]).tolist()
        lost += rows.is_lost[inside].tolist()
    if sum(lost) < 5:
        return None, None, None, None
    p, y = np.clip(np.array(foreseen), 1e-6, 1 - 1e-6), np.array(lost)
    check = statistics.logistic(np.log(p / (1 - p)), y, shrink=0)
    error = statistics.calibration_error(p, y)
    return float(((p - y) ** 2).mean()), check.intercept, check.slope, error


def _bands(found: Checkpoints) -> tuple[float | None, float | None, float | None, float | None]:
    rows = found.rows
    near = (rows.checkpoint <= 90) & (found.band != "")
    if not near.any():
        return None, None, None, None
    red = near & (found.band == "red")
    base = rows.is_lost[near].mean()
    multiple = float(rows.is_lost[red].mean() / base) if red.any() and base else None
    green = float((found.band[near] == "green").mean())
    renewals: dict[str, dict[int, str]] = {}
    lost_ones = np.flatnonzero(rows.is_lost & (found.band != ""))
    for at in lost_ones:
        renewals.setdefault(str(rows.renewal[at]), {})[int(rows.checkpoint[at])] = str(found.band[at])
    seen = [bands for bands in renewals.values() if {60, 90} & bands.keys()]
    below = [any(bands.get(day, "green") != "green" for day in (60, 90)) for bands in seen]
    leads = [_lead(bands) for bands in renewals.values()]
    known = [lead for lead in leads if lead]
    return multiple, float(np.mean(below)) if below else None, green, float(np.median(known)) if known else None


def _lead(bands: dict[int, str]) -> int:
    """Return how many days before the decision the account dropped below green for good; 0 if it never did."""
    lead = 0
    for days in sorted(bands):
        if bands[days] == "green":
            break
        lead = days
    return lead


def _warnings(found: Backtest) -> Iterator[str]:
    if found.red_multiple is not None and found.red_multiple < RED_MULTIPLE:
        yield gettext(
            "red accounts were lost {times} times as often as average; the target is {target} times",
            times=formatting.decimal(found.red_multiple, 1),
            target=formatting.number(RED_MULTIPLE),
        )
    if found.lost_below_green is not None and found.lost_below_green < BELOW_GREEN:
        yield gettext(
            "{share} of lost renewals were below green 60 to 90 days before; the target is two thirds",
            share=formatting.percent(found.lost_below_green),
        )
    if found.share_green is not None and found.share_green > GREEN:
        yield gettext(
            "{share} of accounts were green; the limit is {limit}",
            share=formatting.percent(found.share_green),
            limit=formatting.percent(GREEN),
        )
    at_90 = {
        one.method: one.auc
        for one in found.judged
        if one.segment == ALL and one.days_before == 90 and one.auc is not None and one.n_lost >= 10
    }
    simple = {name: area for name, area in at_90.items() if name not in (SCORE, LEARNED, EQUAL, EVERYONE, CRM)}
    if SCORE in at_90 and simple:
        best = max(simple, key=lambda name: simple[name] or 0)
        if (simple[best] or 0) > (at_90[SCORE] or 0):
            yield gettext(
                "{measure} alone predicted losses better at T-90 than the score (AUC {auc} against {score})",
                measure=best,
                auc=formatting.decimal(simple[best] or 0, 2),
                score=formatting.decimal(at_90[SCORE] or 0, 2),
            )
