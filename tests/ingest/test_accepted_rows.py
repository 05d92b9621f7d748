"""Accepted rows and unchanged quarantined rows do not hold another batch."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest

from include.connectors.base import Record
from include.contracts import catalogue
from include.ingest import pipeline, replay
from include.ingest.quarantine import RowFilter
from include.pages import status
from tests.fixtures.fake_source import START, FakeSource
from tests.fixtures.landing import rows, value
from tests.ingest.test_ingest_contracts import at, made
from tests.ingest.test_ingest_contracts import crm as by_all_rules

__all__ = ["by_all_rules"]
NOTHING: dict = {"opportunity_id": None, "account_id": None}


@pytest.fixture
def crm(by_all_rules: FakeSource, monkeypatch: pytest.MonkeyPatch) -> FakeSource:
    """The same without the rules that hold neither a row nor a batch: half the cost of each of eighty batches."""
    holding = [r for r in catalogue.rules() if r.severity == "critical" and r.scope in ("row", "batch")]
    monkeypatch.setattr(catalogue, "of_entity", lambda name: tuple(rule for rule in holding if rule.entity == name))
    return by_all_rules


def held() -> list[tuple]:
    return rows("select batch_id, hold_reason from meta.batch where state = 'held' order by 1")


def accept() -> None:
    for batch_id, _ in held():
        pipeline.accept(batch_id, reason="looked at, it is so", by="ada")


def bad(i: int, hours: int = 0, **other: object) -> Record:
    return made("contract_line", i, hours, **{"amount": None, **other})


def test_accepted_rows_do_not_hold_the_next_batch_but_new_ones_do(crm, monkeypatch) -> None:
    pipeline.run("crm")
    at(monkeypatch, 1)
    crm.records["contract_line"][:25] = [bad(i) for i in range(25)]
    assert pipeline.run("crm").state == "red"
    accept()
    # Read again in full, with only the modification time changed by a workflow.
    for hour in (2, 3):
        at(monkeypatch, hour)
        crm.records["contract_line"][:25] = [bad(i, hour - 1) for i in range(25)]
        assert pipeline.run("crm", full=hour == 3).state == "green"
    assert value("select count(distinct record_id) from quarantine.record where state = 'open'") == 25
    assert value("select count(*) from quarantine.record where state = 'open'") == 25
    # Twenty more are within the limit, a twenty-first is not. Existing ones do not count.
    at(monkeypatch, 4)
    crm.records["contract_line"] += [bad(i, 3) for i in range(50, 70)]
    assert pipeline.run("crm", full=True).state == "green"
    at(monkeypatch, 5)
    crm.records["contract_line"][:21] = [bad(i, 4, product="Other") for i in range(21)]
    assert pipeline.run("crm").state == "red", "a changed row counts again"


def test_same_row_with_another_fault_counts_again(crm, monkeypatch) -> None:
    pipeline.run("crm")
    at(monkeypatch, 1)
    crm.records["contract_line"][:25] = [bad(i) for i in range(25)]
    pipeline.run("crm")
    accept()
    at(monkeypatch, 2)
    crm.records["contract_line"][:25] = [bad(i, 1, amount=Decimal(5), currency="?") for i in range(25)]
    assert pipeline.run("crm").state == "red"


def test_dropped_and_uncorrected_rows_hold_again(crm, monkeypatch) -> None:
    pipeline.run("crm")
    at(monkeypatch, 1)
    crm.records["contract_line"][:25] = [bad(i) for i in range(25)]
    pipeline.run("crm")
    ((batch_id, _),) = held()
    pipeline.drop(batch_id, reason="the source is corrected", by="ada")
    at(monkeypatch, 2)
    assert pipeline.run("crm").state == "red"


def test_discarded_or_waived_rows_do_not_count(crm, monkeypatch) -> None:
    pipeline.run("crm")
    at(monkeypatch, 1)
    crm.records["contract_line"][:25] = [made("contract_line", i, 0, term_end=None) for i in range(25)]
    pipeline.run("crm")
    accept()
    rule = "crm.contract_line.term_end_present"
    assert replay.drop(RowFilter(rule=rule, source="crm"), reason="never mind", by="ada") == 25
    at(monkeypatch, 2)
    assert pipeline.run("crm", full=True).state == "green"
    at(monkeypatch, 3)
    crm.records["contract_line"][:25] = [made("contract_line", i, 2, term_end=None, product="Other") for i in range(25)]
    replay.waive(
        RowFilter(rule=rule, source="crm"), reason="credits", by="ada", until=START + timedelta(days=31, hours=1)
    )
    assert pipeline.run("crm").state == "green"
    at(monkeypatch, 48)  # the waiver has expired: they hold their accounts, but no batch
    assert pipeline.run("crm", full=True).state == "green"
    assert value("select count(*) from quarantine.record where state = 'open'") == 25


def test_rows_never_admitted_do_not_count_as_growth_again(crm, monkeypatch) -> None:
    pipeline.run("crm")
    at(monkeypatch, 1)
    crm.records["contract_line"] += [bad(i) for i in range(100, 250)]
    assert pipeline.run("crm").state == "red"
    assert {name for name in ("bad_rows", "growth") if name in held()[0][1]} == {"bad_rows", "growth"}
    accept()
    at(monkeypatch, 2)
    assert pipeline.run("crm", full=True).state == "green"


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("columns_filled", {"domain": None}),
        ("nulls_usual", {"domain": None}),
        ("clocks_agree", {}),
        ("values_familiar", {"tier": "platinum"}),
        ("facts_stable", {"domain": "other.example"}),
    ],
)
def test_batch_rules_respect_earlier_acceptance(crm, monkeypatch, rule: str, changes: dict) -> None:
    crm.records["account"] = [made("account", i) for i in range(120)]
    pipeline.run("crm")
    at(monkeypatch, 1)
    n = 60 if rule == "nulls_usual" else 30
    hours = 3 if rule == "clocks_agree" else 0
    odd = [made("account", i, hours, **(changes if i < 40 else {})) for i in range(n)]
    crm.before_page = lambda entity, n: None
    # This read returns everything, whatever the modification times.
    monkeypatch.setattr(crm, "read", _only(crm, odd))
    assert pipeline.run("crm").state == "red"
    assert all(f"crm.account.{rule}" in reason for _, reason in held())
    accept()
    for hour in (2, 3):
        at(monkeypatch, hour)
        assert pipeline.run("crm").state == "green", held()
    others = [made("account", i, hours + 1, **changes, name="Changed") for i in range(60, 120)]
    monkeypatch.setattr(crm, "read", _only(crm, others))
    # A column accepted as empty and an accepted value are normal from then on.
    is_usual = rule in ("values_familiar", "columns_filled", "nulls_usual")
    assert pipeline.run("crm").state == ("green" if is_usual else "red")


def _only(crm, found: list[Record]):
    from include.connectors.base import Page

    def read(entity, *, position, mark=None, until, since=None, full=False):
        yield Page(found if entity == "account" else [], {"at": "x", "id": ""}, {"at": until.isoformat()}, until)

    return read


def quotes(first: int, n: int, hours: int = 0) -> list[Record]:
    """Line items cloned by a quote: without deal and company, often without dates."""
    return [
        made("contract_line", i, hours, **NOTHING, term_start=None, term_end=None, currency=None, id=f"q{i}")
        for i in range(first, first + n)
    ]


def test_quote_line_items_belong_to_no_account(by_all_rules: FakeSource, monkeypatch) -> None:
    """R2: as many line items of quotes as of deals, every day."""
    crm = by_all_rules
    crm.records["contract_line"] += quotes(0, 30)
    assert pipeline.run("crm").state == "green"
    for hour in range(1, 4):
        at(monkeypatch, hour)
        crm.records["contract_line"] += quotes(1000 * hour, 60, hour - 1)
        assert pipeline.run("crm", full=hour == 3).state == "green", held()
    assert value("select count(*) from quarantine.record") == 0
    broken = rows("select rule_id from meta.rule_result where not is_passed and rule_id like '%contract_line%'")
    assert broken == []
    assert value("select count(*) from raw.hubspot__contract_line where opportunity_id is null") == 210
    (line,) = [row for row in status.status()["set aside"] if row["source"] == "crm"]
    assert (line["entity"], line["n_rows"]) == ("contract_line", 210)
    # A quote is deleted with its lines.
    at(monkeypatch, 5)
    crm.records["contract_line"] = [one for one in crm.records["contract_line"] if not one.id.startswith("q")]
    assert pipeline.run("crm", full=True).state == "green"
    assert value("select count(*) from raw.hubspot__contract_line where not _is_deleted") == 40


def test_line_that_loses_its_deal_is_not_a_quote_line(crm, monkeypatch) -> None:
    pipeline.run("crm")
    at(monkeypatch, 1)
    crm.records["contract_line"][:25] = [made("contract_line", i, 0, **NOTHING) for i in range(25)]
    assert pipeline.run("crm").state == "red", "the association can no longer be read"
    assert "share_of_bad_rows" in held()[0][1]
    accept()
    assert value("select count(*) from raw.hubspot__contract_line where opportunity_id is null") == 0
    # The deal is deleted: its lines then belong to no account.
    at(monkeypatch, 2)
    gone = made("opportunity", 7, 1)
    crm.records["opportunity"][7] = Record("7", gone.values, gone.payload, gone.source_at, is_deleted=True)
    pipeline.run("crm")
    at(monkeypatch, 3)
    assert pipeline.run("crm", full=True).state == "green"
    assert rows("select id from raw.hubspot__contract_line where opportunity_id is null") == [("7",)]
    assert value("select count(*) from quarantine.record where state = 'open'") == 24


def test_first_load_without_any_deal_on_lines_is_held(crm) -> None:
    crm.records["contract_line"] = quotes(0, 30)
    assert pipeline.run("crm").state == "red"
    assert "no line belongs to an opportunity" in held()[0][1]
    accept()
    assert pipeline.run("crm", full=True).state == "green"


def test_no_cure_advises_deleting_anything() -> None:
    telling = re.compile(r"\b(delete|remove|purge|erase|archive|merge them|throw)\b")
    assert [rule.id for rule in catalogue.shipped() if telling.search(rule.cure)] == []
