"""Value delivered and output per head, in worked examples."""

from __future__ import annotations

from decimal import Decimal

import pytest

from include.reports.customer.value import Numbers, delivered, output_per_head


def test_value_delivered_is_the_mean_way_to_the_targets() -> None:
    hours, days = Numbers(30, 20, 15), Numbers(5, 4, 3)
    assert hours.delivered == pytest.approx(0.6667, abs=5e-5)
    assert days.delivered == 0.5
    found = delivered([hours, days, Numbers(None, 3, 1)])
    assert found.value == pytest.approx(0.5833, abs=5e-5)
    assert (found.n, found.n_without) == (2, 1)


@pytest.mark.parametrize(
    ("numbers", "share"),
    [
        (Numbers(10, 25, 20), 1.0),
        (Numbers(10, 5, 20), 0.0),
        (Numbers(10, 10, 10), None),
        (Numbers(10, None, 20), None),
        (Numbers(0, 5, 10), 0.5),
    ],
)
def test_a_share_is_clamped_and_unknown_without_numbers(numbers: Numbers, share: float | None) -> None:
    assert numbers.delivered == share
    assert delivered([numbers]).value == share


def test_objectives_in_decimals_are_summed_with_clamped_ones() -> None:
    """PostgreSQL's numerics arrive as Decimal."""
    ten, twenty = Decimal(10), Decimal(20)
    found = delivered([Numbers(ten, Decimal(15), twenty), Numbers(ten, Decimal(25), twenty)])  # type: ignore[arg-type]
    assert found.value == 0.75


def test_output_in_decimals_may_have_ended() -> None:
    found = output_per_head(Decimal(100), 5, 0, 4)  # type: ignore[arg-type]
    assert found is not None and (found.before, found.after, found.change) == (20.0, 0.0, -1.0)


def test_output_per_head_before_and_after() -> None:
    found = output_per_head(1200, 20, 1560, 21)
    assert found is not None
    assert (round(found.before, 2), round(found.after, 2), round(found.change, 3)) == (60.0, 74.29, 0.238)
    assert not found.is_fewer_heads_alone


@pytest.mark.parametrize(("output", "heads", "is_alone"), [(1200, 16, True), (1100, 16, True), (1201, 16, False)])
def test_fewer_heads_alone_are_recognised(output: float, heads: int, is_alone: bool) -> None:
    found = output_per_head(1200, 20, output, heads)
    assert found is not None and found.is_fewer_heads_alone == is_alone


@pytest.mark.parametrize("numbers", [(None, 20, 1, 1), (1, 0, 1, 1), (1, 1, None, 1), (1, 1, 1, 0), (0, 5, 10, 5)])
def test_output_per_head_needs_all_numbers(numbers: tuple[float | None, int | None, float | None, int | None]) -> None:
    assert output_per_head(*numbers) is None
