"""Available entities, and the reasons for unavailable ones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from include.common.errors import NotOffered
from include.gate import availability, source_failures, verdicts
from include.metrics.explain import has_records
from include.models import unread
from include.pages import status
from include.warehouse.engine import engine
from tests.fixtures.landing import record, store

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def judged(raw: str) -> None:
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


def without_lines_lacks() -> set[str]:
    """Return what the metric ``arr`` lacks, by the list of the gate, the metrics' gaps and their records."""
    with engine("builder").begin() as connection:
        unread.sync(connection, date(2026, 1, 1))
        is_gap = connection.scalar(sa.text("select count(*) from meta.metric_gap where metric_id = 'arr'"))
        is_without = not has_records(connection, "contract_line")
    listed = {each.entity for each in availability.missing()}
    return {name for name, is_it in (("gap", is_gap), ("records", is_without)) if is_it} | (listed & {"contract_line"})


@pytest.mark.parametrize(
    ("entity", "contract"),
    [("opportunity", {"is_won": True, "term_months": 12}), ("account", {"contract_mrr": 100})],
)
def test_contracts_in_fields_of_deals_or_companies_need_no_line_items(
    raw: str, entity: str, contract: dict[str, Any]
) -> None:
    store(record("1"), read_until=AT)
    store(record("1"), entity="opportunity", read_until=AT)
    verdicts.publish("crm", ("account", "opportunity"))
    assert without_lines_lacks() == {"gap", "records", "contract_line"}
    store(record("2", **contract), entity=entity, read_until=AT)
    assert without_lines_lacks() == set()
    assert "contract_line" in availability.available("crm")
    # Not readable: the deals could be half of the contracts.
    with pytest.raises(NotOffered), source_failures.recorded("crm", "extract", entity="contract_line"):
        raise NotOffered("no line items for this login", cure="grant the scope")
    assert without_lines_lacks() == {"gap", "records", "contract_line"}
    assert "contract_line" not in availability.available("crm")
    # Mapped and not read yet: likewise.
    verdicts.publish("crm", ("account", "opportunity", "contract_line"))
    assert "gap" in without_lines_lacks()
