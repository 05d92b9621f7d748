"""Whatever a source delivers becomes a row that PostgreSQL takes; nothing is lost without being counted."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.connectors.base import Record
from include.entities.catalog import ENTITIES
from include.ingest import row_values

LINE = ENTITIES["contract_line"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make(entity=LINE, id: str = "1", payload: Any = None, source_at: datetime | None = NOW, **given: Any) -> dict:
    row = row_values.to_row(entity, Record(id, given, payload or {}, source_at))
    return dict(zip(row_values.columns(entity), row.values, strict=True)) | {"cleaned": row.is_cleaned}


def test_good_values_go_through_unchanged() -> None:
    good = {"amount": Decimal("12.50"), "term_start": date(2026, 1, 31), "is_recurring": True, "product": "Seats"}
    made = make(**good)
    assert {key: made[key] for key in good} == good
    assert made["_problems"] is None
    assert made["cleaned"] is False


def test_case_49_nul_and_lone_surrogates_are_removed_counted_and_kept_escaped() -> None:
    made = make(product="a\x00b\ud800c", payload={"name": "x\x00y", "deep": [{"k\x00": "\udfff"}]})
    assert made["product"] == "abc"
    assert made["cleaned"] is True
    payload = json.loads(made["payload"])
    assert payload["name"] == "xy" and payload["deep"] == [{"k": ""}]
    assert json.loads(f'"{payload["_removed"]["product"]}"') == "a\x00b\ud800c"


def test_a_written_out_escape_is_no_nul() -> None:
    made = make(product="\\u0000", payload={"name": "\\u0000"})
    assert made["cleaned"] is False
    assert json.loads(made["payload"]) == {"name": "\\u0000"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", Decimal("NaN")),
        ("amount", Decimal("Infinity")),
        ("amount", Decimal("1e200000")),
        ("amount", float("nan")),
        ("amount", "12"),
        ("amount", True),
        ("term_start", NOW),
        ("term_start", "2026-01-01"),
        ("is_recurring", "true"),
        ("is_recurring", 1),
        ("created_at", datetime(2026, 1, 1)),
        ("created_at", datetime(9999, 12, 31, tzinfo=UTC)),
        ("opportunity_id", 1.5),
    ],
)
def test_a_value_that_does_not_fit_becomes_null_and_a_problem(column: str, value: Any) -> None:
    made = make(**{column: value})
    assert made[column] is None
    assert made["_problems"] == [f"{column}={value}"[: len(column) + 201]]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.0])
def test_integers_beyond_64_bits_are_problems(value: Any) -> None:
    made = make(ENTITIES["usage_day"], n_events=value)
    assert made["n_events"] is None and made["_problems"]


def test_case_35_integer_ids_become_text_with_every_digit() -> None:
    made = make(ENTITIES["ticket"], organization_id=9007199254740993)
    assert made["organization_id"] == "9007199254740993"


@pytest.mark.parametrize(
    "payload", [{"n": 2**70}, {"n": float("inf")}, {1: "x"}, {"d": NOW}, {"a": Decimal("1.5")}], ids=str
)
def test_any_payload_becomes_json(payload: dict) -> None:
    json.loads(make(payload=payload)["payload"])


def test_a_payload_that_is_too_deep_is_replaced_and_counted() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    made = make(payload={"deep": deep})
    assert "_unreadable" in json.loads(made["payload"])
    assert made["cleaned"] is True


SIMPLE = {
    "text": st.text(max_size=3),
    "bigint": st.integers(),
    "numeric": st.decimals(),
    "date": st.dates(),
    "timestamptz": st.datetimes(timezones=st.sampled_from([UTC])),
    "boolean": st.booleans(),
    "double precision": st.floats(),
}
ANYTHING = st.one_of(st.none(), *SIMPLE.values(), st.sampled_from(["\x00", "\ud800", "é\x00", "x" * 600]))


@given(st.data())
def test_the_short_way_and_the_careful_one_make_the_same_row(data: st.DataObject) -> None:
    entity = ENTITIES[data.draw(st.sampled_from(["ticket", "contract_line", "usage_day"]))]
    fitting = {column.name: st.one_of(st.none(), SIMPLE[column.type]) for column in entity.columns}
    given = data.draw(st.fixed_dictionaries({}, optional=fitting))
    given |= data.draw(st.dictionaries(st.sampled_from(entity.column_names), ANYTHING, max_size=1))
    payload = data.draw(st.dictionaries(st.sampled_from(["a", "_cleaned"]), ANYTHING, max_size=1))
    source_at = data.draw(st.one_of(st.just(NOW), ANYTHING))
    record = Record(data.draw(st.sampled_from(["1", "1", "", "\x00", 7])), given, payload, source_at)
    short, careful = row_values._ordinary(entity.name)(record), row_values._with_care(entity, record)
    if short is not None:
        assert list(short) == list(careful.values) and not careful.is_cleaned
