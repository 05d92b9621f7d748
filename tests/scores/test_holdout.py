"""Results of a hold-out: golden numbers of published formulas."""

from __future__ import annotations

import pytest

from include.scores.holdout import Arm, detectable, difference


@pytest.mark.parametrize(
    ("acted", "held_out", "expected"),
    [((153, 180), (45, 60), (0.10, -0.0097, 0.2303)), ((1530, 1800), (450, 600), (0.10, 0.0628, 0.1394))],
)
def test_interval_of_a_difference(acted, held_out, expected) -> None:
    assert difference(Arm(*acted), Arm(*held_out)) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("base", "n_acted", "n_held_out", "points"),
    [
        (0.75, 180, 60, 15.1),
        (0.8, 450, 50, 12.95),
        (0.8, 200, 200, 9.98),
        (0.8, 1000, 1000, 4.77),
        (0.67, 60, 60, 21.1),
    ],
)
def test_detectable_effect_by_sample_size(base, n_acted, n_held_out, points) -> None:
    assert detectable(base, n_acted, n_held_out) * 100 == pytest.approx(points, abs=0.05)


def test_detectable_gain_over_a_zero_base_rate() -> None:
    # 1.96 x sqrt(.471 x .529 x (1/50 + 1/5)) + .8416 x sqrt(.518 x .482 / 50)
    assert detectable(0.0, 50, 5) == pytest.approx(0.518, abs=0.001)


def test_no_claim_for_an_empty_arm_or_a_perfect_base() -> None:
    assert difference(Arm(3, 4), Arm(0, 0)) is None
    assert detectable(0.8, 0, 50) is None and detectable(1.0, 50, 50) is None and detectable(0.9, 5, 5) is None
