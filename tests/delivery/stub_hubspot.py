"""As much of HubSpot as tasks need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.delivery.stub import Answer, Call

UPSERT = "/crm/v3/objects/tasks/batch/upsert"
UPDATE = "/crm/v3/objects/tasks/batch/update"
ASSOCIATE = "/crm/v4/associations/tasks/companies/batch/create"


@dataclass
class Portal:
    """As much of HubSpot as tasks need. Type ids other than 192 are accepted and dropped in silence, as for real."""

    properties: dict[str, dict[str, Any]] = field(default_factory=lambda: {"hs_task_subject": {"groupName": "task"}})
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    archived: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[str, set[str]] = field(default_factory=dict)
    companies: frozenset[str] = frozenset({"1001", "1002", "1003"})
    active_owners: frozenset[str] = frozenset({"77", "78"})
    drops_links: bool = False

    def answer(self, call: Call) -> Answer:
        """Answer a call."""
        if call.path.startswith("/crm/v3/properties/tasks"):
            return self._property(call)
        if call.path == "/crm/v3/owners":
            return 200, {"results": [{"id": "78", "email": "Lead@vendor.example"}]}
        inputs = call.body["inputs"]
        if call.path == "/crm/v3/objects/tasks/batch/read":
            found = [self._shown(self._by_key(each["id"])) for each in inputs if self._by_key(each["id"])]
            return (200 if len(found) == len(inputs) else 207), {"results": found}
        if call.path == "/crm/v3/objects/tasks/batch/archive":
            for each in inputs:
                if each["id"] in self.tasks:
                    self.archived[each["id"]] = self.tasks.pop(each["id"])
            return 204, None
        if call.path == UPSERT:
            return self._upsert(inputs)
        if call.path == UPDATE:
            for each in inputs:
                self.tasks[each["id"]] |= each["properties"]
            return 200, {"results": [self._shown(each["id"]) for each in inputs]}
        if call.path == ASSOCIATE:
            return self._associate(inputs)
        linked = [each["id"] for each in inputs if self.links.get(each["id"])]
        return 200, {
            "results": [
                {"from": {"id": task}, "to": [{"toObjectId": int(company)} for company in self.links[task]]}
                for task in linked
            ]
        }

    def _property(self, call: Call) -> Answer:
        if call.method == "POST":
            self.properties[call.body["name"]] = call.body
            return 201, call.body
        found = self.properties.get(call.path.rsplit("/", 1)[1])
        return (200, found) if found else (404, {"message": "no such property"})

    def _by_key(self, key: str) -> str:
        return next((number for number, task in self.tasks.items() if task["perennial_key"] == key), "")

    def _shown(self, number: str) -> dict[str, Any]:
        return {"id": number, "properties": self.tasks[number]}

    def _upsert(self, inputs: list[dict[str, Any]]) -> Answer:
        results, errors = [], []
        for each in inputs:
            if each["properties"].get("hubspot_owner_id", "77") not in self.active_owners:
                errors.append({"message": "The owner id is not active", "context": {"ids": [each["id"]]}})
            elif each["properties"]["hs_task_priority"] not in ("LOW", "MEDIUM", "HIGH"):
                errors.append({"message": "INVALID_OPTION", "context": {"objectWriteTraceId": [each["id"]]}})
            else:
                number = self._by_key(each["id"]) or str(500 + len(self.tasks) + len(self.archived))
                self.tasks[number] = each["properties"]
                results.append(self._shown(number))
        if errors and not results:
            return 400, errors[0]
        results.reverse()  # answers need not come in the order of the inputs
        return (207 if errors else 200), {"results": results, "numErrors": len(errors), "errors": errors}

    def _associate(self, inputs: list[dict[str, Any]]) -> Answer:
        errors = []
        for each in inputs:
            if each["to"]["id"] not in self.companies:
                errors.append({"message": f"COMPANY={each['to']['id']} is not valid"})
                continue
            is_right = each["types"] == [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]
            if is_right and not self.drops_links:
                self.links.setdefault(each["from"]["id"], set()).add(each["to"]["id"])
        return (207 if errors else 201), {"results": [], "errors": errors}
