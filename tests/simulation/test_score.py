"""Precision, recall and lead of touches, and the page that shows them."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from include.reports import page
from include.scores.precision import Renewal
from include.simulation.playbooks import Touch, plain_rule, score

DAY = date(2026, 6, 1)
SETTLED = [
    Renewal("a", DAY, "lost", 100),
    Renewal("b", DAY, "on_time", 100),
    Renewal("c", DAY, "lost", 100),
    Renewal("d", DAY, "auto", 100),
]


def touch(account: str, days: int, owner: str = "Ada") -> Touch:
    return Touch(DAY - timedelta(days=days), account, account, owner, "x", 100)


def test_touch_before_the_decision_counts_once() -> None:
    found = score("x", [touch("a", 120), touch("a", 40), touch("b", 10), touch("c", 0), touch("d", 300)], SETTLED)
    assert (found.n_touched, found.n_lost, found.n_decisions, found.n_all_lost) == (2, 1, 4, 2)
    assert (found.precision, found.recall, found.lead) == (0.5, 0.5, 120)
    assert found.busiest_week == 1


def test_baseline_rule_touches_everyone_at_90_days() -> None:
    touches = plain_rule(SETTLED, {"a": "Ada", "b": "Ada"}, DAY - timedelta(days=90))
    found = score("plain", touches, SETTLED)
    assert (found.precision, found.recall, found.lead) == (0.5, 1.0, 90)
    assert found.busiest_week == 2
    assert plain_rule(SETTLED, {}, DAY - timedelta(days=89)) == []


def test_no_touches_give_no_precision() -> None:
    found = score("x", [], [])
    assert (found.precision, found.recall, found.lead) == (None, None, None)


def test_page_escapes_names_and_draws_a_bar_per_week_with_data() -> None:
    weeks = {
        "risks": Counter({date(2026, 6, 1): 3, date(2026, 6, 15): 1}),
        "opportunities": Counter({date(2026, 6, 8): 2}),
    }
    chart = page.weeks("opened", weeks, date(2026, 6, 1), date(2026, 6, 30))
    hostile = "<script>alert(1)</script>"
    text = page.render(hostile, "", [page.Section("Who", ("account",), [(hostile,)]), page.Section("X", chart=chart)])
    assert "<script>" not in text
    assert text.count("<title>week of") == 3
    assert "http" not in text.replace("http://www.w3.org", "")
