"""Due dates over weekends, public holidays and make-up working days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.common import texts
from include.common.errors import ConfigError
from include.common.working_days import calendar, due_date, next_working_time, public_holidays, worked

GERMANY, CHINA, USA = calendar("DE"), calendar("CN"), calendar("US")
SHANGHAI = ZoneInfo("Asia/Shanghai")


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


def test_china_works_on_the_six_weekend_days_of_2026_that_the_state_council_named() -> None:
    """The notice of 4 November 2025: https://politics.gmw.cn/2025-11/04/content_38391083.htm"""
    days = (date(2026, 1, 1) + timedelta(days=number) for number in range(365))
    worked_on = [day for day in days if day.weekday() >= 5 and CHINA.is_working_day(day)]
    named = [(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)]
    assert worked_on == [date(2026, month, day) for month, day in named]
    assert not any(CHINA.is_working_day(date(2026, 2, day)) for day in range(15, 24))
    assert not any(CHINA.is_working_day(date(2026, 10, day)) for day in range(1, 8))


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(10, datetime(2026, 2, 14, 10, tzinfo=SHANGHAI)), (20, datetime(2026, 2, 24, 9, tzinfo=SHANGHAI))],
)
def test_messages_go_out_on_a_make_up_saturday_and_not_in_the_festival_after_it(hour: int, expected: datetime) -> None:
    now = datetime(2026, 2, 14, hour, tzinfo=SHANGHAI)
    assert next_working_time(now, SHANGHAI, CHINA, time(9), time(18)) == expected


def test_a_make_up_saturday_counts_as_working_time() -> None:
    friday, sunday = datetime(2026, 2, 13, 17, tzinfo=SHANGHAI), datetime(2026, 2, 15, 12, tzinfo=SHANGHAI)
    assert worked(friday, sunday, SHANGHAI, CHINA, time(9), time(18)) == timedelta(hours=1 + 9)


def test_holidays_are_named_in_the_readers_language() -> None:
    with texts.reading("zh_CN"):
        assert public_holidays("CN", date(2026, 2, 17), date(2026, 2, 17)) == [(date(2026, 2, 17), "春节")]
        assert public_holidays("DE", date(2026, 5, 1), date(2026, 5, 1)) == [(date(2026, 5, 1), "Labor Day")]


def test_unknown_country_is_reported() -> None:
    with pytest.raises(ConfigError, match="'XX'"):
        calendar("XX")


@given(st.dates(date(2024, 1, 1), date(2028, 1, 1)), st.integers(0, 40))
def test_due_date_is_a_working_day_at_the_exact_count(start: date, working_days: int) -> None:
    due = due_date(start, working_days, USA)
    assert USA.is_working_day(due)
    between = sum(USA.is_working_day(start + timedelta(days=n)) for n in range(1, (due - start).days + 1))
    assert between == working_days or (working_days == 0 and not USA.is_working_day(start) and between == 1)
