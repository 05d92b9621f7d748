"""Reading CRMs that differ from the sandbox: contract objects, missing permissions, many properties."""

from __future__ import annotations

import re
from typing import Any

import pytest

from include.common.connections import Connection
from include.common.errors import Forbidden
from include.config import load
from include.connectors.crm.hubspot.api import HubSpotApi
from include.operations.mapping_proposal import hubspot, salesforce
from include.operations.mapping_proposal.portal import Property
from include.operations.mapping_proposal.propose import propose
from tests.operations.mapping_proposal.by_line_too import salesforce_cpq
from tests.operations.mapping_proposal.world import TODAY

KINDS = {"text": "string", "number": "double", "date": "date", "choice": "picklist", "flag": "boolean"}


class CpqOrg:
    """A fake API of an org with CPQ, with the data of a measured portal."""

    def __init__(self) -> None:
        self.portal = salesforce_cpq().portal
        self.asked: list[str] = []
        names = {"Account": "account", "Contact": "contact", "User": "owner", "Opportunity": "opportunity"}
        self.entities = names | {"SBQQ__Subscription__c": "contract_line"}

    def fields(self, sobject: str) -> dict[str, dict[str, Any]]:
        entity = self.entities.get(sobject)
        known = self.portal.schema[entity].values() if entity else ()
        links = {one.name.partition(".")[0] for one in known if "." in one.name}
        found = {
            one.name: {"name": one.name, "label": one.label, "type": KINDS.get(one.kind, "reference")}
            for one in known
            if "." not in one.name
        }
        for link in links:
            name = link.replace("__r", "__c")
            found[name] = {"name": name, "label": name, "type": "reference", "relationshipName": link}
        return found

    def describe(self, sobject: str) -> dict[str, Any]:
        return {}

    def count(self, sobject: str, where: str, *, is_all: bool = True) -> int:
        return len(self.portal.rows["contract_line"])

    def everything(self, soql: str, *, is_all: bool = True) -> list[dict[str, Any]]:
        self.asked.append(soql)
        sobject = re.search(r"FROM (\w+)", soql)
        entity = self.entities[sobject[1]] if sobject else ""
        return [{"Id": row.id, "AccountId": row.parent, **row.values} for row in self.portal.rows.get(entity, [])]

    def by_ids(self, soql: str, column: str, ids: list[str], *, is_all: bool = True) -> list[dict[str, Any]]:
        rows = self.everything(soql)
        if column == "SBQQ__Contract__r.SBQQ__Opportunity__c":
            parents = {row.id: row.parent for row in self.portal.rows["contract_line"]}
            return [row | {"SBQQ__Contract__r": {"SBQQ__Opportunity__c": parents[row["Id"]]}} for row in rows]
        return rows


def test_cpq_subscriptions_replace_line_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", f"{TODAY}T12:00:00+00:00")
    reader = salesforce.Reader.__new__(salesforce.Reader)
    reader.api = org = CpqOrg()  # type: ignore[assignment]
    entities = ("account", "opportunity", "contract_line")
    portal = reader.read(lambda entity, schema: list(schema), 400, entities)
    assert portal.objects == {"contract_line": "SBQQ__Subscription__c"}
    assert not any("OpportunityLineItem" in soql for soql in org.asked)
    proposal = propose(portal)
    assert [one.letter for one in proposal.storage if one.is_used] == ["K"]
    per = proposal.of("contract_line", "amount_per")
    assert per and per.rule["values"] == {"Evergreen": "month", "Renewable": "term", "One-time": "term"}


def test_forbidden_objects_are_reported_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise Forbidden("missing scope crm.objects.line_items.read")

    given = Connection("crm", "hubspot", "hubspot", "https://api.hubapi.com", password="x")
    reader = hubspot.Reader(given, load())
    deal = {"id": "1", "properties": {"hs_is_closed_won": "true"}}
    monkeypatch.setattr(HubSpotApi, "properties", lambda *_: [{"name": "amount", "type": "number"}])
    monkeypatch.setattr(HubSpotApi, "pipelines", lambda *_: [])
    monkeypatch.setattr(HubSpotApi, "newest", lambda *_: [deal])
    monkeypatch.setattr(HubSpotApi, "associated", lambda *_: {})
    monkeypatch.setattr(HubSpotApi, "targets", forbidden)
    portal = reader.read(lambda entity, schema: list(schema), 400, ("opportunity", "contract_line", "account"))
    assert portal.unread == ["line_items: missing scope crm.objects.line_items.read"]
    assert [row.id for row in portal.rows["opportunity"]] == ["1"]


def test_partially_read_deal_is_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Connection("crm", "hubspot", "hubspot", "https://api.hubapi.com", password="x")
    reader = hubspot.Reader(given, load())
    deals = [{"id": str(number), "properties": {"hs_is_closed_won": "true"}} for number in (1, 2)]
    lines = {str(number): [{"toObjectId": str(10 * number + each)} for each in range(2)] for number in (1, 2)}
    monkeypatch.setattr(hubspot, "_MOST_LINES", 3)
    monkeypatch.setattr(HubSpotApi, "properties", lambda *_: [])
    monkeypatch.setattr(HubSpotApi, "pipelines", lambda *_: [])
    monkeypatch.setattr(HubSpotApi, "newest", lambda *_: deals)
    monkeypatch.setattr(HubSpotApi, "associated", lambda *_: {})
    monkeypatch.setattr(HubSpotApi, "targets", lambda *_: lines)
    monkeypatch.setattr(
        HubSpotApi, "batch_read", lambda _, __, ___, ids: [{"id": one, "properties": {}} for one in ids]
    )
    portal = reader.read(lambda entity, schema: [], 400, ("opportunity", "contract_line"))
    assert [row.id for row in portal.rows["opportunity"]] == ["1"]
    assert {row.parent for row in portal.rows["contract_line"]} == {"1"}


def test_long_field_lists_are_requested_in_parts() -> None:
    names = [f"A_rather_long_name_of_a_field_{number}__c" for number in range(300)]
    chunks = salesforce._chunks(names)
    assert len(chunks) > 1
    assert [name for chunk in chunks for name in chunk if name != "Id"] == names
    assert all(chunk[0] == "Id" for chunk in chunks)


def test_hubspot_types_are_supported() -> None:
    flag = {"name": "a", "label": "A", "type": "enumeration", "fieldType": "booleancheckbox", "options": []}
    owner = {"name": "b", "label": "B", "type": "enumeration", "externalOptions": True, "options": []}
    assert hubspot._property(flag) == Property("a", "A", "flag", {}, True)
    assert hubspot._property(owner).kind == "reference"
