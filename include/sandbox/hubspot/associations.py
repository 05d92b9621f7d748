"""Associations, derived from the records' own fields in both directions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import iso_ms, read_json, reply
from include.sandbox.hubspot.errors import bad_json, error, not_found, page_not_found
from include.sandbox.hubspot.guard import Guard
from include.sandbox.hubspot.schema import ASSOCIATION_TYPES, ObjectType, find_type
from include.sandbox.store import Item
from include.sandbox.world.records import Change

# kind: (field, kind that it refers to). The first company is the primary one.
LINKS = {
    "contact": (("company", "company"),),
    "deal": (("company", "company"), ("contacts", "contact")),
    "line_item": (("deal", "deal"), ("subscription", "subscription")),
    "subscription": (("company", "company"), ("contact", "contact")),
    "call": (("company", "company"), ("contact", "contact")),
    "meeting": (("company", "company"), ("contact", "contact")),
    "email": (("company", "company"), ("contact", "contact")),
    "note": (("company", "company"), ("contact", "contact")),
    "invoice": (("company", "company"), ("contact", "contact")),
    "feedback": (("company", "company"), ("contact", "contact")),
    "milestone": (("company", "company"),),
    "objective": (("company", "company"),),
}
LABELS = {1: "Primary", 2: "Primary", 5: "Primary", 6: "Primary"}
MOST_INPUTS = 1000
PAGE = 500


def forward(item: Item, to_kind: str) -> list[int]:
    """Return the ids of a kind that a record itself refers to."""
    found: list[int] = []
    for name, kind in LINKS.get(item.kind, ()):
        value = item.values.get(name)
        if kind == to_kind and value:
            found += value if isinstance(value, list) else [int(value)]
    return found + [int(number) for number in item.values.get("associations", {}).get(to_kind, [])]


def _index(sandbox: Sandbox, from_kind: str, to_kind: str) -> dict[int, list[int]]:
    """Return record id -> ids of the records that refer to it; cached until something changes."""
    kept = sandbox.__dict__.setdefault("_association_index", {})
    key = (from_kind, to_kind)
    if key not in kept or kept[key][0] != sandbox.store.version:
        index: dict[int, list[int]] = {}
        for item in sandbox.store.live(from_kind):
            for number in forward(item, to_kind):
                index.setdefault(number, []).append(item.id)
        kept[key] = (sandbox.store.version, index)
    return kept[key][1]


def associated(sandbox: Sandbox, item: Item, to_kind: str) -> list[tuple[int, bool]]:
    """Return the live associated records of a kind, as (id, is primary)."""
    items = sandbox.store.items(to_kind)
    own = forward(item, to_kind)
    primary = own[:1] if (item.kind, to_kind) in (("contact", "company"), ("deal", "company")) else []
    others = _index(sandbox, to_kind, item.kind).get(item.id, []) if to_kind != item.kind else []
    found = []
    for number in dict.fromkeys([*own, *others]):
        if number in items and items[number].deleted_at is None:
            backward = item.kind == "company" and to_kind in ("contact", "deal")
            found.append((number, number in primary or (backward and number in others)))
    return found


def types_of(from_kind: str, to_kind: str, is_primary: bool) -> list[dict[str, Any]]:
    """Return the association types between two records, as in responses."""
    plain, primary = ASSOCIATION_TYPES[from_kind, to_kind]
    numbers = [primary, plain] if is_primary and primary else [plain]
    return [{"category": "HUBSPOT_DEFINED", "typeId": number, "label": LABELS.get(number)} for number in numbers]


def _pair(from_name: str, to_name: str) -> tuple[ObjectType, ObjectType]:
    from_type, to_type = find_type(from_name), find_type(to_name)
    if not from_type or not to_type or (from_type.kind, to_type.kind) not in ASSOCIATION_TYPES:
        raise error(400, f"Unable to infer object type from: {to_name if from_type else from_name}")
    return from_type, to_type


def _entries(sandbox: Sandbox, item: Item, to_kind: str) -> list[dict[str, Any]]:
    as_number = sandbox.switches.get("hubspot.numeric_association_ids", False)
    return [
        {"toObjectId": number if as_number else str(number), "associationTypes": types_of(item.kind, to_kind, primary)}
        for number, primary in associated(sandbox, item, to_kind)
    ]


def _paged(entries: list[dict[str, Any]], after: str | None, limit: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    start = int(after) if after and after.isdigit() else 0
    page = entries[start : start + limit]
    more = {"paging": {"next": {"after": str(start + limit), "link": "?after=" + str(start + limit)}}}
    return page, more if start + limit < len(entries) else {}


def router(sandbox: Sandbox) -> APIRouter:
    """Return the associations API."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])

    @routes.get("/crm/v4/objects/{from_name}/{number}/associations/{to_name}")
    async def of_one(request: Request, from_name: str, number: str, to_name: str) -> Response:
        from_type, to_type = _pair(from_name, to_name)
        sandbox.now()
        item = sandbox.store.items(from_type.kind).get(int(number)) if number.isdigit() else None
        if item is None or item.deleted_at is not None:
            raise not_found()
        limit = request.query_params.get("limit", str(PAGE))
        if not limit.isdigit() or not 0 < int(limit) <= PAGE:
            raise error(400, f"limit must be between 1 and {PAGE}")
        page, more = _paged(_entries(sandbox, item, to_type.kind), request.query_params.get("after"), int(limit))
        return reply({"results": page, **more})

    @routes.post("/crm/v4/associations/{from_name}/{to_name}/batch/{verb}")
    async def batch(request: Request, from_name: str, to_name: str, verb: str) -> Response:
        from_type, to_type = _pair(from_name, to_name)
        now = sandbox.now()
        inputs = await _inputs(request)
        handler = {"read": _read_one, "create": _create_one}.get(verb)
        if handler is None:
            raise page_not_found()
        results, errors = [], []
        for each in inputs:
            result, problem = handler(sandbox, from_type, to_type, each)
            results += [result] if result else []
            errors += [problem] if problem else []
        return _batch_answer(now, results, errors, 200 if verb == "read" else 201)

    @routes.post("/crm/v4/associations/{from_name}/{to_name}/batch/associate/default")
    async def batch_default(request: Request, from_name: str, to_name: str) -> Response:
        from_type, to_type = _pair(from_name, to_name)
        now = sandbox.now()
        plain = [
            {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": ASSOCIATION_TYPES[from_type.kind, to_type.kind][0],
            }
        ]
        results, errors = [], []
        for each in await _inputs(request):
            _, problem = _create_one(sandbox, from_type, to_type, {**each, "types": plain})
            if problem:
                errors.append(problem)
            else:
                results.append({"from": each["from"], "to": each["to"], "associationSpec": plain[0]})
        return _batch_answer(now, results, errors, 200)

    @routes.put("/crm/v4/objects/{from_name}/{number}/associations/default/{to_name}/{to_number}")
    async def put_default(from_name: str, number: str, to_name: str, to_number: str) -> Response:
        from_type, to_type = _pair(from_name, to_name)
        now = sandbox.now()
        plain = {
            "associationCategory": "HUBSPOT_DEFINED",
            "associationTypeId": ASSOCIATION_TYPES[from_type.kind, to_type.kind][0],
        }
        each = {"from": {"id": number}, "to": {"id": to_number}, "types": [plain]}
        _, problem = _create_one(sandbox, from_type, to_type, each)
        results = [] if problem else [{"from": each["from"], "to": each["to"], "associationSpec": plain}]
        return _batch_answer(now, results, [problem] if problem else [], 200)

    return routes


async def _inputs(request: Request) -> list[dict[str, Any]]:
    body = await read_json(request)
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        raise bad_json("Some required fields were not set: [inputs]")
    if len(inputs) > MOST_INPUTS:
        raise error(400, f"Batch size of {len(inputs)} exceeds the limit of {MOST_INPUTS}")
    return inputs


def _batch_answer(now: int, results: list[Any], errors: list[Any], status: int) -> Response:
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": iso_ms(now),
        "completedAt": iso_ms(now),
    }
    if errors:
        return reply(body | {"numErrors": len(errors), "errors": errors}, 207)
    return reply(body, status)


def _read_one(sandbox: Sandbox, from_type: ObjectType, to_type: ObjectType, each: dict[str, Any]) -> tuple[Any, Any]:
    number = str(each.get("id", ""))
    item = sandbox.store.items(from_type.kind).get(int(number)) if number.isdigit() else None
    entries = _entries(sandbox, item, to_type.kind) if item and item.deleted_at is None else []
    if not entries:
        return None, {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
            "message": f"No {to_type.singular} is associated with {from_type.singular} {number}.",
            "context": {
                "fromObjectId": [number],
                "fromObjectType": [from_type.singular],
                "toObjectType": [to_type.singular],
            },
        }
    page, more = _paged(entries, each.get("after"), PAGE)
    return {"from": {"id": number}, "to": page, **more}, None


def _create_one(sandbox: Sandbox, from_type: ObjectType, to_type: ObjectType, each: dict[str, Any]) -> tuple[Any, Any]:
    """Create one association. Only records made through the API, such as tasks, can be associated through it."""
    numbers = [str((each.get(end) or {}).get("id", "")) for end in ("from", "to")]
    for number, kind in zip(numbers, (from_type, to_type), strict=True):
        item = sandbox.store.items(kind.kind).get(int(number)) if number.isdigit() else None
        if item is None or item.deleted_at is not None:
            return None, {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": f"{kind.singular.upper()}={number} is not valid",
            }
    wanted = [spec.get("associationTypeId") for spec in each.get("types") or []]
    if not set(wanted) & set(ASSOCIATION_TYPES[from_type.kind, to_type.kind]):
        return None, {
            "status": "error",
            "category": "VALIDATION_ERROR",
            "message": f"Invalid association types {wanted} between {from_type.singular} and {to_type.singular}",
        }
    first, second = (int(number) for number in numbers)
    if to_type.kind == "task":
        associate(sandbox, second, {from_type.kind: [first]})
    else:
        associate(sandbox, first, {to_type.kind: [second]}, from_type.kind)
    labels = [label for number in wanted if (label := LABELS.get(number))]
    return {
        "fromObjectTypeId": from_type.type_id,
        "fromObjectId": numbers[0],
        "toObjectTypeId": to_type.type_id,
        "toObjectId": numbers[1],
        "labels": labels,
    }, None


def associate(sandbox: Sandbox, number: int, more: dict[str, list[int]], kind: str = "task") -> None:
    """Add associations to a record made through the API, without moving its modification date."""
    item = sandbox.store.items(kind)[number]
    merged = {name: list(ids) for name, ids in item.values.get("associations", {}).items()}
    for name, ids in more.items():
        merged[name] = list(dict.fromkeys([*merged.get(name, []), *ids]))
    if merged != item.values.get("associations", {}):
        sandbox.store.write(kind, number, Change(sandbox.now(), {"associations": merged}, quiet=True))
