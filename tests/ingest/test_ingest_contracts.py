"""Ingest with the real contracts: landing, validation by Great Expectations, merge and verdict."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.common.connections import Connection
from include.connectors import registry
from include.connectors.base import Record
from include.gate import verdicts
from include.ingest import pipeline as ingest
from tests.fixtures.fake_source import START, FakeSource
from tests.fixtures.landing import rows, value

NOW = START + timedelta(days=30)


@pytest.fixture
def crm(raw: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> FakeSource:
    """A CRM with forty accounts, each with one sold contract line, validated by the real contracts."""
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    at(monkeypatch, 0)
    source = FakeSource(
        {
            "account": [made("account", i) for i in range(40)],
            "opportunity": [made("opportunity", i) for i in range(40)],
            "contract_line": [made("contract_line", i) for i in range(40)],
        },
        page_size=50,
    )
    monkeypatch.setattr(ingest.connections, "get", lambda id: Connection(id=id, vendor="hubspot"))
    monkeypatch.setattr(registry, "connect", lambda connection: source)
    return source


def at(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", (NOW + timedelta(hours=hours)).isoformat())


def made(entity: str, i: int, hours: int = -1, *, id: str = "", problems: dict | None = None, **other: Any) -> Record:
    """A good record, changed ``hours`` after NOW, with optional other values."""
    moment = NOW + timedelta(hours=hours)
    values: dict[str, Any] = {
        "account": {"name": f"Customer {i}", "tier": "standard", "owner_id": "1", "domain": f"c{i}.example"},
        "opportunity": {
            "account_id": str(i),
            "name": "New",
            "stage": "closedwon",
            "pipeline": "default",
            "is_closed": True,
            "is_won": True,
            "opportunity_type": "new",
            "contract_number": f"C-{i}",
            "amount": Decimal(1200),
            "currency": "USD",
            "close_date": date(2026, 1, 1),
            "owner_id": "1",
        },
        "contract_line": {
            "opportunity_id": str(i),
            "account_id": str(i),
            "product": "Seats",
            "quantity": Decimal(10),
            "amount": Decimal(1200),
            "currency": "USD",
            "is_recurring": True,
            "term_start": date(2026, 1, 1),
            "term_end": date(2027, 1, 1),
        },
    }[entity]
    values |= {"created_at": START, "updated_at": moment, **other}
    return Record(id or str(i), values, {"id": id or str(i)}, moment, problems=problems or {})


def test_good_data_passes_and_a_bad_row_is_quarantined_until_fixed(crm, monkeypatch) -> None:
    assert ingest.run("crm").state == "green"
    assert value("select count(*) from raw.hubspot__contract_line") == 40
    assert value("select count(*) from quarantine.record") == 0
    assert value("select count(*) from meta.rule_result where is_passed") > 30

    at(monkeypatch, 1)
    crm.records["contract_line"][7] = made("contract_line", 7, 0, amount=None, problems={"amount": "1,2OO"})
    # A term without an end is an error (E27), but an evergreen contract has none (E26).
    crm.records["contract_line"][11] = made("contract_line", 11, 0, amount=Decimal(9), term_end=None)
    crm.records["contract_line"][12] = made("contract_line", 12, 0, term_end=None, is_evergreen=True)
    assert ingest.run("crm").state == "green"
    found = rows("select record_id, account_ref, reason from quarantine.record where rule_id like '%.castable'")
    assert [(record_id, account) for record_id, account, _ in found] == [("7", "7")]
    assert "1,2OO" in found[0][2]
    assert value("select amount from raw.hubspot__contract_line where id = '7'") == 1200
    assert "crm:7" in verdicts.quarantined(["crm"])
    assert rows("select record_id from quarantine.record where rule_id like '%.term_end_present'") == [("11",)]
    assert value("select amount from raw.hubspot__contract_line where id = '11' and term_end = '2027-01-01'") == 1200
    assert value("select term_end is null from raw.hubspot__contract_line where id = '12'")
    quarantined = verdicts.quarantined(["crm"])
    assert "crm:11" in quarantined and not {"crm:8", "crm:12"} & quarantined.keys()

    at(monkeypatch, 2)
    crm.records["contract_line"][7] = made("contract_line", 7, 1, amount=Decimal(1300))
    crm.records["contract_line"][11] = made("contract_line", 11, 1)
    ingest.run("crm")
    assert value("select amount from raw.hubspot__contract_line where id = '7'") == 1300
    assert rows("select distinct state from quarantine.record") == [("resolved",)]
    assert "crm:7" not in verdicts.quarantined(["crm"])


def test_too_many_bad_rows_hold_the_batch_and_accept_keeps_them_out(crm, monkeypatch) -> None:
    ingest.run("crm")
    at(monkeypatch, 1)
    for i in range(25):
        crm.records["contract_line"][i] = made("contract_line", i, 0, amount=None)
    crm.records["contract_line"][30] = made("contract_line", 30, 0, amount=Decimal(999))
    verdict = ingest.run("crm")
    assert verdict.state == "red"
    assert value("select min(amount) from raw.hubspot__contract_line") == 1200
    assert "crm:30" in verdicts.quarantined(["crm"]), "its row waits in the held batch"
    held_id = value("select batch_id from meta.batch where state = 'held'")
    verdict = ingest.accept(held_id, reason="credit notes, checked with finance", by="ada")
    assert verdict.state == "green"
    assert rows("select distinct amount from raw.hubspot__contract_line order by 1") == [(999,), (1200,)]
    assert value("select count(distinct record_id) from quarantine.record where state = 'open'") == 25


def test_sudden_loss_of_most_records_is_held_before_any_deletion(crm, monkeypatch) -> None:
    ingest.run("crm")
    at(monkeypatch, 1)
    crm.records["account"] = crm.records["account"][:5]
    assert ingest.run("crm", full=True, only=["account"]).state == "red"
    assert value("select count(*) from raw.hubspot__account where not _is_deleted") == 40
    held_id = value("select batch_id from meta.batch where state = 'held'")
    ingest.accept(held_id, reason="the other portal took them over", by="ada")
    assert value("select count(*) from raw.hubspot__account where not _is_deleted") == 5


def test_suddenly_empty_source_is_held(crm, monkeypatch) -> None:
    ingest.run("crm")
    at(monkeypatch, 1)
    crm.records["account"] = []
    assert ingest.run("crm", full=True, only=["account"]).state == "red"
    assert value("select count(*) from raw.hubspot__account where not _is_deleted") == 40


def test_oversized_ids_do_not_block_other_rows(crm) -> None:
    chance = random.Random(1)
    long = "".join(chr(chance.randrange(33, 0x2FFF)) for _ in range(9000))
    crm.records["account"] += [made("account", 90, id=" "), made("account", 91, id=long), made("account", 92)]
    ingest.run("crm")
    assert value("select count(*) from raw.hubspot__account where id = '92'") == 1
    assert value("select count(*) from raw.hubspot__account") == 41
    assert value("select count(*) from quarantine.record where state = 'open'") == 2


def test_kill_between_validation_and_merge_loses_nothing(crm, contracts_imported: None) -> None:
    for entity in crm.records:
        ingest.extract("crm", entity)
    ingest.validate("crm")
    assert value("select count(*) from raw.hubspot__account") == 0
    assert ingest.run("crm").state == "green"
    assert value("select count(*) from raw.hubspot__account") == 40
    judged = rows("select batch_id from meta.rule_result group by 1, rule_id having count(*) > 1")
    assert judged == []


@pytest.fixture
def contracts_imported() -> None:
    """Import Great Expectations first, which takes seconds, to keep that out of the test."""
    from include.contracts import validate

    assert validate
