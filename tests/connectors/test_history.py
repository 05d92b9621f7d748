"""What a record was, put together from what its vendor remembers of single fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from include.connectors.base import Record
from include.connectors.history import states

BORN = datetime(2025, 1, 1, tzinfo=UTC)
NOW = Record("7", {"tier": "key", "owner_id": "2", "name": "Acme"}, {"x": "y"}, BORN + timedelta(days=90))


def day(number: int) -> datetime:
    return BORN + timedelta(days=number)


def told(timelines: dict, born: datetime | None = BORN) -> list[tuple]:
    return [
        ((state.source_at - BORN).days, state.values["tier"], state.values["owner_id"])
        for state in states(NOW, timelines, born)
    ]


def test_each_change_of_any_column_is_a_state() -> None:
    timelines = {
        "tier": [(day(0), "small"), (day(40), "key")],
        "owner_id": [(day(60), "2"), (day(10), "1")],  # in any order
    }
    assert told(timelines) == [(0, "small", None), (10, "small", "1"), (40, "key", "1"), (60, "key", "2")]


def test_changes_of_one_moment_are_one_state() -> None:
    assert told({"tier": [(day(5), "key")], "owner_id": [(day(5), "2")]}) == [(5, "key", "2")]


def test_what_is_not_remembered_is_as_it_is_now() -> None:
    (state,) = states(NOW, {"tier": [(day(0), "small")]}, BORN)
    assert (state.values["name"], state.values["owner_id"], state.payload) == ("Acme", "2", {})


def test_a_value_that_was_set_again_is_no_change() -> None:
    assert told({"tier": [(day(0), "key"), (day(9), "key")], "owner_id": [(day(0), "2")]}) == [(0, "key", "2")]


def test_what_is_said_of_a_time_before_its_birth_holds_from_its_birth() -> None:
    assert told({"tier": [(day(-50), "small"), (day(3), "key")]}) == [(0, "small", "2"), (3, "key", "2")]


def test_nothing_remembered_is_nothing_told() -> None:
    assert told({"tier": []}) == []
