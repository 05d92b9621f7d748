"""The days of a period table that a change rebuilds."""

from __future__ import annotations

from datetime import date

import pytest

from include.models.increments import Piece, Range, _for_periods

AUGUST = date(2026, 8, 1)


@pytest.mark.parametrize(
    ("first", "after", "newest_after", "reaches"),
    [
        (date(2026, 5, 5), date(2026, 5, 6), AUGUST, date(2026, 7, 1)),
        (date(2026, 6, 28), date(2026, 6, 29), AUGUST, date(2026, 7, 1)),
        # The week of 29 June ends on 5 July, in the next quarter.
        (date(2026, 6, 29), date(2026, 6, 30), AUGUST, date(2026, 7, 6)),
        (date(2026, 6, 30), date(2026, 7, 1), AUGUST, date(2026, 7, 6)),
        (date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 3), date(2026, 7, 3)),
        (date(2025, 12, 31), date(2026, 1, 1), AUGUST, date(2026, 1, 5)),
        # A Sunday that ends a quarter also ends its week.
        (date(2023, 12, 31), date(2024, 1, 1), AUGUST, date(2024, 1, 1)),
    ],
)
def test_day_extends_to_the_last_end_of_its_periods(
    first: date, after: date, newest_after: date, reaches: date
) -> None:
    assert _for_periods([], [Range(first, after)], newest_after) == [Piece(first, reaches)]


def test_adjacent_ranges_are_merged_with_the_window() -> None:
    window, late = Range(date(2026, 7, 6), AUGUST), Range(date(2026, 6, 30), date(2026, 7, 1))
    assert _for_periods([window], [late], AUGUST) == [Piece(date(2026, 6, 30), AUGUST)]
