"""The funnel's and the channels' arithmetic, on worked examples."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from include.analyses import channels, funnel
from include.config.funnel import Target

JANUARY = date(2026, 1, 1)


def cohort(next_stage: str, days: int, entered: int, reached: int | None, month: date = JANUARY) -> dict[str, Any]:
    return {
        "cohort_month": month, "stage": "acquisition", "next_stage": next_stage, "box_days": days,
        "n_entered": entered, "n_reached": reached,
    }  # fmt: skip


def month(channel: str, **figures: Any) -> dict[str, Any]:
    made = {
        "channel": channel, "month": JANUARY, "is_over": True, "cost": None, "n_leads": 0, "n_qualified": 0, "n_won": 0,
        "n_qualified_won": 0, "new_mrr": 0, "n_year_over": 0, "arr_a_year_ago": None, "arr_kept": None,
    }  # fmt: skip
    return made | figures


def test_months_of_which_the_days_are_over_are_judged_and_the_largest_loss_is_the_bottleneck() -> None:
    targets = (
        Target(stage="acquisition", next_stage="activation", days=90, rate=0.7),
        Target(stage="acquisition", next_stage="revenue", days=180, rate=0.3),
    )
    rows = [
        cohort("activation", 90, 40, 24),
        cohort("activation", 30, 40, 10),
        cohort("activation", 90, 50, None, date(2026, 3, 1)),
        cohort("revenue", 180, 40, 9),
    ]
    found = funnel.edges(rows, {}, targets, 10_000)
    assert [(one.next_stage, one.n_entered, one.n_reached, one.n_young) for one in found] == [
        ("activation", 40, 24, 50),
        ("revenue", 40, 9, 0),
    ]
    assert [one.rate for one in found] == pytest.approx([0.6, 0.225])
    assert [one.loss for one in found] == pytest.approx([40_000, 30_000])
    worst = funnel.bottleneck(found)
    assert worst and worst.next_stage == "activation"
    assert funnel.bottleneck(funnel.edges(rows, {}, targets, None)) is None


def test_way_without_a_mature_month_has_no_rate() -> None:
    (found,) = funnel.edges([cohort("revenue", 180, 40, None)], {}, (), 10_000)
    assert (found.rate, found.n_young, found.loss) == (None, 40, None)


def test_open_ones_are_censored_in_the_median() -> None:
    def median(*durations: tuple[int, bool]) -> int | None:
        return funnel.median(funnel.Duration(*one, 1) for one in durations)

    assert median((10, True), (20, True), (30, True), (40, False)) == 20
    assert median((5, False), (10, True), (20, True), (30, True)) == 20
    assert median((5, False), (10, True), (40, False)) == 10
    assert median((10, True), (20, False), (30, False)) is None
    assert median() is None
    assert funnel.median([funnel.Duration(10, True, 3), funnel.Duration(5, True, 2)]) == 10


def test_costs_and_payback() -> None:
    row = month("paid_search", cost=12_000, n_leads=48, n_qualified=30, n_won=6, new_mrr=5_400)
    (found,) = channels.read_out([row, month("paid_search", is_over=False, n_leads=9)], 0.05)
    assert (found.cost_per_lead, found.cost_per_qualified, found.cost_per_customer) == (250, 400, 2_000)
    assert found.payback_months(0.8) == pytest.approx(2.78, abs=0.005)
    assert (found.conversion, found.n_young) == (0.125, 9)


def test_unknown_cost_is_not_zero() -> None:
    known = month("events", cost=500, n_leads=5, n_qualified=3, n_won=1, new_mrr=100)
    (found,) = channels.read_out([known, known | {"cost": None, "month": date(2026, 2, 1)}], 0.05)
    assert (found.cost, found.cost_per_lead, found.payback_months(0.8)) == (None, None, None)


@pytest.mark.parametrize(("n", "is_listed"), [(12, False), (13, False), (14, True)])
def test_channel_that_runs_but_never_converts(n: int, is_listed: bool) -> None:
    rows = [month("events", n_leads=n, n_qualified=n), month("email", n_qualified=50, n_won=30, n_qualified_won=10)]
    found = {one.name: one.never_converts for one in channels.read_out(rows, 0.05)}
    assert found == {"email": False, "events": is_listed}


def test_leads_whose_channel_nobody_recorded_are_no_channel() -> None:
    rows = [
        month("unknown", n_leads=80, n_qualified=80),
        month("email", n_leads=50, n_qualified=50, n_qualified_won=10),
    ]
    assert not any(one.never_converts for one in channels.read_out(rows, 0.05))


def test_if_all_qualified_leads_of_others_convert_no_channel_is_listed() -> None:
    assert not channels.never_converts(1, 1.0, 0.05)


def test_young_leads_never_make_a_channel_one_that_never_converts() -> None:
    rows = [
        month("events", is_over=False, n_leads=200, n_qualified=None, n_won=None, new_mrr=None),
        month("email", n_leads=60, n_qualified=50, n_won=10, new_mrr=9),
    ]
    assert not any(one.never_converts for one in channels.read_out(rows, 0.05))


def test_share_of_arr_kept_for_a_year_covers_accounts_that_are_old_enough() -> None:
    rows = [
        month("email", n_year_over=2, arr_a_year_ago=20_000, arr_kept=15_000),
        month("email", n_year_over=0, month=date(2026, 2, 1)),
    ]
    (found,) = channels.read_out(rows, 0.05)
    assert (found.kept, found.n_year_over) == (0.75, 2)


def test_twelve_mature_months_count_as_known_on_a_day() -> None:
    rows = [month("email", month=date(2025 + n // 12, n % 12 + 1, 1)) for n in range(20)]
    found = channels.months_upto(rows, date(2026, 6, 30))
    assert [found[0]["month"], found[-1]["month"], len(found)] == [date(2025, 7, 1), date(2026, 6, 1), 12]
