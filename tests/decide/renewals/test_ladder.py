"""The reminder ladder: examples, and properties for any term and day."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.common.errors import ConfigError
from include.config import load
from include.config.renewals import Ladder
from include.decide.renewals.ladder import decision_date, due_on, passed_over, rungs

LADDER = load().renewals.ladder()
DECISION = date(2026, 12, 31)

terms = st.integers(1, 2000)
decisions = st.dates(date(2024, 1, 1), date(2030, 1, 1))
ladders = st.builds(
    Ladder,
    st.builds(
        lambda early, last: tuple(sorted({*early, last}, reverse=True)),
        st.lists(st.integers(1, 400), max_size=7),
        st.integers(1, 45),
    ),
    st.integers(1, 60),
    st.just(90),
)


def days_before(term_days: int) -> list[int]:
    return [rung.days for rung in rungs(DECISION, term_days, LADDER)]


@pytest.mark.parametrize(
    ("term_days", "expected"),
    [
        (365, [180, 120, 90, 60, 30, 14, 7]),
        (1096, [180, 120, 90, 60, 30, 14, 7]),
        (360, [180, 120, 90, 60, 30, 14, 7]),
        (359, [120, 90, 60, 30, 14, 7]),
        (181, [90, 60, 30, 14, 7]),
        (179, [60, 30, 14, 7]),
        (90, [30, 14, 7]),
        (89, [7]),
        (30, [7]),
        (5, [7]),
    ],
)
def test_rungs_longer_than_half_the_term_are_skipped(term_days: int, expected: list[int]) -> None:
    assert days_before(term_days) == expected


def test_decision_date_is_the_notice_deadline_if_there_is_one() -> None:
    assert decision_date(date(2026, 12, 31), date(2026, 9, 30)) == date(2026, 9, 30)
    assert decision_date(date(2026, 12, 31), None) == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("days_left", "expected"),
    [
        (181, None),
        (180, 180),
        (174, 180),
        (173, None),
        (120, 120),
        (30, 30),
        (24, 30),
        (23, None),
        (14, 14),
        (8, 14),
        (7, 7),
        (0, 7),
        (-1, None),
    ],
)
def test_due_rung_by_days_left(days_left: int, expected: int | None) -> None:
    due = due_on(DECISION - timedelta(days=days_left), DECISION, 365, LADDER)
    assert (due.days if due else None) == expected


def test_only_the_most_urgent_rung_is_sent_after_a_gap() -> None:
    last_run, today = DECISION - timedelta(days=100), DECISION - timedelta(days=26)
    assert due_on(today, DECISION, 365, LADDER).days == 30
    assert [rung.days for rung in passed_over(last_run, today, DECISION, 365, LADDER)] == [90, 60]


def test_missed_rung_is_recorded_when_none_is_due() -> None:
    last_run, today = DECISION - timedelta(days=125), DECISION - timedelta(days=95)
    assert due_on(today, DECISION, 365, LADDER) is None
    assert [rung.days for rung in passed_over(last_run, today, DECISION, 365, LADDER)] == [120]


@pytest.mark.parametrize("wrong", [(), (7, 14), (14, 14), (14, 0), (90, 60)])
def test_unordered_ladder_is_rejected(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="ladder"):
        Ladder(wrong, 7, 90)


@given(decisions, terms, ladders)
def test_rung_intervals_do_not_overlap_and_end_at_the_decision(decision: date, term: int, ladder: Ladder) -> None:
    found = rungs(decision, term, ladder)
    for rung, following in itertools.pairwise(found):
        assert rung.on < rung.until <= following.on
    assert found[-1].until == decision + timedelta(days=1)


@given(decisions, terms, ladders)
def test_no_rung_reaches_back_more_than_half_a_long_term(decision: date, term: int, ladder: Ladder) -> None:
    found = rungs(decision, term, ladder)
    if term < 90:
        assert [rung.days for rung in found] == [ladder.rungs[-1]]
    else:
        assert all(2 * rung.days <= term for rung in found)
        assert {rung.days for rung in found} == {days for days in ladder.rungs if 2 * days <= term}


@given(decisions, terms, ladders, st.integers(-500, 60))
def test_due_rung_is_the_nearest_one_reached(decision: date, term: int, ladder: Ladder, offset: int) -> None:
    day = decision + timedelta(days=offset)
    due = due_on(day, decision, term, ladder)
    if due is None:
        return
    assert due.on <= day < due.until
    assert all(rung.on > day for rung in rungs(decision, term, ladder) if rung.days < due.days)


@given(decisions, terms, ladders, st.lists(st.integers(-450, 30), min_size=1, max_size=12, unique=True))
def test_every_rung_is_sent_or_recorded_once_for_any_run_days(
    decision: date, term: int, ladder: Ladder, offsets: list[int]
) -> None:
    """On arbitrary run days, each rung reached after the first run is sent once or recorded as skipped."""
    days = [decision + timedelta(days=offset) for offset in sorted(offsets)]
    sent, recorded, after = set(), [], days[0] - timedelta(days=1)
    for day in days:
        recorded += [rung.days for rung in passed_over(after, day, decision, term, ladder)]
        due = due_on(day, decision, term, ladder)
        if due and due.on > days[0] - timedelta(days=1):
            sent.add(due.days)
        after = day
    reached = {rung.days for rung in rungs(decision, term, ladder) if days[0] <= rung.on <= days[-1]}
    assert len(recorded) == len(set(recorded))
    assert sent | set(recorded) == reached
    assert not sent & set(recorded)


def test_invalid_ladder_in_the_settings_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "renewals.yaml").write_text("ladder_days: [30, 60]\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=r"renewals\.yaml:1: .*in descending order"):
        load()
