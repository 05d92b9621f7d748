"""Learned weights: shrunk towards the file, non-negative, without future data, and only with enough data."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from include.common.errors import ConfigError
from include.models import health
from include.scores import statistics
from include.scores.health import backtest, learn
from include.scores.health.checkpoints import Checkpoints

NAMES = ("use", "people", "noise")
CONFIGURED = {"use": 40.0, "people": 30.0, "noise": 30.0}
FIRST = date(2024, 1, 1)


def _rows(n: int = 900, seed: int = 3, effect: tuple[float, float, float] = (4.0, 2.0, 0.0)) -> learn.Rows:
    chance = np.random.default_rng(seed)
    losses = chance.random((n, 3))
    risk = 1 / (1 + np.exp(-(losses @ np.array(effect) - 4.5)))
    decided = np.array([np.datetime64(FIRST + timedelta(days=int(day))) for day in chance.integers(0, 700, n)])
    return learn.Rows(
        NAMES,
        losses,
        chance.choice([30, 90], n),
        chance.random(n) < risk,
        np.array([f"crm:{number}" for number in range(n)]),
        np.array([f"r{number}" for number in range(n)]),
        decided + np.timedelta64(20, "D"),
        decided,
    )


MONTHS = [date(2024 + number // 12, number % 12 + 1, 1) for number in range(24)]


def test_weights_follow_outcomes_and_default_to_the_file_without_any() -> None:
    weak, strong = (learn.fit(_rows(), CONFIGURED, ridge).weights for ridge in (0.001, 30.0))
    assert weak["use"] > 50 > 12 > weak["noise"]
    assert strong == pytest.approx(CONFIGURED, abs=2)
    assert sum(weak.values()) == pytest.approx(100)
    harmful = learn.fit(_rows(effect=(4.0, 2.0, -3.0)), CONFIGURED, 0.003)
    assert harmful.beta.min() >= 0


def test_future_data_does_not_change_the_past() -> None:
    rows = _rows()

    def make(seen: learn.Rows) -> learn.Fit | None:
        return learn.fit(seen, CONFIGURED, 0.03) if seen.n_losses >= 30 else None

    honest = learn.walk_forward(rows, make, MONTHS)
    cut = np.datetime64(date(2025, 3, 1))
    planted = learn.Rows(
        rows.measures, rows.losses, rows.checkpoint, np.where(rows.settled_on < cut, rows.is_lost, ~rows.is_lost),
        rows.family, rows.renewal, rows.settled_on, rows.decided_on,
    )  # fmt: skip
    before = rows.decided_on < cut
    cheated = learn.walk_forward(planted, make, MONTHS)
    np.testing.assert_array_equal(honest[before], cheated[before])
    assert np.isnan(honest).any()
    assert not np.isnan(honest[rows.decided_on > np.datetime64(date(2024, 9, 1))]).any()


def test_fit_reaches_the_accuracy_the_world_allows() -> None:
    rows = _rows()
    best = learn.choose(rows, CONFIGURED, MONTHS)
    risk = best.risk(rows)
    ideal = rows.losses @ np.array([4.0, 2.0, 0.0])
    ours, perfect = (statistics.auc(each.tolist(), rows.is_lost.tolist()) for each in (risk, ideal))
    assert ours is not None and perfect is not None
    assert perfect - 0.03 < ours <= perfect + 0.01


def test_too_few_losses_are_refused() -> None:
    rows = _rows(60)
    assert rows.n_losses < 30
    with pytest.raises(ConfigError, match="losses are settled; learning weights needs 30"):
        learn.choose(rows, CONFIGURED, MONTHS)


def test_unknown_values_are_imputed_with_the_mean() -> None:
    found = learn.filled(np.array([[100.0, np.nan, 50.0], [np.nan, np.nan, np.nan]]), np.array([1.0, 5.0, 3.0]))
    np.testing.assert_allclose(found, [[0, 0.375, 0.5], [0, 0, 0]])


def test_proposed_weights_keep_group_limits_and_add_up() -> None:
    profile = health.load().profile("standard@1")
    weights = learn.limited(profile, {"use_vs_usual": 90.0, "roles": 5.0, "nps": 5.0})
    assert sum(weights.values()) == pytest.approx(100)
    assert weights["use_vs_usual"] == 50
    assert weights["roles"] == weights["nps"] == 25


def test_calibration_error_weights_bins_by_their_cases() -> None:
    # Events: one of two near 0.05, none of one at 0.15, one of one at 0.95: (0.9 + 0.15 + 0.05) / 4.
    probabilities, happened = np.array([0.05, 0.05, 0.15, 0.95]), np.array([False, True, False, True])
    assert statistics.calibration_error(probabilities, happened) == pytest.approx(0.275)


def test_improvement_is_bootstrapped_by_family() -> None:
    rows = _rows(400)
    noise = np.random.default_rng(9).random(len(rows.is_lost))
    middle, low, high = learn.interval(noise, rows.losses @ np.array([4.0, 2.0, 0.0]), rows, n_draws=80)
    assert 0 < low < middle < high < 0.5


def test_backtest_names_the_missed_floors() -> None:
    profile = health.load().profile("standard@1")
    n = 400
    chance = np.random.default_rng(5)
    subs = np.full((n, len(profile.measures)), np.nan)
    lost = chance.random(n) < 0.2
    subs[:, 0] = np.where(lost, chance.normal(45, 20, n), chance.normal(75, 20, n))
    decided = np.array([np.datetime64(FIRST + timedelta(days=int(day))) for day in chance.integers(0, 600, n)])
    rows = learn.Rows(
        tuple(m.id for m in profile.measures), learn.filled(subs, np.ones(len(profile.measures))), np.full(n, 90), lost,
        np.array([f"crm:{number}" for number in range(n)]), np.array([f"r{number}" for number in range(n)]),
        decided + np.timedelta64(1, "D"), decided,
    )  # fmt: skip
    computed = chance.uniform(60, 100, n)
    found = Checkpoints(
        rows,
        subs,
        computed,
        np.where(computed > 65, "green", "red"),
        np.ones(n),
        np.ones(n),
        np.full(n, np.nan),
        3,
        tier=np.where(np.arange(n) < 100, "key_account", "small"),
    )
    judged = backtest.judge(found, profile)
    by_method = {one.method: one for one in judged.judged if one.segment == "all"}
    # A tier is evaluated on its own renewals with the fit on all.
    sizes = {(one.segment, one.n) for one in judged.judged if one.method == "score"}
    assert sizes == {("all", 400), ("key_account", 100), ("small", 300)}
    assert "use_vs_usual" not in {one.method for one in judged.judged if one.segment == "small"}
    error = by_method["use_vs_usual"].ece
    assert error is not None and 0 < error < 0.15
    assert (by_method["use_vs_usual"].auc or 0) > 0.8
    assert 0.35 < (by_method["score"].auc or 0) < 0.65
    assert by_method["everyone at T-90"].auc == 0.5
    assert (by_method["use_vs_usual"].lift or 0) > 2
    slope = by_method["use_vs_usual"].slope
    assert slope is not None and 0.5 < slope < 2
    assert judged.n_left_out == 3
    assert len(judged.warnings) == 4
    assert "use_vs_usual alone" in judged.warnings[-1]
