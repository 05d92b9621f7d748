"""The discount ladder: golden offers, and what counts as unapproved."""

from __future__ import annotations

from typing import Any

import pytest

from include.analyses import discounts
from include.config.discounts import Discounts, Rung

LADDER = Discounts(
    term_credit={24: 0.05, 36: 0.08},
    valid_days=30,
    rows=(
        Rung(bands=("green",), days=(0, 90), csm=0, lead=0.05, head=0.1, floor=0.9),
        Rung(csm=0.05, lead=0.15, head=0.25, floor=0.75, trades=("term", "reference")),
    ),
)


def check(offer: float, months: int | None = None, band: str = "yellow", days: int = 60) -> discounts.Check:
    return discounts.check(LADDER, 100_000, offer, months, tier="small", band=band, days=days)


@pytest.mark.parametrize(
    ("offer", "months", "depth", "credited", "level"),
    [
        (88_000, 24, 0.12, 0.07, "lead"),
        (88_000, 12, 0.12, 0.12, "lead"),
        (70_000, 12, 0.30, 0.30, "refused"),
        (95_000, 12, 0.05, 0.05, "csm"),
        (90_000, 24, 0.10, 0.05, "csm"),
        (92_000, 36, 0.08, 0.00, "none"),
        (85_000, None, 0.15, 0.15, "lead"),
        (84_999, None, 0.15001, 0.15001, "head"),
        (101_000, None, -0.01, 0.00, "none"),
        (75_000, 36, 0.25, 0.17, "head"),
    ],
)
def test_offer_needs_the_least_senior_role_that_grants_it(offer, months, depth, credited, level) -> None:
    found = check(offer, months)
    assert (found.depth, found.credited, found.level) == (pytest.approx(depth), pytest.approx(credited), level)


def test_refusal_says_which_limit() -> None:
    assert check(70_000).reason == "below_floor"
    # The term earns nothing below the floor.
    assert check(74_000, 36).reason == "below_floor"
    strict = LADDER.model_copy(update={"rows": (Rung(csm=0, lead=0.1, head=0.2, floor=0.5),)})
    found = discounts.check(strict, 100, 75, tier=None, band=None, days=None)
    assert (found.level, found.reason) == ("refused", "above_head")


def test_row_depends_on_band_and_horizon() -> None:
    assert check(96_000, band="green").level == "lead"
    assert check(96_000, band="green", days=91).level == "csm"
    assert check(89_000, band="green").reason == "below_floor"


def test_customer_gives_something_in_return_above_the_csm_hand() -> None:
    found = check(88_000)
    assert discounts.missing_trade(found, ()) and discounts.missing_trade(found, ("seats",))
    assert not discounts.missing_trade(found, ("reference",))
    assert not discounts.missing_trade(check(96_000), ())


def test_roles_grant_up_to_their_level() -> None:
    assert discounts.may_grant("csm", "csm") and not discounts.may_grant("csm", "lead")
    assert discounts.may_grant("head", "lead") and not discounts.may_grant("lead", "head")
    assert not discounts.may_grant("operator", "csm") and not discounts.may_grant("head", "refused")


def test_won_deeper_than_allowed_and_approved_is_unapproved() -> None:
    def row(name: str, depth: float, **more: Any) -> dict[str, Any]:
        given = {"tier": "small", "band": "yellow", "term_months": 12, "approved_arr": None}
        return {"renewal_id": name, "depth": depth, "renewed_arr": 100 * (1 - depth), **given, **more}

    rows = [
        row("free hand", 0.05),
        row("rounding", 0.054),
        row("never asked", 0.12),
        row("approved", 0.12, approved_arr=88),
        row("deeper than approved", 0.2, approved_arr=88),
        row("two years", 0.1, term_months=24),
    ]
    found = discounts.unapproved(LADDER, rows)
    assert [one["renewal_id"] for one in found] == ["never asked", "deeper than approved"]
    assert found[0]["credited"] == pytest.approx(0.12) and found[0]["allowed"] == 0.05


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": ({"csm": 0.2, "lead": 0.1, "head": 0.3, "floor": 0.5},)},
        {"rows": ({"tiers": ("small",), "csm": 0, "lead": 0.1, "head": 0.3, "floor": 0.5},)},
        {"rows": ()},
    ],
)
def test_wrong_ladder_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"decrease|last of rows|at least 1"):
        Discounts.model_validate({"term_credit": {}, "valid_days": 30} | wrong)
