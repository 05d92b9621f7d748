"""Any source record becomes a valid PostgreSQL row, and every lost value is counted."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from include.connectors.base import Record
from include.entities.catalog import ENTITIES
from include.ingest import row_values

LINE = ENTITIES["contract_line"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make(entity=LINE, id: str = "1", payload: Any = None, source_at: datetime | None = NOW, **given: Any) -> dict:
    row = row_values.to_row(entity, Record(id, given, payload or {}, source_at))
    return dict(zip(row_values.columns(entity), row.values, strict=True)) | {"cleaned": row.is_cleaned}


def test_good_values_pass_unchanged() -> None:
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


def test_literal_escape_sequence_is_not_a_nul() -> None:
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
def test_value_that_does_not_fit_becomes_null_and_a_problem(column: str, value: Any) -> None:
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


def test_too_deep_payload_is_replaced_and_counted() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    made = make(payload={"deep": deep})
    assert "_unreadable" in json.loads(made["payload"])
    assert made["cleaned"] is True
