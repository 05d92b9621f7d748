"""Added, removed, renamed and retyped fields: reported once, and blocking only if a mapped field is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from include.common.errors import AuthError, ContractError
from include.connectors.base import Source
from include.ingest import schema_drift
from include.ingest.schema_drift import Change, compare
from include.pages import status
from include.warehouse.engine import engine
from tests.fixtures.fake_source import FakeSource


@dataclass
class Described(Source):
    """A source that describes its fields."""

    now: dict[str, str]
    fills: dict[str, str] = field(default_factory=dict)
    fails: bool = False
    vendor: str = "hubspot"
    kind: str = "crm"

    def entities(self) -> tuple[str, ...]:
        return ("account",)

    def pages(self, entity: str, request: Any) -> Any:
        return iter(())

    def fields(self, entity: str) -> dict[str, str]:
        if self.fails:
            raise AuthError("no right to see the schema")
        return self.now

    def mapped(self, entity: str) -> dict[str, str]:
        return self.fills


def check(source: Any) -> None:
    schema_drift.check("crm", source, "account")


def test_schema_changes_are_classified():
    before = {"name": "string", "amount": "number", "tier": "string", "customer_segment": "string", "old": "date"}
    now = {"name": "string", "amount": "string", "customer_segment_v2": "string", "tier": "string", "new": "bool"}
    assert compare(before, now) == [
        Change("retyped", "amount", "number", "string"),
        Change("renamed", "customer_segment_v2", "customer_segment", "string"),
        Change("removed", "old", "date", ""),
        Change("new", "new", "", "bool"),
    ]


def test_similar_name_with_another_type_is_not_a_rename():
    assert [one.kind for one in compare({"segment": "string"}, {"segments": "number"})] == ["removed", "new"]


@given(*[st.dictionaries(st.text(max_size=5), st.sampled_from(["string", "number"]), max_size=6)] * 2)
def test_applying_the_changes_gives_the_new_schema(before, now):
    fields = dict(before)
    for change in compare(before, now):
        fields.pop(change.missing or change.field, None)
        if change.kind != "removed":
            fields[change.field] = change.is_now
    assert fields == now
    assert compare(now, now) == []


def test_first_check_reports_nothing_and_each_later_change_once(warehouse):
    source = Described({"name": "string", "tier": "string"}, {"tier": "tier"})
    check(source)
    assert schema_drift.unreported("crm") == []
    source.now = {"name": "string", "tier": "enumeration", "branch": "string"}
    check(source)
    check(source)
    told = schema_drift.unreported("crm")
    assert [one.sentence for one in told] == [
        "tier changed from string to enumeration; it fills tier",
        "branch was added (string)",
    ]
    schema_drift.note_notified(told)
    assert schema_drift.unreported("crm") == []
    assert [(row["kind"], row["field"]) for row in status.status()["fields"]] == [
        ("retyped", "tier"),
        ("new", "branch"),
    ]


def test_missing_mapped_field_fails_its_contract_until_restored_or_unmapped(warehouse):
    source = Described({"name": "string", "tier": "string"}, {"tier": "tier"})
    check(source)
    source.now = {"name": "string"}
    for _ in range(2):
        with pytest.raises(ContractError, match="the field tier, which fills tier, has been missing") as caught:
            check(source)
    assert "remove the line" in caught.value.cure
    source.fills = {"name": "name"}
    check(source)
    source.fills = {"tier": "tier"}
    source.now = {"name": "string", "tier": "string"}
    check(source)


def test_renamed_field_reports_its_new_name(warehouse):
    source = Described({"customer_tier": "string"}, {"customer_tier": "tier"})
    check(source)
    source.now = {"customer_tier_2": "string"}
    with pytest.raises(ContractError, match="seems to have been renamed to customer_tier_2") as caught:
        check(source)
    assert "map customer_tier_2 instead" in caught.value.cure


def test_source_without_a_schema_is_still_read(warehouse):
    source = Described({"name": "string"}, {"name": "name"})
    check(source)
    source.fails = True
    check(source)
    source.fails, source.now = False, {}
    check(source)
    check(FakeSource())
    assert schema_drift.unreported("crm") == []


def test_hostile_field_names_are_kept(warehouse):
    check(Described({"a\x00b \ud800 =1+1 <b> \u202e 🙂": "string"}))
    check(Described({"x" * 20_000: "string"}))
    with engine("reader").connect() as connection:
        kinds = connection.execute(sa.text("select kind from meta.schema_change order by change_id")).scalars().all()
    assert kinds == ["removed", "new"]
