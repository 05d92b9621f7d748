"""How the benchmark judges signals. A mistake here would flatter every signal."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from benchmarks.alerts_truth import alerts_by_person_and_day, judge
from include.simulation.signals import Past, Replay

FIRST, LAST = date(2026, 1, 1), date(2026, 6, 30)
LEAVER: dict[str, Any] = {
    "cause": "support_pain",
    "decided": date(2026, 5, 1),
    "symptoms": [("support_pain", date(2026, 2, 1), date(2026, 6, 1))],
    "troubles": [],
}
STAYER: dict[str, Any] = {
    "cause": None,
    "decided": None,
    "symptoms": [("low_adoption", date(2026, 2, 1), date(2026, 3, 1))],
    "troubles": [
        ("unpaid", date(2026, 1, 10), date(2026, 2, 10), ""),
        ("person_gone", date(2026, 4, 1), date.max, "77"),
    ],
}


def past(signal: str, opened_on: date, account: str = "1", subject: str = "", **more: Any) -> Past:
    return Past(signal, "risk", f"crm:{subject or account}", f"crm:{account}", "o", 1.0, opened_on, False, **more)


def judged(*episodes: Past, **truth: dict[str, Any]) -> Any:
    facts = {number.removeprefix("c"): each for number, each in truth.items()}
    return judge(Replay(FIRST, LAST, list(episodes)), facts)


@pytest.mark.parametrize(
    ("signal", "opened_on", "named"),
    [
        ("bad_rating", date(2026, 3, 1), 1),
        ("bad_rating", date(2026, 4, 2), 0),  # 29 days before the decision date date
        ("usage_down", date(2026, 3, 1), 0),  # another cause
    ],
)
def test_churned_account_is_flagged_by_the_right_signal_in_time(signal: str, opened_on: date, named: int) -> None:
    result = judged(past(signal, opened_on), c1=LEAVER)
    assert (result.n_leavers, result.n_named) == (1, named)


def test_churn_without_a_visible_cause_is_not_expected() -> None:
    hidden = {**LEAVER, "symptoms": []}
    assert judged(c1=hidden, c2={**LEAVER, "cause": "silent"}).n_leavers == 0


@pytest.mark.parametrize(
    ("episode", "cause", "real"),
    [
        (past("detractor", date(2026, 3, 20), "2"), 1, 1),  # of a customer who stayed, in the weeks after
        (past("detractor", date(2026, 4, 2), "2"), 0, 0),
        (past("detractor", date(2026, 1, 20), "2"), 0, 0),  # an unpaid invoice is not why a score is low
        (past("invoice_overdue", date(2026, 1, 20), "2"), 0, 1),
        (past("invoice_overdue", date(2026, 2, 10), "2"), 1, 1),
        (past("key_user_silent", date(2026, 5, 1), "2", "77"), 0, 1),
        (past("key_user_silent", date(2026, 5, 1), "2", "78"), 0, 0),  # somebody else has gone
        (past("usage_down", date(2026, 3, 1), "3"), 0, 0),  # not a customer of the world
    ],
)
def test_risk_is_real_only_by_the_events_of_the_world(episode: Past, cause: int, real: int) -> None:
    counts = judged(episode, c2=STAYER).risks[episode.signal]
    assert (counts["all"], counts["cause"], counts["real"]) == (1, cause, real)


def test_weekend_alerts_come_on_monday_and_idle_days_count() -> None:
    friday, saturday, monday = date(2026, 1, 2), date(2026, 1, 3), date(2026, 1, 5)
    episodes = [past("usage_down", saturday), past("detractor", monday), past("no_touch", monday, worse_on=LAST)]
    replay = Replay(date(2026, 1, 1), date(2026, 1, 6), episodes, Counter({"o": 60, "p": 55}))
    assert friday.weekday() == 4
    assert alerts_by_person_and_day(replay) == [0, 3, 0, 0, 0, 0]
