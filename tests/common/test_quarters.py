"""Quarters by their first day, their label and the day on which they end."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.common import quarters
from include.common.errors import ConfigError


@pytest.mark.parametrize(
    ("label", "first"), [("2026Q1", date(2026, 1, 1)), ("2026q3", date(2026, 7, 1)), (" 2026Q4", date(2026, 10, 1))]
)
def test_label_names_the_first_day(label: str, first: date) -> None:
    assert quarters.parse(label) == first
    assert quarters.label(first) == label.strip().upper()


@pytest.mark.parametrize("label", ["2026Q5", "2026Q0", "1999Q1", "2026-Q1", ""])
def test_other_text_is_not_a_quarter(label: str) -> None:
    with pytest.raises(ConfigError):
        quarters.parse(label)


def test_quarters_are_counted_across_years() -> None:
    assert quarters.plus(date(2026, 10, 1), 1) == date(2027, 1, 1)
    assert quarters.plus(date(2026, 1, 1), -1) == date(2025, 10, 1)
    assert quarters.between(date(2025, 10, 1), date(2026, 4, 1)) == 2


def test_each_day_is_in_one_quarter() -> None:
    for day in (date(2026, 1, 1) + n * timedelta(days=1) for n in range(800)):
        start = quarters.start(day)
        assert start <= day < quarters.plus(start, 1)
        assert quarters.plus(quarters.plus(start, -5), 5) == start
        assert quarters.between(start, quarters.plus(start, 7)) == 7


@pytest.mark.parametrize(
    ("day", "ended"),
    [
        (date(2026, 3, 31), date(2026, 3, 31)),
        (date(2026, 6, 29), date(2026, 3, 31)),
        (date(2026, 12, 31), date(2026, 12, 31)),
        (date(2026, 2, 1), date(2025, 12, 31)),
    ],
)
def test_last_ended_quarter_includes_its_last_day(day: date, ended: date) -> None:
    assert quarters.last_ended(day) == ended
