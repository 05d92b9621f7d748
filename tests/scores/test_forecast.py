"""The quarterly forecast: distribution of the sum, its interval and the widening."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.common import quarters, texts
from include.scores.forecast import by_quarter, calls, distribution, lists, totals
from include.scores.forecast.by_quarter import Quarter
from include.scores.forecast.calls import Call
from include.scores.forecast.lines import Line
from include.scores.forecast.past import Frozen
from include.scores.forecast.totals import IntervalScale, Past

AS_IT_IS = IntervalScale(1.0, 0, False)
OPEN = st.tuples(st.integers(1, 50), st.floats(0, 1))


@pytest.mark.parametrize(
    ("line_class", "band", "n", "english"),
    [
        ("open", "green", 3, "2 of 3 renewed: commit and green, 31-90 days before"),
        ("open", "unknown", 3, "2 of 3 renewed: commit, 31-90 days before"),
        (
            "open",
            "green",
            0,
            "no settled renewal had its category, band and distance: the configured probability",
        ),
        ("committed_churn", "red", None, "notice was given"),
        ("lost", "red", None, "lost"),
    ],
)
def test_reason_of_a_probability_is_in_the_readers_language(line_class, band, n, english) -> None:
    made = line(1, 0.5, line_class=line_class, band=band, n=n, n_renewed=2, horizon="31-90")
    assert made.reason == english
    for language in ("de", "zh_CN"):
        with texts.reading(language):
            assert made.reason != english and not texts.is_incomplete()


def test_disagreements_and_labels_are_in_the_readers_language() -> None:
    made = line(1, 0.5, category="commit", band="red", pulse=5, score=Decimal(60), score_28d_ago=Decimal(80))
    (found,) = lists.disagreements([made])
    few, many = IntervalScale(1.0, 2, False), IntervalScale(1.5, 9, True)
    english = (found.reason, few.label, many.label)
    for language in ("de", "zh_CN"):
        with texts.reading(language):
            assert not set(english) & {found.reason, few.label, many.label} and not texts.is_incomplete()


def line(amount: float, p: float, configured: float = 0.5, **changes: Any) -> Line:
    day = date(2026, 11, 30)
    fields: dict[str, Any] = {
        "as_of": day, "renewal_id": "r", "account_key": "crm:1", "account": "One", "quarter_start": date(2026, 10, 1),
        "decision_date": day, "owner_key": "crm:7", "csm": "Ada", "team": "", "region": "", "tier": "small",
        "line_class": "open", "category": "commit", "band": "green", "horizon": "0-30", "n": 0, "n_renewed": 0,
        "configured": configured, "p": p, "target": Decimal(str(amount)), "amount": Decimal(str(amount)),
        "renewed_share": 1.0, "score": None, "score_28d_ago": None, "pulse": None, "currency": "USD",
    }  # fmt: skip
    return Line(**{**fields, **changes})


def shrunk(k: int, n: int, configured: float) -> float:
    return (k + 20 * configured) / (n + 20)


GOLDEN = [
    line(120_000, shrunk(96, 112, 0.9), 0.9),
    line(60_000, shrunk(41, 60, 0.7), 0.7, tier="standard"),
    line(40_000, shrunk(9, 24, 0.9), 0.9, tier="standard"),
    line(25_000, 1.0, 1.0),
    line(15_000, 0.0, 0.0),
]


def test_worked_example() -> None:
    assert [round(one.p, 4) for one in GOLDEN] == [0.8636, 0.6875, 0.6136, 1, 0]
    found = totals.total(GOLDEN, AS_IT_IS)
    assert (found.n, found.target, found.expected) == (5, Decimal(260_000), Decimal("194431.82"))
    assert found.share == pytest.approx(0.7478, abs=5e-5)
    assert found.by_category == Decimal(211_000)
    assert (found.p10, found.p50, found.p90) == (Decimal(125_000), Decimal(205_000), Decimal(245_000))
    sums = distribution.of([float(one.amount) for one in GOLDEN], [one.p for one in GOLDEN])
    assert sums.at_least(205_000) == pytest.approx(0.5938, abs=5e-5)
    assert sums.mean == pytest.approx(194_431.8182, abs=1e-4)


def test_interval_contains_the_expected_arr_of_a_single_open_renewal() -> None:
    settled = [line(92_118, 1, line_class="won"), line(54_312, 0, line_class="lost")]
    found = Quarter(date(2026, 10, 1), [*settled, line(14_820, 0.9117)], AS_IT_IS)
    assert (found.won, found.lost) == (92_118, 54_312)
    assert (found.total.p10, found.total.p90) == (Decimal(92_118), Decimal(106_938))
    assert found.total.p10 < found.total.expected < found.total.p90
    done = totals.total(settled, AS_IT_IS)
    assert done.p10 == done.expected == done.p90 == Decimal(92_118)


def test_groups_add_up_to_the_whole() -> None:
    found = totals.by_group(GOLDEN, "tier", AS_IT_IS)
    assert [one.group for one in found] == ["small", "standard"]
    # 128,636.3636 and 65,795.4545: both would be rounded down.
    assert [one.expected for one in found] == [Decimal("128636.36"), Decimal("65795.46")]
    assert sum(one.expected for one in found) == totals.total(GOLDEN, AS_IT_IS).expected


def test_call_is_judged_by_data_known_at_quarter_start() -> None:
    start = date(2026, 7, 1)

    def call(amount: int, day: date, csm: str = "Ada") -> Call:
        return Call(f"crm:{csm}", csm, start, Decimal(amount), "ada", day)

    def row(csm: str, part: str, actual: float | None) -> Frozen:
        return Frozen(
            "quarter", start, f"crm:{csm}", csm, "small", "commit", "open", 0.5, None, 0.5, 100.0, part, actual
        )

    given = [call(300, date(2026, 8, 1)), call(150, start), call(120, date(2026, 6, 1)), call(9, start, "Bob")]
    frozen = [row("Ada", "early", 100.0), row("Ada", "lost", 0.0), row("Bob", "early", 100.0), row("Bob", "open", None)]
    (found,) = calls.judge(given, frozen)
    assert (found.call.amount, found.forecast, found.actual) == (150, 100, 100)


def test_week_counts_reminders_and_names_holidays_of_its_accounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    people = "calendars: {Germany: {country: DE, zone: Europe/Berlin}}\n"
    (tmp_path / "config" / "people.yaml").write_text(people)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    christmas = {"decision_date": date(2026, 12, 24)}
    found = lists.calendar(
        [
            line(10, 0.5, renewal_id="a", region="Germany", **christmas),
            line(20, 0.5, renewal_id="b", region="Texas", **christmas),
            line(30, 0.5, renewal_id="c", decision_date=date(2026, 12, 7)),
            line(40, 0.5, renewal_id="d", decision_date=date(2026, 11, 1)),
        ],
        reminded={"b", "x"},
    )
    assert [(week.starts, week.n, week.n_reminded) for week in found] == [
        (None, 1, 0), (date(2026, 12, 7), 1, 0), (date(2026, 12, 21), 2, 1),
    ]  # fmt: skip
    assert found[0].holidays == found[1].holidays == ()
    assert found[2].holidays == (
        "25 Dec Christmas Day (DE)", "25 Dec Christmas Day (US)", "26 Dec Second Day of Christmas (DE)",
    )  # fmt: skip


def test_call_is_compared_with_own_renewals_even_if_two_csms_share_a_name() -> None:
    start = date(2026, 10, 1)
    quarter = Quarter(start, [line(100, 1.0, owner_key="crm:1"), line(900, 1.0, owner_key="crm:2")], AS_IT_IS)
    given = [Call(f"crm:{n}", "Ada", start, Decimal(100), "ada", start) for n in (1, 2, 3)]
    found = {one.call.owner_key: (one.total.expected, one.reason) for one in calls.against(quarter, given)}
    assert found == {"crm:1": (100, ""), "crm:2": (900, "below P10"), "crm:3": (0, "above P90")}


def test_contraction_is_separate_from_churn() -> None:
    found = totals.total([line(100, 0.5, renewed_share=0.9), line(50, 1.0)], AS_IT_IS)
    assert (found.expected, found.after_contraction) == (Decimal(100), Decimal(95))


@settings(max_examples=60, deadline=None)
@given(st.lists(OPEN, min_size=0, max_size=8), st.sampled_from([0, distribution.EXACT]))
def test_convolution_equals_brute_force(lines: list[tuple[int, float]], exact: int) -> None:
    """Also on the grid, where amounts are whole cells."""
    by_sum: dict[int, float] = {}
    for came in itertools.product([False, True], repeat=len(lines)):
        chance = float(np.prod([p if is_in else 1 - p for is_in, (_, p) in zip(came, lines, strict=True)]))
        amount = sum(each for is_in, (each, _) in zip(came, lines, strict=True) if is_in)
        by_sum[amount] = by_sum.get(amount, 0.0) + chance
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(distribution, "EXACT", exact)
        uncertain = sum(amount for amount, p in lines if 0 < p < 1)
        changed.setattr(distribution, "CELLS", uncertain * 4 or 1)
        changed.setattr(distribution, "CELLS_PER_AMOUNT", 0)
        found = distribution.of([amount for amount, _ in lines], [p for _, p in lines])
    got: dict[int, float] = {}
    for amount, chance in zip(found.sums, found.probabilities, strict=True):
        assert amount == pytest.approx(round(amount), abs=1e-6) or chance < 1e-12
        got[round(amount)] = got.get(round(amount), 0.0) + chance
    assert {key: value for key, value in got.items() if value > 1e-9} == pytest.approx(
        {key: value for key, value in by_sum.items() if value > 1e-9}, abs=1e-8
    )


@pytest.mark.parametrize("n", [13, 400, 3000])
def test_grid_preserves_mean_and_spread_of_many_amounts(n: int) -> None:
    chance = random.Random(n)
    amounts = [chance.lognormvariate(9, 1.5) for _ in range(n)]
    ps = [chance.uniform(0.4, 0.97) for _ in range(n)]
    found = distribution.of(amounts, ps)
    whole = sum(amounts)
    spread = sum(a * a * p * (1 - p) for a, p in zip(amounts, ps, strict=True)) ** 0.5
    assert found.sums[-1] == pytest.approx(whole)
    assert found.mean == pytest.approx(sum(a * p for a, p in zip(amounts, ps, strict=True)), abs=whole / 1000)
    second = float(((found.sums - found.mean) ** 2) @ found.probabilities) ** 0.5
    assert second == pytest.approx(spread, rel=0.02)


def test_intervals_cover_80_percent_when_losses_are_independent() -> None:
    """Forty quarters, five times: losses are drawn independently with the given probabilities, as the forecast assumes.

    It verifies the arithmetic, not that real losses are independent, which past quarters show.
    """
    chance = np.random.default_rng(2026)
    n_held = 0
    for _ in range(5 * 40):
        amounts = chance.lognormal(10, 0.8, 60)
        ps = chance.uniform(0.5, 0.97, 60)
        actual = float(amounts[chance.random(60) < ps].sum())
        found = distribution.of(amounts.tolist(), ps.tolist())
        n_held += found.quantile(0.1) <= actual <= found.quantile(0.9)
    assert 0.75 <= n_held / 200 <= 0.85


def test_past_quarters_widen_the_interval() -> None:
    past = [Past(80, 100, 120, actual) for actual in (90, 95, 100, 105, 140, 70)]
    # 0.5, 0.25, 0, 0.25, 2, 1.5: of seven including the coming one, 80% is the sixth.
    assert totals.interval_scale(past) == IntervalScale(2.0, 6, True)
    assert "widened by a factor of 2.00" in totals.interval_scale(past).label
    few = totals.interval_scale(past[:5])
    assert (few.factor, few.is_known) == (1.0, False)
    assert few.label.endswith(": 5 of the 6 past quarters needed to correct this are known")
    nine = [*past, *([Past(80, 100, 120, 100)] * 3)]
    # Ten including the coming one: the eighth of nine.
    assert totals.interval_scale(nine).factor == 1.5
    # Never narrower than under independence.
    assert totals.interval_scale([Past(80, 100, 120, 101)] * 6).factor == 1.0
    # A quarter forecast with certainty and missed has no factor.
    assert not totals.interval_scale([Past(100, 100, 100, 90)] * 6).is_known


def test_widened_interval_stays_within_possible_outcomes() -> None:
    found = totals.total(GOLDEN, IntervalScale(1.2, 8, True))
    assert (found.p10, found.p50, found.p90) == (Decimal(125_000), Decimal(205_000), Decimal(245_000))
    wide = totals.total([line(100, 0.5), line(10, 1.0), line(100, 0.5), line(1, 0.5)], IntervalScale(3.0, 8, True))
    assert (wide.p10, wide.p90) == (Decimal(10), Decimal(211))
    many = [line(10, 0.5) for _ in range(40)]
    plain, wider = totals.total(many, AS_IT_IS), totals.total(many, IntervalScale(1.5, 8, True))
    assert wider.p90 - wider.p50 == (plain.p90 - plain.p10) * Decimal("0.75")


def test_quarter_without_renewals_shifts_no_interval() -> None:
    frozen = [
        Frozen(
            "quarter_2_ahead",
            quarters.plus(date(2024, 1, 1), n),
            "",
            "",
            "",
            "",
            "open",
            0.5,
            None,
            0.5,
            100,
            "flat",
            100,
        )
        for n in range(6)
    ]
    lines = [line(100, 0.5), line(100, 0.5, quarter_start=date(2027, 4, 1)), line(1, 1, quarter_start=date(2026, 7, 1))]
    found = by_quarter.ahead(lines, frozen)
    assert [(one.label, one.total.n, one.scale.n) for one in found] == [("2026Q4", 1, 0), ("2027Q2", 1, 6)]
    assert by_quarter.ahead([], frozen) == []
    # A month has the interval of its quarter; a date that has passed, that of the current one.
    decided = [replace(lines[0], decision_date=day) for day in (date(2027, 4, 2), date(2027, 4, 3), date(2026, 9, 1))]
    found = [by_quarter.of_month(day, decided, frozen) for day in (date(2027, 4, 1), date(2026, 9, 1))]
    assert [(one.total.n, one.at_stake, one.lost, one.scale.n) for one in found] == [(2, 200, 0, 6), (1, 100, 0, 0)]
