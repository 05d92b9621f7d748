"""The org's metadata: versions, limits, objects, fields."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import reply
from include.sandbox.salesforce.errors import not_found
from include.sandbox.salesforce.guard import NEWEST_VERSION, OLDEST_VERSION, Guard
from include.sandbox.salesforce.rows import fields_of
from include.sandbox.salesforce.schema import SOBJECTS, Field, SObject, find


def router(sandbox: Sandbox) -> APIRouter:
    """Return the metadata API."""
    routes = APIRouter()
    guarded = [Depends(Guard(sandbox))]

    @routes.get("/services/data")
    async def versions() -> Response:
        return reply(
            [
                {"label": f"v{number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
                for number in range(OLDEST_VERSION, NEWEST_VERSION + 1)
            ]
        )

    @routes.get("/services/data/{version}/limits", dependencies=guarded)
    async def limits(version: str) -> Response:
        most = sandbox.limits.current()["salesforce.daily"][0]
        left = sandbox.limits.left("salesforce.daily")
        return reply({"DailyApiRequests": {"Max": most, "Remaining": left}})

    @routes.get("/services/data/{version}/sobjects", dependencies=guarded)
    async def objects(version: str) -> Response:
        listed = [_summary(each, version) for each in SOBJECTS.values()]
        return reply({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})

    @routes.get("/services/data/{version}/sobjects/{name}/describe", dependencies=guarded)
    async def describe(version: str, name: str) -> Response:
        sobject = find(name)
        if sobject is None:
            raise not_found()
        fields = [_field(sobject, each) for each in fields_of(sandbox, sobject).values()]
        return reply({**_summary(sobject, version), "fields": fields, "childRelationships": [], "recordTypeInfos": []})

    return routes


def _summary(sobject: SObject, version: str) -> dict[str, Any]:
    at = f"/services/data/{version}/sobjects/{sobject.name}"
    return {
        "name": sobject.name, "label": sobject.name, "labelPlural": f"{sobject.name}s", "custom": False,
        "keyPrefix": sobject.prefix, "queryable": True, "retrieveable": True, "replicateable": True,
        "createable": sobject.writable, "updateable": sobject.writable, "deletable": sobject.writable,
        "undeletable": sobject.writable, "mergeable": sobject.name in ("Account", "Contact"), "triggerable": True,
        "layoutable": True, "searchable": True, "feedEnabled": False, "customSetting": False,
        "deprecatedAndHidden": False, "activateable": False,
        "urls": {"sobject": at, "describe": f"{at}/describe", "rowTemplate": f"{at}/{{ID}}"},
    }  # fmt: skip


def _field(sobject: SObject, field: Field) -> dict[str, Any]:
    is_writable = sobject.writable and not field.read_only
    return {
        "name": field.name, "label": field.name.removesuffix("__c").replace("_", " "), "type": field.type,
        "length": field.length if field.type not in ("boolean", "date", "datetime", "double", "currency") else 0,
        "custom": field.name.endswith("__c"), "calculated": field.calculated, "nillable": field.name != "Id",
        "filterable": field.type != "textarea", "sortable": field.type != "textarea", "groupable": True,
        "createable": is_writable, "updateable": is_writable, "externalId": field.unique, "unique": field.unique,
        "idLookup": field.unique or field.name == "Id", "referenceTo": [field.to] if field.to else [],
        "relationshipName": field.relation or None, "picklistValues": [], "defaultedOnCreate": False,
        "deprecatedAndHidden": False, "permissionable": True, "autoNumber": False, "caseSensitive": False,
    }  # fmt: skip
