"""Available entities, and the reasons for unavailable ones."""

from __future__ import annotations

import pytest

from include.common.errors import NotOffered
from include.gate import availability, source_failures, verdicts
from include.pages import status
from tests.fixtures.landing import record, store


@pytest.fixture
def judged(warehouse: str) -> None:
    from include.warehouse import raw_tables

    raw_tables.ensure_raw_tables()
    store(record("1"))
    with pytest.raises(NotOffered), source_failures.recorded("crm", "extract", entity="invoice"):
        raise NotOffered("no invoices for this login", cure="grant the scope")
    verdicts.publish("crm", ("account", "contact"))


def test_unmapped_or_forbidden_entity_is_unavailable(judged) -> None:
    reasons = {each.entity: each.reason for each in availability.missing() if each.source == "crm"}
    assert reasons["milestone"] == "not available: needs milestone: it is not mapped"
    assert reasons["invoice"] == "not available: needs invoice: no invoices for this login"
    assert "account" not in reasons
    assert availability.available("crm") == {"account", "contact"}
    assert status.status()["not available"][0]["source"] == "crm"


def test_source_without_a_verdict_lacks_nothing_yet(warehouse: str) -> None:
    assert availability.missing() == []
    assert availability.available("crm") == frozenset()


def test_entity_read_before_is_broken_not_forbidden(judged) -> None:
    with pytest.raises(NotOffered), source_failures.recorded("crm", "extract", entity="account"):
        raise NotOffered("gone", cure="")
    assert availability.refused("crm") == {"invoice"}
    assert availability.was_read("crm", "account")
    assert not availability.was_read("crm", "invoice")
