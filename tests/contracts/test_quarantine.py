"""The stored part of a bad row, and the report about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from include.contracts import store
from include.contracts.catalogue import rules
from include.contracts.validate import validate
from include.entities.catalog import ENTITIES
from include.ingest import quarantine
from tests.contracts.landed import LATELY, NOW, fetch, good, land

HOSTILE = "open'); drop table meta.batch; --\n{batch} %(id)s %s :id \\x $1 \u202edlrow\u2028\x07 <b>" + "x" * 500


def _records(batch_id: int) -> list[dict]:
    return fetch("select * from quarantine.record where batch_id = :id order by row_no, rule_id", id=batch_id)


def test_bad_row_is_stored_with_rule_reason_and_account(warehouse: str) -> None:
    rows = good("contract_line", 3)
    rows[1] |= {"amount": None, "account_id": "4711", "payload": {"hs_object_id": "2"}}
    batch_id = land("contract_line", rows)
    validate("crm")
    (record,) = _records(batch_id)
    assert (record["row_no"], record["record_id"], record["account_ref"]) == (2, "2", "4711")
    assert (record["source"], record["entity"], record["state"]) == ("crm", "contract_line", "open")
    assert record["rule_id"] == "crm.contract_line.amount_present"
    assert record["reason"] == "a recurring line has no amount (amount: empty, is_recurring: true)"
    assert record["source_at"] == LATELY and record["quarantined_at"] == NOW
    kept = record["record"]
    assert kept["_row"] == 2 and kept["amount"] is None and kept["payload"] == {"hs_object_id": "2"}
    assert set(ENTITIES["contract_line"].column_names) < set(kept) and "_failed" not in kept


@pytest.mark.parametrize(
    ("entity", "account_ref"), [("account", "7"), ("organization", "7"), ("owner", None), ("ticket", "1")]
)
def test_account_is_the_one_named_by_the_entity(warehouse: str, entity: str, account_ref: str | None) -> None:
    batch_id = land(entity, [good(entity, first=7)[0] | {"_problems": ["x=y"]}])
    validate({"crm": "crm", "support": "support"}[ENTITIES[entity].kind])
    assert [record["account_ref"] for record in _records(batch_id)] == [account_ref]


def test_row_that_breaks_two_rules_counts_once(warehouse: str) -> None:
    batch_id = land("usage_day", [good("usage_day")[0] | {"n_events": -1, "feature": None}])
    (verdict,) = validate("product_db")
    assert verdict.n_quarantined == 1 and len(_records(batch_id)) == 2
    assert fetch(f"select _failed from raw.batch_{batch_id}") == [
        {"_failed": ["product.usage_day.feature_present", "product.usage_day.n_events_non_negative"]}
    ]


def test_deleted_rows_need_only_an_id(warehouse: str) -> None:
    rows = [
        {"id": "1", "_is_deleted": True, "amount": -1, "_problems": ["amount=x"], "_source_at": NOW + timedelta(9)},
        {"id": "", "_is_deleted": True},
        {"id": "2", "_is_deleted": True, "term_start": "2026-01-01", "term_end": "2025-01-01", "is_recurring": True},
    ]
    batch_id = land("contract_line", rows, is_first_load=True)
    validate("crm")
    assert [(r["row_no"], r["rule_id"]) for r in _records(batch_id)] == [(2, "crm.contract_line.id_present")]


def test_hostile_text_is_data_and_stays_on_one_line(warehouse: str) -> None:
    rows = good("ticket", 2)
    rows[0] |= {"status": HOSTILE, "subject": HOSTILE, "priority": HOSTILE}
    rows[1] |= {"_problems": [f"n_replies={HOSTILE}", HOSTILE, ""], "id": HOSTILE}
    batch_id = land("ticket", rows)
    validate("support")
    status, castable = sorted(_records(batch_id), key=lambda record: record["row_no"])
    for reason in (status["reason"], castable["reason"]):
        assert "open'); drop table meta.batch; -- {batch} %(id)s %s :id \\x $1  dlrow  <b>x" in reason
        assert reason.isprintable() and len(reason) < 400
    assert castable["record_id"] == HOSTILE and status["record"]["status"] == HOSTILE


def test_reasons_contain_no_personal_data(warehouse: str) -> None:
    rows = good("contact")
    rows[0] |= {"_problems": ["email=anna@example.com", "last_contacted_at=the 31st of June"]}
    batch_id = land("contact", rows)
    (verdict,) = validate("crm")
    (record,) = _records(batch_id)
    assert record["reason"] == (
        "a value cannot be cast to its column's type (email: (not shown), last_contacted_at: the 31st of June)"
    )
    assert "anna" not in repr(verdict) and "anna" not in repr(fetch("select * from meta.rule_result"))


def test_personal_columns_are_never_shown() -> None:
    sensitive = [(entity, name) for entity in ENTITIES.values() for name in entity.sensitive]
    assert len(sensitive) > 8
    for entity, name in sensitive:
        assert name not in store._shown(entity, (name,)) and name not in store._shown(entity, (name, "updated_at"))


def test_row_values_are_stored_only_up_to_a_limit(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "ROWS_KEPT", 3)
    batch_id = land("usage_day", [row | {"n_events": -1, "minutes": -1} for row in good("usage_day", 5)])
    (verdict,) = validate("product_db")
    assert verdict.n_quarantined == 5
    kept = [(r["row_no"], r["rule_id"].split(".")[2], r["record"] is not None) for r in _records(batch_id)]
    # The minutes rule comes first by id: rows 4 and 5 are stored for it alone.
    assert kept == [
        *((n, rule, True) for n in (1, 2, 3) for rule in ("minutes_non_negative", "n_events_non_negative")),
        (4, "minutes_non_negative", False),
        (5, "minutes_non_negative", False),
    ]
    assert fetch(f"select count(*) as n from raw.batch_{batch_id} where _failed is null") == [{"n": 0}]


def test_total_stored_rows_are_limited_but_every_position_is_kept(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAX_KEPT", 4)
    bad = [row | {"n_events": -1} for row in good("usage_day", 6)]
    first = land("usage_day", bad[:3])
    validate("product_db")
    second = land("usage_day", bad[3:])
    (verdict,) = validate("product_db")
    kept = [[record["record"] is not None for record in _records(batch_id)] for batch_id in (first, second)]
    assert kept == [[True, True, True], [True, False, False]] and verdict.n_quarantined == 3
    (listed,) = quarantine.listing(quarantine.RowFilter())
    assert (listed["n_rows"], listed["n_without_row"]) == (6, 2)


def test_still_invalid_record_is_listed_once_since_its_first_failure(
    warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("owner", [row | {"_problems": ["is_active=perhaps"]} for row in good("owner", 2)])
    validate("crm")
    monkeypatch.setenv("PERENNIAL_NOW", (NOW + timedelta(hours=1)).isoformat())
    second = land("owner", [good("owner")[0] | {"_problems": ["is_active=maybe"]}, *good("owner", first=2)])
    validate("crm")
    found = fetch("select * from quarantine.record order by record_id")
    assert [(r["record_id"], r["batch_id"] == second) for r in found] == [("1", True), ("2", False)]
    assert "maybe" in found[0]["reason"] and {r["quarantined_at"] for r in found} == {NOW}


def test_reasons_are_in_plain_words() -> None:
    critical = [rule for rule in rules() if rule.severity == "critical" and rule.scope == "row"]
    assert len(critical) > 50
    for rule in critical:
        assert " " in rule.says and "_" not in rule.says, rule.id
