"""A HubSpot in memory that is strict about requests and behaves as badly as the real one: it lags, caps and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from include.sources.positions import moment
from tests.sources.fake import Reply, Request

PROPERTIES = {
    "companies": "name domain industry country customer_tier hubspot_owner_id hs_parent_company_id lifecyclestage "
    "is_test_account hs_merged_object_ids createdate hs_lastmodifieddate hs_object_id",
    "contacts": "email hs_additional_emails firstname lastname jobtitle hs_buying_role hubspot_owner_id "
    "notes_last_contacted createdate lastmodifieddate hs_merged_object_ids hs_calculated_merged_vids hs_object_id",
    "deals": "dealname pipeline dealstage hs_is_closed hs_is_closed_won deal_kind contract_number amount "
    "deal_currency_code closedate notice_period_months auto_renew notice_given_on closed_lost_reason hubspot_owner_id "
    "createdate hs_lastmodifieddate hs_object_id",
    "line_items": "name quantity amount hs_pre_discount_amount hs_line_item_currency_code recurringbillingfrequency "
    "hs_recurring_billing_start_date hs_recurring_billing_end_date createdate hs_lastmodifieddate hs_object_id",
}
CURSOR = {"contacts": "lastmodifieddate"}


def iso(at: int) -> str:
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class FakeHubSpot:
    """Objects by type and id.

    Args:
        lag: Milliseconds until the search knows of a change.
        now: Milliseconds since the epoch.
        before: Called with each request before it is answered; may edit, or return a reply of its own.
    """

    lag: int = 0
    now: int = 1_750_000_000_000
    before: Callable[[Request], Reply | BaseException | None] = lambda request: None
    objects: dict[str, dict[int, dict[str, Any]]] = field(default_factory=lambda: {kind: {} for kind in PROPERTIES})
    links: dict[tuple[str, str], dict[int, list[dict[str, Any]]]] = field(default_factory=dict)
    owners: list[dict[str, Any]] = field(default_factory=list)
    association_errors: list[dict[str, Any]] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)

    def put(self, kind: str, one: int, at: int | None = None, **properties: Any) -> None:
        """Create or edit an object; its clock is ``at``, else now."""
        at = self.now if at is None else at
        row = self.objects[kind].setdefault(one, {"created": at, "indexed": [], "archived": None, "properties": {}})
        row["properties"] |= properties
        row["at"] = at
        row["indexed"].append((self.now + self.lag, at))

    def archive(self, kind: str, one: int) -> None:
        self.objects[kind][one]["archived"] = self.now

    def live(self, kind: str) -> dict[str, str | None]:
        return {
            str(one): row["properties"].get("name") for one, row in self.objects[kind].items() if not row["archived"]
        }

    def __call__(self, request: Request) -> Reply | BaseException:
        self.seen.append(request)
        assert request.headers["Authorization"] == "Bearer t0ken"
        own = self.before(request)
        if own is not None:
            return own
        parts = request.path.strip("/").split("/")
        if parts[:3] == ["crm", "v3", "properties"]:
            return 200, {"results": [{"name": name, "type": "string"} for name in PROPERTIES[parts[3]].split()]}
        if parts[:3] == ["crm", "v3", "owners"]:
            wanted = request.params["archived"] == "true"
            return self._page([row for row in self.owners if row["archived"] == wanted], request)
        if parts[:3] == ["crm", "v4", "associations"]:
            return self._associations(parts[3], parts[4], request.json["inputs"])
        if parts[-1] == "search":
            return self._search(parts[3], request.json)
        if parts[-1] == "read":
            inputs = [int(item["id"]) for item in request.json["inputs"]]
            rows = [self._row(parts[3], one, request.json["properties"]) for one in inputs]
            return 200, {"status": "COMPLETE", "results": rows}
        names = (request.params.get("properties") or "").split(",")
        wanted = request.params["archived"] == "true"
        ids = sorted(one for one, row in self.objects[parts[3]].items() if bool(row["archived"]) == wanted)
        return self._page([self._row(parts[3], one, names) for one in ids], request)

    def _page(self, rows: list[dict[str, Any]], request: Request) -> Reply:
        limit = int(request.params["limit"])
        assert limit <= 100
        start = int(request.params.get("after", 0))
        rest = [row for row in rows if int(row["id"]) >= start]
        body: dict[str, Any] = {"results": rest[:limit]}
        if len(rest) > limit:
            after = rest[limit]["id"]
            body["paging"] = {"next": {"after": after, "link": f"https://elsewhere.example/?after={after}"}}
        return 200, body

    def _row(self, kind: str, one: int, names: list[str]) -> dict[str, Any]:
        row = self.objects[kind][one]
        clock = CURSOR.get(kind, "hs_lastmodifieddate")
        properties = row["properties"] | {
            clock: iso(row["at"]),
            "createdate": iso(row["created"]),
            "hs_object_id": str(one),
        }
        shown = {
            "id": str(one),
            "properties": {name: properties.get(name) for name in {*names, "hs_object_id"} if name},
            "createdAt": iso(row["created"]),
            "updatedAt": iso(row["at"]),
            "archived": bool(row["archived"]),
        }
        return shown | ({"archivedAt": iso(row["archived"])} if row["archived"] else {})

    def _search(self, kind: str, query: dict[str, Any]) -> Reply:
        assert {"filterGroups", "sorts", "properties", "limit", "after"} <= set(query)
        assert query["limit"] <= 200
        if int(query["after"]) + query["limit"] > 10_000:
            return 400, {"status": "error", "message": "Search is limited to 10,000 results"}
        assert len(query["sorts"]) == 1
        filters = query["filterGroups"][0]["filters"]
        found = []
        for one, row in self.objects[kind].items():
            known = [at for visible, at in row["indexed"] if visible <= self.now]
            if row["archived"] or not known:
                continue
            index = {CURSOR.get(kind, "hs_lastmodifieddate"): known[-1], "hs_object_id": one}
            if all(_passes(index[item["propertyName"]], item["operator"], int(item["value"])) for item in filters):
                found.append((index[query["sorts"][0]["propertyName"]], one))
        found.sort()
        start = int(query["after"])
        rows = [self._row(kind, one, query["properties"]) for _, one in found[start : start + query["limit"]]]
        return 200, {"total": len(found), "results": rows}

    def _associations(self, near: str, far: str, inputs: list[dict[str, str]]) -> Reply:
        assert len(inputs) <= 1000
        errors = list(self.association_errors)
        self.association_errors.clear()
        failing = {one for error in errors for one in error["context"]["fromObjectId"]}
        links = self.links.get((near, far), {})
        results = []
        for item in inputs:
            to = links.get(int(item["id"]), [])
            if item["id"] in failing:
                continue
            if not to:
                errors.append({"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND", "context": {}})
                continue
            start = int(item.get("after", 0))
            result: dict[str, Any] = {"from": {"id": item["id"]}, "to": to[start : start + 2]}
            if len(to) > start + 2:
                result["paging"] = {"next": {"after": str(start + 2)}}
            results.append(result)
        return (207 if errors else 200), {"results": results, "numErrors": len(errors), "errors": errors}


def _passes(value: int, operator: str, bound: int) -> bool:
    return {"GTE": value >= bound, "LT": value < bound, "GT": value > bound, "EQ": value == bound}[operator]
