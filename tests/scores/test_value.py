"""The customer value score: the worked example, and missing, excluded or capped measures."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from include.models import value
from include.scores.value.score import Reading, score

EXAMPLE: dict[str, tuple[Any, ...]] = {
    "order_amount": (180_000,),
    "company_size": (800,),
    "gross_margin": (0.78,),
    "breadth": (3,),
    "relationship": (4, 0.75),
    "influence": (1,),
    "brand": ("listed",),
    "payment": (0.96,),
    "growth": (0.12,),
}


@pytest.fixture(scope="module")
def standard() -> value.Version:
    return value.load().versions[0]


def _readings(**changed: Reading) -> dict[str, Reading]:
    return {name: Reading(figures) for name, figures in EXAMPLE.items()} | changed


def test_worked_example(standard: value.Version) -> None:
    found = score(standard, _readings())
    assert [round(line.score or 0, 2) for line in found.lines.values()] == [76, 68.75, 86, 75, 80, 50, 70, 88, 61]
    assert found.number == Decimal("73.38")
    assert sum(line.points for line in found.lines.values() if line.points) == found.number
    assert (found.coverage, found.is_covered) == (1, True)
    assert sum(each.weight for each in standard.dimensions) == 100


def test_missing_measure_frees_its_weight_and_lowers_coverage(standard: value.Version) -> None:
    missing = score(
        standard, _readings(growth=Reading((None,)), relationship=Reading((4, None)), brand=Reading(("x",)))
    )
    assert missing.coverage == pytest.approx(0.75)
    assert missing.lines["relationship"].points is missing.lines["growth"].points is None
    assert missing.number == Decimal("74.37")  # 5577.5 / 75
    gone = {name: Reading() for name in ("order_amount", "growth", "payment")}
    assert not score(standard, _readings(**gone)).is_covered


def test_excluded_measure_does_not_lower_coverage(standard: value.Version) -> None:
    found = score(
        standard, {name: Reading(is_left_out=name != "order_amount", figures=EXAMPLE[name]) for name in EXAMPLE}
    )
    assert (found.number, found.coverage, found.is_covered) == (Decimal("76.00"), 1, True)
    nothing = score(standard, {})
    assert (nothing.number, nothing.coverage, nothing.is_covered) == (None, 0, False)


def test_one_long_overdue_invoice_caps_the_payment_record(standard: value.Version) -> None:
    assert score(standard, _readings(payment=Reading((0.96,), is_capped=True))).lines["payment"].score == 30
    assert score(standard, _readings(payment=Reading((None,), is_capped=True))).lines["payment"].score is None
    assert score(standard, _readings(payment=Reading((0.55,), is_capped=True))).lines["payment"].score == pytest.approx(
        8.333, abs=0.001
    )
