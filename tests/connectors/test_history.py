"""Earlier states of a record, assembled from the vendor's history of single fields."""

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


def test_simultaneous_changes_are_one_state() -> None:
    assert told({"tier": [(day(5), "key")], "owner_id": [(day(5), "2")]}) == [(5, "key", "2")]


def test_columns_without_history_keep_the_current_value() -> None:
    (state,) = states(NOW, {"tier": [(day(0), "small")]}, BORN)
    assert (state.values["name"], state.values["owner_id"], state.payload) == ("Acme", "2", {})


def test_setting_the_same_value_is_not_a_change() -> None:
    assert told({"tier": [(day(0), "key"), (day(9), "key")], "owner_id": [(day(0), "2")]}) == [(0, "key", "2")]


def test_values_before_creation_apply_from_creation() -> None:
    assert told({"tier": [(day(-50), "small"), (day(3), "key")]}) == [(0, "small", "2"), (3, "key", "2")]


def test_no_history_gives_no_states() -> None:
    assert told({"tier": []}) == []
