"""Read a Salesforce org for a proposal, in about 20 calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from include.common import clock
from include.common.connections import Connection
from include.config.models import Settings
from include.connectors.crm.salesforce.api import SalesforceApi, client, select
from include.connectors.crm.salesforce.resources import MAX_QUERY_LENGTH
from include.operations.mapping_proposal.names import holding_contracts
from include.operations.mapping_proposal.portal import Kind, Pipeline, Portal, Property, Row, Wanted
from include.operations.mapping_proposal.values import value_of

OBJECTS = {
    "account": "Account", "contact": "Contact", "owner": "User", "opportunity": "Opportunity",
    "contract_line": "OpportunityLineItem",
}  # fmt: skip
# Fields of parents and related records that the shipped mapping uses: entity -> dotted name -> label.
_DOTTED = {
    "owner": {"UserRole.Name": "Role"},
    "opportunity": {"RecordType.DeveloperName": "Record type"},
    "contract_line": {"Product2.Name": "Product", "Opportunity.AccountId": "Account"},
}
_ROLES = "AccountContactRelation"
_CONTRACT_OBJECTS = ("Contract",)
# CPQ creates subscriptions from won deals. They stand in for the deals' lines, as mapped in salesforce_cpq.yaml.
CPQ = "SBQQ__Subscription__c"
_CPQ_DEAL = "SBQQ__Contract__r.SBQQ__Opportunity__c"
_CPQ_RENEWS = "SBQQ__RenewedContract__r.SBQQ__Opportunity__c"
_MOST_ACCOUNTS, _MOST_CONTACTS, _MOST_LINES = 200, 200, 1000
_KINDS: dict[str, Kind] = {
    "string": "text", "url": "text", "email": "text", "picklist": "choice", "multipicklist": "choice", "date": "date",
    "datetime": "date", "currency": "number", "double": "number", "int": "number", "long": "number",
    "percent": "number", "boolean": "flag", "reference": "reference", "id": "reference",
}  # fmt: skip


class Reader:
    """Reads one org.

    Args:
        settings: Provides the hosts that may be called.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.api = SalesforceApi(client(connection, settings.allowed_plain_http_hosts))

    def read(self, wanted: Wanted, most_deals: int, entities: Collection[str]) -> Portal:
        """Return the schema and the sample; see the reader of HubSpot."""
        portal = Portal("salesforce", clock.now().date())
        for entity, name in ((one, name) for one, name in OBJECTS.items() if one in entities):
            fields = self.api.fields(name)
            if not fields:
                portal.unread.append(f"Salesforce has no object {name}, or hides it from this login")
                continue
            portal.schema[entity] = {one["name"]: _property(one) for one in fields.values()}
            links = {str(one.get("relationshipName")) for one in fields.values()}
            for dotted, label in _DOTTED.get(entity, {}).items():
                if dotted.partition(".")[0] in links:
                    portal.schema[entity][dotted] = Property(dotted, label)
        self._contracts(portal)
        names = {entity: wanted(entity, schema) for entity, schema in portal.schema.items()}
        if "opportunity" in names:
            self._deals(portal, names, most_deals)
        if "account" in names:
            self._accounts(portal, names["account"])
        if "contact" in names:
            self._contacts(portal, names["contact"])
        return portal

    def _contracts(self, portal: Portal) -> None:
        for name in _CONTRACT_OBJECTS:
            if self.api.describe(name) and (count := self.api.count(name, "", is_all=False)):
                portal.contract_objects[f"Salesforce's {name}"] = count
        fields = self.api.fields(CPQ)
        if fields and self.api.count(CPQ, "", is_all=False):
            portal.objects["contract_line"] = CPQ
            portal.schema["contract_line"] = {one["name"]: _property(one) for one in fields.values()}
            portal.schema["contract_line"][_CPQ_DEAL] = Property(_CPQ_DEAL, "Opportunity")
            if "SBQQ__RenewedContract__c" in portal.schema.get("opportunity", {}):
                portal.schema["opportunity"][_CPQ_RENEWS] = Property(_CPQ_RENEWS, "Deal of the renewed contract")

    def _deals(self, portal: Portal, names: dict[str, list[str]], most: int) -> None:
        ask = [*names["opportunity"], "IsWon", "CloseDate", "AccountId"]
        rows = self._rows("Opportunity", ask, "WHERE IsWon = TRUE ORDER BY CloseDate DESC", most)
        portal.rows["opportunity"] = [Row(row["Id"], row, str(row.get("AccountId") or "")) for row in rows]
        found = {str((row.get("RecordType") or {}).get("DeveloperName") or "") for row in rows} - {""}
        portal.pipelines = tuple(Pipeline(one, one) for one in sorted(found))
        if "contract_line" in names and rows:
            name = portal.objects.get("contract_line", "OpportunityLineItem")
            key = _CPQ_DEAL if name == CPQ else "OpportunityId"
            lines = self._of(name, names["contract_line"], key, [row["Id"] for row in rows])[:_MOST_LINES]
            made = [Row(row["Id"], row) for row in lines]
            portal.rows["contract_line"] = [replace(row, parent=str(value_of(row, key) or "")) for row in made]

    def _accounts(self, portal: Portal, names: list[str]) -> None:
        names = [*names, *(["Type"] if "Type" in portal.schema["account"] else [])]
        ids = list(dict.fromkeys(row.parent for row in portal.rows.get("opportunity", []) if row.parent))
        rows = self._of("Account", names, "Id", ids)
        held = holding_contracts(portal.schema["account"].values())[:4]
        where = " OR ".join(f"{name} != NULL" for name in held)
        if where:
            more = self._rows("Account", names, f"WHERE {where} ORDER BY CreatedDate DESC", _MOST_ACCOUNTS)
            rows += [row for row in more if row["Id"] not in set(ids)]
        portal.rows["account"] = [Row(row["Id"], row) for row in rows]

    def _contacts(self, portal: Portal, names: list[str]) -> None:
        rows = self._rows("Contact", names, "ORDER BY CreatedDate DESC", _MOST_CONTACTS)
        fields = self.api.fields(_ROLES)
        if "Roles" in fields and rows:
            portal.schema["contact"][f"{_ROLES}.Roles"] = _property(fields["Roles"] | {"name": f"{_ROLES}.Roles"})
            related = self.api.by_ids(
                select(["ContactId", "Roles"], _ROLES), "ContactId", [row["Id"] for row in rows], is_all=False
            )
            roles = {row["ContactId"]: row["Roles"] for row in related}
            rows = [row | {_ROLES: {"Roles": roles.get(row["Id"])}} for row in rows]
        portal.rows["contact"] = [Row(row["Id"], row) for row in rows]

    def _rows(self, sobject: str, names: Iterable[str], condition: str, most: int) -> list[dict[str, Any]]:
        """Return rows with all the fields, split into as many queries as the URL length requires."""
        chunks = _chunks(names)
        rows = list(self.api.everything(f"{select(chunks[0], sobject)} {condition} LIMIT {most}", is_all=False))
        return self._more(sobject, chunks[1:], rows)

    def _of(self, sobject: str, names: Iterable[str], key: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        if not ids:
            return []
        chunks = _chunks(names)
        rows = list(self.api.by_ids(select([*chunks[0], key], sobject), key, ids, is_all=False))
        return self._more(sobject, chunks[1:], rows)

    def _more(self, sobject: str, chunks: list[list[str]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for chunk in chunks if rows else ():
            found = self.api.by_ids(select(chunk, sobject), "Id", [row["Id"] for row in rows], is_all=False)
            more = {row["Id"]: row for row in found}
            rows = [row | more.get(row["Id"], {}) for row in rows]
        return rows


def _chunks(names: Iterable[str]) -> list[list[str]]:
    """Split the fields into parts that leave room for 300 ids in the same URL."""
    chunks: list[list[str]] = [["Id"]]
    for name in dict.fromkeys(names):
        if len(quote(", ".join([*chunks[-1], name]))) > MAX_QUERY_LENGTH // 3:
            chunks.append(["Id"])
        if name != "Id":
            chunks[-1].append(name)
    return chunks


def _property(one: dict[str, Any]) -> Property:
    kind = _KINDS.get(str(one.get("type")), "other")
    options = {
        str(each["value"]): str(each.get("label") or each["value"])
        for each in one.get("picklistValues") or ()
        if each.get("active", True)
    }
    is_own = str(one["name"]).endswith("__c")
    return Property(
        one["name"], str(one.get("label") or one["name"]), kind, options if kind == "choice" else {}, is_own
    )
