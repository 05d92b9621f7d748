"""An accepted deviation becomes the new baseline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from include.contracts import catalogue
from include.contracts.validate import validate
from tests.contracts.bad_rows import BATCHES, STORED
from tests.contracts.landed import NOW, good, land
from tests.contracts.landed import store as put
from tests.contracts.test_validate import _execute


def _accept(batch_id: int) -> None:
    _execute(
        f"update meta.batch set state = 'merged', decided_by = 'ada', decision_reason = 'so it is'"
        f" where batch_id = {batch_id}"
    )


def test_day_accepted_as_low_is_held_again_only_if_high(warehouse: str) -> None:
    low = BATCHES["day_complete"]("usage_day")
    (verdict,) = validate("product_db")
    assert verdict.state == "held" and "day_complete" in verdict.hold_reason
    rows = good("usage_day", STORED // 2 - 1, first=50_000)
    again = [row | {"day": date(2026, 11, 18)} for row in rows]
    assert low and [land("usage_day", again), [each.state for each in validate("product_db")]][1] == ["held"]
    for batch_id in (low, low + 1):
        _accept(batch_id)
    land("usage_day", again)
    assert [each.state for each in validate("product_db")] == ["passed"]
    twice = [row | {"day": date(2026, 11, 18)} for row in good("usage_day", 2 * STORED, first=50_000)]
    land("usage_day", twice)
    assert [each.hold_reason.count("day_complete") for each in validate("product_db")] == [1]


def test_column_accepted_as_empty_is_not_held_again_until_filled(warehouse: str) -> None:
    def verdict(first: int, region: str | None) -> tuple[int, str]:
        rows = [row | {"region": region} for row in good("account", 60, first=first)]
        batch_id = land("account", rows)
        (found,) = validate("crm")
        put("account", [row | {"_batch_id": batch_id} for row in rows])
        return batch_id, found.hold_reason

    put("account", good("account", 1000))
    put("owner", good("owner"))
    batch_id, reason = verdict(2001, None)
    assert "columns_filled" in reason
    _accept(batch_id)
    assert verdict(3001, None)[1] == ""
    # Once half the rows have a value again, the column counts as filled.
    assert verdict(4001, "DK")[1] == ""
    assert "columns_filled" in verdict(5001, None)[1]


def test_accepted_values_are_known_without_a_sample(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.contracts.history._SAMPLE", 50)
    put("account", good("account", 1000))
    put("owner", good("owner"))
    held = land("account", [row | {"industry": "freight"} for row in good("account", 60, first=2001)])
    assert "values_familiar" in validate("crm")[0].hold_reason
    _accept(held)
    put("account", [row | {"industry": "freight"} for row in good("account", 60, first=2001)])
    land("account", [row | {"industry": "freight"} for row in good("account", 60, first=3001)])
    assert validate("crm")[0].hold_reason == ""


def test_changes_during_a_paused_read_are_not_future_dated(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put("owner", good("owner"))
    monkeypatch.setenv("PERENNIAL_NOW", (NOW + timedelta(hours=25)).isoformat())
    rows = [row | {"_source_at": NOW + timedelta(hours=20)} for row in good("account", 60)]
    land("account", rows, closed_at=NOW + timedelta(hours=24))
    assert validate("crm")[0].hold_reason == ""


_WEEK = (440, 430, 420, 430, 400, 240, 230)


_FIRST = date(2026, 9, 7)


_SHIFT = 28


def _daily(monkeypatch: pytest.MonkeyPatch, n_days: int, times: Callable[[int], float]) -> list[int]:
    """Read a batch per day, accept held ones, and return the days on which batches were held."""
    monkeypatch.setattr("include.contracts.history._complete_day", lambda landed, in_force: landed["newest_day"])
    # Dozens of days are validated with the rule under test only. All rules would take minutes.
    wanted = tuple(rule for rule in catalogue.of_entity("usage_day") if rule.id.endswith(".day_complete"))
    monkeypatch.setattr(catalogue, "of_entity", lambda name: wanted)
    asked = []
    for number in range(n_days):
        day = _FIRST + timedelta(days=number)
        now = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=12)
        monkeypatch.setenv("PERENNIAL_NOW", now.isoformat())
        n = round(times(number) * (_WEEK[day.weekday()] + number % 5 * 7))
        rows = [
            row | {"day": day, "updated_at": now, "_source_at": now}
            for row in good("usage_day", n, first=10_000 * number + 1)
        ]
        if number < _SHIFT:
            put("usage_day", rows)
            continue
        # It is merged in any case; an accepted one only after the next one is checked.
        batch_id = land("usage_day", rows, until=now)
        (verdict,) = validate("product_db")
        if verdict.state == "held":
            assert "day_complete" in verdict.hold_reason
            asked.append(number)
            _accept(batch_id)
        put("usage_day", [row | {"_batch_id": batch_id} for row in rows])
    return asked


@pytest.mark.parametrize("times", [0.4, 2.3])
def test_accepted_level_is_not_held_again(warehouse: str, monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    put("product_account", good("product_account"))
    assert _daily(monkeypatch, _SHIFT + 35, lambda number: times if number >= _SHIFT + 2 else 1) == [_SHIFT + 2]


def test_further_level_change_is_held(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put("product_account", good("product_account"))
    course = {_SHIFT + 2: 2.3, _SHIFT + 6: 5.5, _SHIFT + 14: 2.5}
    levels = sorted(course.items(), reverse=True)
    asked = _daily(monkeypatch, _SHIFT + 35, lambda number: next((t for since, t in levels if number >= since), 1.0))
    assert asked == list(course)


def test_exceptional_day_is_not_a_new_level(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put("product_account", good("product_account"))
    low = {_SHIFT + 2: 0.3, _SHIFT + 9: 0.35, _SHIFT + 11: 0.3}
    assert _daily(monkeypatch, _SHIFT + 16, lambda number: low.get(number, 1.0)) == list(low)
