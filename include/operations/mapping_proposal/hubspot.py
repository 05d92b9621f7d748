"""Read a HubSpot portal for a proposal, in about 25 calls."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from include.common import clock
from include.common.connections import Connection
from include.common.errors import AuthError, ConfigError, Forbidden
from include.config.models import Settings
from include.connectors.crm.hubspot.api import HubSpotApi
from include.connectors.crm.hubspot.client import open_client
from include.operations.mapping_proposal.names import holding_contracts
from include.operations.mapping_proposal.portal import Kind, Pipeline, Portal, Property, Row, Wanted

OBJECTS = {"account": "companies", "contact": "contacts", "opportunity": "deals", "contract_line": "line_items"}
# Objects that hold contracts themselves, in some portals.
_CONTRACT_OBJECTS = ("contracts", "subscriptions")
_MOST_LINES, _MOST_COMPANIES, _MOST_CONTACTS = 1000, 200, 200
_MOST_GROUPS = 5
_KINDS: dict[str, Kind] = {
    "string": "text", "number": "number", "date": "date", "datetime": "date", "enumeration": "choice", "bool": "flag",
}  # fmt: skip


class Reader:
    """Reads one portal.

    Args:
        settings: Provides the hosts that may be called.
    """

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.api = HubSpotApi(open_client(connection, settings.allowed_plain_http_hosts))

    def read(self, wanted: Wanted, most_deals: int, entities: Collection[str]) -> Portal:
        """Return the schema and the sample.

        Args:
            wanted: (entity, schema) -> the properties whose values are read.
            most_deals: Most won deals to read.
        """
        portal = Portal("hubspot", clock.now().date())
        for entity, name in ((one, name) for one, name in OBJECTS.items() if one in entities):
            try:
                portal.schema[entity] = {one["name"]: _property(one) for one in self.api.properties(name)}
            except (Forbidden, ConfigError) as error:
                portal.unread.append(f"{name}: {error.message}")
        names = {entity: wanted(entity, schema) for entity, schema in portal.schema.items()}
        self._contracts(portal)
        if "opportunity" in names:
            portal.pipelines = tuple(Pipeline(str(one["id"]), str(one["label"])) for one in self.api.pipelines("deals"))
            self._deals(portal, names, most_deals)
        if "account" in names:
            self._companies(portal, names["account"])
        if "contact" in names:
            with _unread(portal, "contacts"):
                rows = self.api.newest("contacts", names["contact"], [], "createdate", _MOST_CONTACTS)
                portal.rows["contact"] = [_row(row) for row in rows]
        return portal

    def _contracts(self, portal: Portal) -> None:
        for name in _CONTRACT_OBJECTS:
            try:
                self.api.properties(name)
            except (ConfigError, AuthError):
                continue  # not in this portal, or not visible to this token
            portal.contract_objects[f"HubSpot's {name}"] = None

    def _deals(self, portal: Portal, names: dict[str, list[str]], most: int) -> None:
        won = [{"propertyName": "hs_is_closed_won", "operator": "EQ", "value": "true"}]
        properties = [*names["opportunity"], "hs_is_closed_won", "closedate"]
        rows = self.api.newest("deals", list(dict.fromkeys(properties)), [won], "closedate", most)
        ids = [str(row["id"]) for row in rows]
        companies = self.api.associated("deals", "companies", ids) if ids else {}
        portal.rows["opportunity"] = [_row(row, companies.get(str(row["id"]), "")) for row in rows]
        if "contract_line" in names and ids:
            with _unread(portal, "line_items"):
                self._lines(portal, names["contract_line"], ids)

    def _lines(self, portal: Portal, names: list[str], ids: list[str]) -> None:
        deal_of = {
            str(int(to["toObjectId"])): deal
            for deal, targets in self.api.targets("deals", "line_items", ids).items()
            for to in targets
        }
        lines = list(deal_of)[:_MOST_LINES]
        found = self.api.batch_read("line_items", names, lines) if lines else []
        portal.rows["contract_line"] = [_row(row, deal_of[str(row["id"])]) for row in found]
        # A deal with only some of its lines read would look wrong: drop it.
        if len(deal_of) > len(lines):
            cut = {deal_of[line] for line in deal_of if line not in set(lines)}
            portal.rows["contract_line"] = [row for row in portal.rows["contract_line"] if row.parent not in cut]
            portal.rows["opportunity"] = [row for row in portal.rows["opportunity"] if row.id not in cut]

    def _companies(self, portal: Portal, names: list[str]) -> None:
        """Read the deals' companies, and those that look like customers by their own fields."""
        schema = portal.schema["account"]
        ids = list(dict.fromkeys(row.parent for row in portal.rows.get("opportunity", []) if row.parent))
        names = list(dict.fromkeys((*names, *(["lifecyclestage"] if "lifecyclestage" in schema else []))))
        groups: list[list[dict[str, Any]]] = []
        if "lifecyclestage" in schema:
            groups.append([{"propertyName": "lifecyclestage", "operator": "EQ", "value": "customer"}])
        for name in holding_contracts(schema.values())[: _MOST_GROUPS - len(groups)]:
            groups.append([{"propertyName": name, "operator": "HAS_PROPERTY"}])
        rows = self.api.newest("companies", names, groups, "createdate", _MOST_COMPANIES)
        seen = {str(row["id"]) for row in rows}
        rows += self.api.batch_read("companies", names, [one for one in ids if one not in seen])
        portal.rows["account"] = [_row(row) for row in rows]


@contextmanager
def _unread(portal: Portal, name: str) -> Iterator[None]:
    """Note what the token may not see, and carry on with the rest."""
    try:
        yield
    except Forbidden as error:
        portal.unread.append(f"{name}: {error.message}")


def _property(one: dict[str, Any]) -> Property:
    kind = _KINDS.get(str(one.get("type")), "other")
    if one.get("externalOptions") or one.get("referencedObjectType"):
        kind = "reference"
    elif one.get("fieldType") == "booleancheckbox":
        kind = "flag"
    options = {str(each["value"]): str(each.get("label") or each["value"]) for each in one.get("options") or ()}
    return Property(
        one["name"], str(one.get("label") or one["name"]), kind, options if kind == "choice" else {},
        not one.get("hubspotDefined", False),
    )  # fmt: skip


def _row(row: dict[str, Any], parent: str = "") -> Row:
    return Row(str(row["id"]), row.get("properties") or {}, parent)
