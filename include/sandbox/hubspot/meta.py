"""Owners, properties, pipelines, account details, API usage."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import iso_ms, read_json, reply
from include.sandbox.hubspot.errors import bad_json, error, not_found
from include.sandbox.hubspot.guard import Guard
from include.sandbox.hubspot.objects import flag, typed
from include.sandbox.hubspot.render import properties_of
from include.sandbox.hubspot.schema import Property
from include.sandbox.store import Item
from include.sandbox.world import deals

PORTAL = 1234567
FIELD_TYPES = {"string": "text", "number": "number", "datetime": "date", "date": "date", "enumeration": "select",
               "bool": "booleancheckbox"}  # fmt: skip
LABELS = {
    deals.SALES: (
        "Sales Pipeline",
        ("Appointment Scheduled", "Qualified To Buy", "Contract Sent", "Closed Won", "Closed Lost"),
    ),
    deals.RENEWALS: ("Renewals", ("Planned", "Proposal", "Negotiation", "Renewed", "Lost")),
}
PROBABILITIES = ("0.2", "0.4", "0.9", "1.0", "0.0")


def _owner(item: Item) -> dict[str, Any]:
    """Return an owner. A deactivated one has neither a name nor a user."""
    values, gone = item.values, item.deleted_at is not None
    shown: dict[str, Any] = {
        "id": str(item.id),
        "email": values["email"],
        "type": "PERSON",
        "firstName": "" if gone else values["first_name"],
        "lastName": "" if gone else values["last_name"],
    }
    if not gone:
        shown["userId"] = values["user_id"]
    shown["userIdIncludingInactive"] = values["user_id"]
    shown["createdAt"], shown["updatedAt"] = iso_ms(item.created_at), iso_ms(item.touched_at)
    shown["archived"] = gone
    if not gone:
        shown["teams"] = [{"id": str(sum(values["team"].encode())), "name": values["team"], "primary": True}]
    return shown


def _property(prop: Property) -> dict[str, Any]:
    field_type = "checkbox" if prop.name == "hs_buying_role" else FIELD_TYPES[prop.type]
    return {
        "updatedAt": "2019-08-06T02:41:08.109Z",
        "createdAt": "2019-08-06T02:41:08.109Z",
        "name": prop.name,
        "label": prop.label or prop.name.replace("_", " ").capitalize(),
        "type": prop.type,
        "fieldType": field_type,
        "description": "",
        "groupName": "information",
        "options": [
            {"label": label, "value": value, "displayOrder": n, "hidden": False}
            for n, (value, label) in enumerate(zip(prop.options, prop.option_labels or prop.options, strict=True))
        ],
        "displayOrder": -1,
        "calculated": prop.read_only,
        "externalOptions": prop.name == "hubspot_owner_id",
        "hasUniqueValue": prop.unique,
        "hidden": False,
        "hubspotDefined": not prop.is_own,
        "modificationMetadata": {"archivable": not prop.read_only, "readOnlyDefinition": prop.read_only,
                                 "readOnlyValue": prop.read_only},
        "formField": False,
        "dataSensitivity": "non_sensitive",
        "archived": False,
    }  # fmt: skip


def _pipeline(number: str, order: int) -> dict[str, Any]:
    label, stage_labels = LABELS[number]
    created = "1970-01-01T00:00:00Z" if number == deals.SALES else "2021-03-02T10:11:12.345Z"
    return {
        "label": label,
        "displayOrder": order,
        "id": number,
        "stages": [
            {
                "label": stage_labels[position],
                "displayOrder": position,
                # Numbers and booleans are strings here too.
                "metadata": {"isClosed": "true" if position > 2 else "false", "probability": PROBABILITIES[position]},
                "id": stage,
                "createdAt": created,
                "updatedAt": created,
                "archived": False,
                "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            }
            for position, stage in enumerate(deals.STAGES[number])
        ],
        "createdAt": created,
        "updatedAt": created,
        "archived": False,
    }


def router(sandbox: Sandbox) -> APIRouter:
    """Return the API of metadata: everything except records."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])

    @routes.get("/crm/v3/owners")
    @routes.get("/crm/v3/owners/")
    async def owners(request: Request) -> Response:
        sandbox.now()
        archived = flag(request, "archived")
        limit = int(request.query_params.get("limit", "100"))
        after = int(request.query_params.get("after", "0"))
        if not 1 <= limit <= 500:
            raise error(400, "limit must be between 1 and 500")
        email = request.query_params.get("email")
        items = sandbox.store.items("owner")
        found = [items[n] for n in sandbox.store.ordered("owner") if (items[n].deleted_at is not None) == archived]
        found = [item for item in found if item.id >= after and email in (None, item.values["email"])]
        answer: dict[str, Any] = {"results": [_owner(item) for item in found[:limit]]}
        if len(found) > limit:
            answer["paging"] = {"next": {"after": str(found[limit].id)}}
        return reply(answer)

    @routes.get("/crm/v3/owners/{number}")
    async def owner(request: Request, number: str) -> Response:
        sandbox.now()
        item = sandbox.store.items("owner").get(int(number)) if number.isdigit() else None
        archived = flag(request, "archived")
        if item is None or (item.deleted_at is not None) != archived:
            raise not_found()
        return reply(_owner(item))

    @routes.get("/crm/v3/properties/{name}")
    async def all_properties(name: str) -> Response:
        return reply({"results": [_property(each) for each in properties_of(typed(name), sandbox).values()]})

    @routes.get("/crm/v3/properties/{name}/{prop}")
    async def one_property(name: str, prop: str) -> Response:
        found = properties_of(typed(name), sandbox).get(prop)
        if found is None:
            raise not_found()
        return reply(_property(found))

    @routes.post("/crm/v3/properties/{name}")
    async def make_property(request: Request, name: str) -> Response:
        kind = typed(name)
        body = await read_json(request)
        made = _checked_property(body)
        if made["name"] in properties_of(kind, sandbox):
            raise error(409, f"A property named '{made['name']}' already exists.", "OBJECT_ALREADY_EXISTS")
        custom = sandbox.switches.setdefault("hubspot.properties", {})
        custom.setdefault(kind.name, {})[made["name"]] = made
        sandbox.keep_switches()
        return reply(_property(properties_of(kind, sandbox)[made["name"]]), 201)

    @routes.delete("/crm/v3/properties/{name}/{prop}")
    async def drop_property(name: str, prop: str) -> Response:
        custom = sandbox.switches.get("hubspot.properties", {}).get(typed(name).name, {})
        if custom.pop(prop, None) is None:
            raise not_found()
        sandbox.keep_switches()
        return Response(status_code=204)

    @routes.get("/crm/v3/pipelines/{name}")
    async def pipelines(name: str) -> Response:
        found = [_pipeline(n, order) for order, n in enumerate(LABELS)] if typed(name).name == "deals" else []
        return reply({"results": found})

    @routes.get("/account-info/v3/details")
    async def details() -> Response:
        return reply({"portalId": PORTAL, "accountType": "STANDARD", "timeZone": "UTC", "companyCurrency": "USD",
                      "additionalCurrencies": [], "utcOffset": "+00:00", "utcOffsetMilliseconds": 0,
                      "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"})  # fmt: skip

    @routes.get("/account-info/v3/api-usage/daily/private-apps")
    async def usage() -> Response:
        count = sandbox.limits.take("hubspot.daily")
        tomorrow = datetime.fromtimestamp(sandbox.now() / 1000, UTC).date() + timedelta(days=1)
        return reply({"results": [{"name": "private-apps-api-calls-daily", "usageLimit": count.limit,
                                   "currentUsage": count.limit - count.remaining, "collectedAt": iso_ms(sandbox.now()),
                                   "fetchStatus": "SUCCESS", "resetsAt": f"{tomorrow}T00:00:00Z"}]})  # fmt: skip

    return routes


def _checked_property(body: Any) -> dict[str, Any]:
    needed = ("name", "label", "type", "fieldType", "groupName")
    missing = [name for name in needed if not isinstance(body, dict) or not body.get(name)]
    if missing:
        raise bad_json(f"Some required fields were not set: {missing}")
    if body["type"] not in FIELD_TYPES or not re.fullmatch(r"[a-z][a-z0-9_]{0,99}", body["name"]):
        raise error(400, f"Invalid property definition: {body['name']} of type {body['type']}")
    options = body.get("options") or []
    return {
        "name": body["name"],
        "label": body["label"],
        "type": body["type"],
        "hasUniqueValue": bool(body.get("hasUniqueValue", False)),
        "options": [option["value"] for option in options],
        "option_labels": [option["label"] for option in options],
    }
