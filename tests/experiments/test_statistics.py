"""Statistics of two arms: golden numbers of published formulas."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path

import pytest

from include.experiments import statistics
from include.experiments.statistics import Arm, Families, detectable, difference


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


def test_needed_number_is_the_inverse_of_the_detectable_effect() -> None:
    gain = detectable(0.75, 180, 60)
    assert gain
    assert statistics.needed(0.75, 0.25, gain) == pytest.approx(240, abs=1e-6)
    assert statistics.needed(0.95, 0.25, 0.1) is None


@pytest.mark.parametrize(
    ("n", "half", "fixed"),
    [(100, 0.3039, 0.1880), (240, 0.1882, 0.1214), (600, 0.1199, 0.0767), (1200, 0.0866, 0.0543)],
)
def test_confidence_sequence_is_wider_than_the_fixed_interval(n, half, fixed) -> None:
    # 85% of three quarters against 75% of one quarter.
    deviation = sqrt(0.85 * 0.15 / 0.75 + 0.75 * 0.25 / 0.25)
    assert statistics.sequence_half_width(n, deviation) == pytest.approx(half, abs=5e-5)
    assert 1.959964 * deviation / sqrt(n) == pytest.approx(fixed, abs=1e-4)


def test_sequence_needs_100_renewals_and_both_arms() -> None:
    assert statistics.sequence(Arm(60, 74), Arm(20, 25)) is None
    assert statistics.sequence(Arm(90, 100), Arm(0, 0)) is None
    found = statistics.sequence(Arm(60, 75), Arm(20, 25))
    assert found and found.low < 0 < found.high
    # A small arm without a loss has no certain rate.
    found = statistics.sequence(Arm(80, 90), Arm(10, 10))
    assert found and found.high > 0


def test_exact_test_and_sample_ratio() -> None:
    assert statistics.fisher(Arm(153, 180), Arm(45, 60)) == pytest.approx(0.115, abs=5e-4)
    assert statistics.fisher(Arm(0, 0), Arm(1, 2)) is None
    # (60 - 50)^2 / 50 + (440 - 450)^2 / 450 = 2.222 with one degree of freedom
    assert statistics.sample_ratio(440, 60, 0.1) == pytest.approx(0.1360, abs=5e-4)
    assert statistics.sample_ratio(500, 5, 0.1) < 0.001 < statistics.sample_ratio(0, 0, 0.1)


def test_families_of_two_count_less() -> None:
    effect = statistics.design_effect(2, 0.3)
    acted, held_out = Arm(153, 180).shrunk(effect), Arm(45, 60).shrunk(effect)
    assert effect == pytest.approx(1.3)
    assert (acted.settled, held_out.settled) == pytest.approx((138.5, 46.2), abs=0.05)
    assert detectable(0.75, acted.settled, held_out.settled) == pytest.approx(0.167, abs=5e-4)


def test_likeness_of_a_family_is_measured_from_thirty_siblings_on() -> None:
    # Per family of two: squares within families are 0 if both have the same outcome, else 0.5.
    few = Families(n_families=29, n=58, squares=116, within=0, between=10)
    assert statistics.intraclass(few) == statistics.ASSUMED_ICC
    # 40 families of two, half of each arm renewed completely: between = 20 x 2 x (1 - 0.5)^2 x 2 arms
    alike = Families(n_families=40, n=80, squares=160, within=0, between=20)
    assert statistics.intraclass(alike) == 1
    # One of two renewed in each family: the families do not differ.
    assert statistics.intraclass(Families(40, 80, 160, within=20, between=0)) == 0


def test_sequence_and_sample_ratio_agree_with_growthbook() -> None:
    """The figures are those of GrowthBook's package, with its tuning parameter set to 300."""
    oracle = json.loads((Path(__file__).parent / "oracle" / "gbstats.json").read_text())
    for case in oracle["sequences"]:
        acted, held_out = Arm(*case["acted"]), Arm(*case["held_out"])
        n = acted.settled + held_out.settled
        variance = sum(arm.rate * (1 - arm.rate) / arm.settled for arm in (acted, held_out))
        half = statistics.sequence_half_width(n, sqrt(n * variance), case["alpha"])
        assert acted.rate - held_out.rate == pytest.approx(case["difference"], abs=1e-6)
        assert (case["difference"] - half, case["difference"] + half) == pytest.approx(
            (case["low"], case["high"]), abs=1e-6
        )
    for case in oracle["sample_ratios"]:
        found = statistics.sample_ratio(case["n_acted"], case["n_held_out"], case["share"])
        assert found == pytest.approx(case["p"], abs=1e-6)
