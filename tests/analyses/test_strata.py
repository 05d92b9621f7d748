"""Comparisons within strata: golden numbers."""

from __future__ import annotations

import pytest

from include.analyses import strata
from include.analyses.strata import Stratum

# Small accounts in their first year, later small ones, later standard ones.
THREE = (Stratum(18, 30, 52, 110), Stratum(40, 48, 90, 126), Stratum(66, 70, 80, 92))


def test_pooled_difference_is_smaller_than_the_crude_one() -> None:
    found = strata.mantel_haenszel(THREE)
    assert found
    assert strata.crude(THREE) == pytest.approx(0.1610, abs=5e-5)
    assert found.interval == pytest.approx((0.1025, 0.0269, 0.1781), abs=5e-5)
    assert found.p == pytest.approx(0.0079, abs=5e-5)


def test_e_value_tells_what_would_explain_the_difference_away() -> None:
    found = strata.mantel_haenszel(THREE)
    # Losses, pooled: 12 of 30 and 58 of 110; 8 of 48 and 36 of 126; 4 of 70 and 12 of 92. Ratio 17.97 / 28.01.
    r = 12 * 110 / 140 + 8 * 126 / 174 + 4 * 92 / 162
    s = 58 * 30 / 140 + 36 * 48 / 174 + 12 * 70 / 162
    ratio = s / r
    assert found and found.e_value == pytest.approx(ratio + (ratio * (ratio - 1)) ** 0.5)
    same = strata.mantel_haenszel([Stratum(20, 40, 20, 40)])
    assert same and same.e_value == 1


def test_ten_percent_of_the_finds_may_be_false() -> None:
    found = strata.adjusted([0.0008, 0.0079, 0.021, 0.034, 0.20, 0.61])
    assert found == pytest.approx([0.0048, 0.0237, 0.042, 0.051, 0.24, 0.61], abs=5e-5)
    assert sum(p <= 0.1 for p in found) == 4
    assert strata.adjusted([]) == []


def test_permutations_agree_with_the_interval() -> None:
    p = strata.permutation_p(THREE, 500, 1)
    assert 0.002 <= p <= 0.03
    assert strata.permutation_p(THREE, 500, 1) == p
    assert strata.permutation_p([Stratum(20, 40, 21, 40)], 500, 1) > 0.5
    assert strata.permutation_p([Stratum(3, 4, 0, 0)], 500, 1) == 1


def test_effect_by_arr_weighs_large_accounts() -> None:
    rows = [Stratum(1, 2, 1, 2, 100, 90, 100, 50), Stratum(1, 2, 1, 2, 1000, 500, 1000, 500)]
    assert strata.by_arr(rows) == pytest.approx(0.4 * 50 / 550)
    assert strata.by_arr([Stratum(1, 2, 1, 2)]) is None


@pytest.mark.parametrize("rows", [[], [Stratum(0, 0, 5, 9)], [Stratum(4, 4, 9, 9)]])
def test_nothing_to_compare_is_no_effect(rows: list[Stratum]) -> None:
    assert strata.mantel_haenszel(rows) is None
