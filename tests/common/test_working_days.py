"""Due dates over weekends, public holidays and make-up working days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.common.errors import ConfigError
from include.common.working_days import calendar, due_date

GERMANY, CHINA, USA = calendar("DE"), calendar("CN"), calendar("US")


@pytest.mark.parametrize(
    ("start", "working_days", "due"),
    [
        (date(2026, 11, 16), 0, date(2026, 11, 16)),
        (date(2026, 11, 16), 2, date(2026, 11, 18)),
        (date(2026, 11, 20), 1, date(2026, 11, 23)),  # Friday: the weekend is free
        (date(2026, 11, 21), 0, date(2026, 11, 23)),  # Saturday: the next worked day
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (date(2026, 12, 23), 2, date(2026, 12, 28)),  # 25 and 26 December are holidays, then Sunday
        (date(2026, 12, 31), 1, date(2027, 1, 4)),  # across New Year's Day, a Friday
    ],
)
def test_germany(start: date, working_days: int, due: date) -> None:
    assert due_date(start, working_days, GERMANY) == due


def test_make_up_working_day_counts() -> None:
    # In 2026 China works on Saturday 14 February to lengthen the Spring Festival.
    assert due_date(date(2026, 2, 13), 1, CHINA) == date(2026, 2, 14)
    assert due_date(date(2026, 2, 13), 1, GERMANY) == date(2026, 2, 16)


def test_unknown_country_is_reported() -> None:
    with pytest.raises(ConfigError, match="'XX'"):
        calendar("XX")


@given(st.dates(date(2024, 1, 1), date(2028, 1, 1)), st.integers(0, 40))
def test_due_date_is_a_working_day_at_the_exact_count(start: date, working_days: int) -> None:
    due = due_date(start, working_days, USA)
    assert USA.is_working_day(due)
    between = sum(USA.is_working_day(start + timedelta(days=n)) for n in range(1, (due - start).days + 1))
    assert between == working_days or (working_days == 0 and not USA.is_working_day(start) and between == 1)
