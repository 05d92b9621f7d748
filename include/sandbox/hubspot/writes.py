"""Writes of records: mainly tasks, and properties of other records."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, parse_moment, read_json, reply
from include.sandbox.hubspot.associations import associate
from include.sandbox.hubspot.errors import bad_json, error, invalid_values, not_found
from include.sandbox.hubspot.guard import Guard
from include.sandbox.hubspot.objects import batch_answer, batch_body, find, typed
from include.sandbox.hubspot.render import properties_of, show
from include.sandbox.hubspot.schema import ASSOCIATION_TYPES, ObjectType, Property
from include.sandbox.store import Item
from include.sandbox.world.records import Change


def router(sandbox: Sandbox) -> APIRouter:
    """Return the API that writes records."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])

    @routes.post("/crm/v3/objects/{name}")
    async def create(request: Request, name: str) -> Response:
        kind = typed(name)
        item = _create(sandbox, kind, await read_json(request))
        return reply(show(sandbox, kind, item, everything=True), 201,
                     {"Location": f"https://api.hubapi.com/crm/v3/objects/{kind.name}/{item.id}"})  # fmt: skip

    @routes.patch("/crm/v3/objects/{name}/{number}")
    async def update(request: Request, name: str, number: str) -> Response:
        kind = typed(name)
        body = await read_json(request)
        item = find(sandbox, kind, number, request.query_params.get("idProperty"))
        if item is None:
            raise not_found()
        return reply(show(sandbox, kind, _update(sandbox, kind, item, _properties(body)), everything=True))

    @routes.delete("/crm/v3/objects/{name}/{number}")
    async def archive(name: str, number: str) -> Response:
        _archive(sandbox, typed(name), number)
        return Response(status_code=204)

    @routes.post("/crm/v3/objects/{name}/batch/archive")
    async def batch_archive(request: Request, name: str) -> Response:
        kind = typed(name)
        for each in (await batch_body(request))["inputs"]:
            _archive(sandbox, kind, str(each.get("id", "")))
        return Response(status_code=204)

    @routes.post("/crm/v3/objects/{name}/batch/create")
    async def batch_create(request: Request, name: str) -> Response:
        kind = typed(name)
        return _batch(sandbox, kind, await batch_body(request), 201, lambda each: (_create(sandbox, kind, each), True))

    @routes.post("/crm/v3/objects/{name}/batch/update")
    async def batch_update(request: Request, name: str) -> Response:
        kind = typed(name)

        def one(each: dict[str, Any]) -> tuple[Item, bool]:
            item = find(sandbox, kind, str(each.get("id", "")), each.get("idProperty"))
            if item is None:
                raise error(404, f"Could not find {kind.singular} {each.get('id')}", "OBJECT_NOT_FOUND")
            return _update(sandbox, kind, item, _properties(each)), False

        return _batch(sandbox, kind, await batch_body(request), 200, one)

    @routes.post("/crm/v3/objects/{name}/batch/upsert")
    async def batch_upsert(request: Request, name: str) -> Response:
        kind = typed(name)
        body = await batch_body(request)
        keys = [str(each.get("id", "")) for each in body["inputs"]]
        if len(set(keys)) < len(keys):
            raise error(400, "Duplicate IDs found in batch input: ids must be unique within one call")
        return _batch(sandbox, kind, body, 200, lambda each: _upsert(sandbox, kind, each), is_upsert=True)

    return routes


def _batch(
    sandbox: Sandbox, kind: ObjectType, body: dict[str, Any], status: int, one: Any, is_upsert: bool = False
) -> Response:
    """Process all inputs. A failed one is reported and does not stop the others."""
    now = sandbox.now()
    results, errors = [], []
    for each in body["inputs"]:
        trace = each.get("objectWriteTraceId")
        try:
            item, is_new = one(each)
        except Refusal as refusal:
            context = {"ids": [str(each.get("id", ""))], **({"objectWriteTraceId": [trace]} if trace else {})}
            errors.append({**refusal.body, "context": context})
            continue
        shown = show(sandbox, kind, item, everything=True)
        if is_upsert:
            shown["new"] = is_new
        if trace:
            shown["objectWriteTraceId"] = trace
        results.append(shown)
    if errors and not results:
        raise Refusal(400, errors[0])
    if sandbox.switches.get("hubspot.shuffle_batches"):
        results.reverse()  # responses need not follow the order of the inputs
    return batch_answer(now, results, errors, status)


def _upsert(sandbox: Sandbox, kind: ObjectType, each: dict[str, Any]) -> tuple[Item, bool]:
    """Create or update by a unique property. Associations are ignored here, as in the real API."""
    name, key = each.get("idProperty"), str(each.get("id", ""))
    if not name:
        raise error(400, "idProperty must be set for upserts")
    if not key:
        raise bad_json("Some required fields were not set: [id]")
    item = find(sandbox, kind, key, name)
    written = {**_properties(each), name: key}
    if item is not None:
        return _update(sandbox, kind, item, written), False
    return _insert(sandbox, kind, written, {}), True


def _properties(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not isinstance(body.get("properties"), dict):
        raise bad_json("Some required fields were not set: [properties]")
    return body["properties"]


def _create(sandbox: Sandbox, kind: ObjectType, body: Any) -> Item:
    written = _properties(body)
    if not isinstance(body.get("associations"), list):
        raise bad_json("Some required fields were not set: [associations]")
    return _insert(sandbox, kind, written, _ties(sandbox, kind, body["associations"]))


def _ties(sandbox: Sandbox, kind: ObjectType, given: list[Any]) -> dict[str, list[int]]:
    """Return a new record's associations. An unsuitable type id is silently dropped, as in the real API."""
    found: dict[str, list[int]] = {}
    for each in given:
        number = str(((each or {}).get("to") or {}).get("id", "")) if isinstance(each, dict) else ""
        if not number.isdigit() or not isinstance(each.get("types"), list):
            raise bad_json("Cannot build PublicAssociationsForObject: to.id and types are required")
        for spec in each["types"]:
            to_kind = _kind_of_type(kind, spec.get("associationTypeId") if isinstance(spec, dict) else None)
            if to_kind is None:
                continue
            item = sandbox.store.items(to_kind).get(int(number))
            if item is None or item.deleted_at is not None:
                raise error(400, f"{to_kind.upper()}={number} is not valid")
            found.setdefault(to_kind, []).append(int(number))
    return found


def _kind_of_type(kind: ObjectType, number: Any) -> str | None:
    for (from_kind, to_kind), numbers in ASSOCIATION_TYPES.items():
        if from_kind == kind.kind and number and int(number) in numbers:
            return to_kind
    return None


def _insert(sandbox: Sandbox, kind: ObjectType, written: dict[str, Any], ties: dict[str, list[int]]) -> Item:
    now = sandbox.now()
    values = _checked(sandbox, kind, written, None)
    if kind.name == "tasks":
        if not values.get("hs_timestamp"):
            raise error(400, 'Error creating TASK. Some required properties were not set.',
                        errors=[{"message": "hs_timestamp is required", "code": "REQUIRED_PROPERTY"}])  # fmt: skip
        values = {"hs_task_status": "NOT_STARTED", "hs_task_priority": "NONE", "hs_task_type": "TODO", **values}
    number = sandbox.store.next_id(kind.kind)
    sandbox.store.write(kind.kind, number, Change(now, values))
    if ties:
        associate(sandbox, number, ties, kind.kind)
    return sandbox.store.items(kind.kind)[number]


def _update(sandbox: Sandbox, kind: ObjectType, item: Item, written: dict[str, Any]) -> Item:
    values = _checked(sandbox, kind, written, item)
    if values.get("hs_task_status") == "COMPLETED":
        values.setdefault("hs_task_completion_date", str(sandbox.now()))
    if any(item.values.get(name) != value for name, value in values.items()):
        sandbox.store.write(kind.kind, item.id, Change(sandbox.now(), values))
    return sandbox.store.items(kind.kind)[item.id]


def _archive(sandbox: Sandbox, kind: ObjectType, number: str) -> None:
    item = find(sandbox, kind, number)
    if item is not None:
        sandbox.store.write(kind.kind, item.id, Change(sandbox.now(), op="delete"))


def _checked(sandbox: Sandbox, kind: ObjectType, written: dict[str, Any], item: Item | None) -> dict[str, Any]:
    """Return the world's fields for written properties, or refuse them all."""
    known = properties_of(kind, sandbox)
    problems: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for name, value in written.items():
        prop = known.get(name)
        if prop is None:
            problems.append(_problem(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", name))
        elif prop.read_only:
            problems.append(_problem(f"{name} is read only", "READ_ONLY_VALUE", name))
        elif complaint := _complaint(sandbox, kind, prop, value, item):
            problems.append(_problem(complaint[1], complaint[0], name))
        else:
            values[prop.source or name] = "" if value is None else str(value)
    if problems:
        raise invalid_values(problems)
    return values


def _problem(message: str, code: str, name: str) -> dict[str, Any]:
    return {"isValid": False, "message": message, "error": code, "name": name}


def _complaint(
    sandbox: Sandbox, kind: ObjectType, prop: Property, value: Any, item: Item | None
) -> tuple[str, str] | None:
    if value is None or value == "":
        return None
    text = str(value)
    if prop.type in ("datetime", "date") and parse_moment(text) is None:
        return "INVALID_LONG", f"{text} was not a valid long."
    if prop.type == "number":
        try:
            Decimal(text)
        except InvalidOperation:
            return "INVALID_NUMBER", f"{text} was not a valid number."
    if prop.type == "bool" and text not in ("true", "false"):
        return "INVALID_BOOLEAN", f"{text} was not a valid boolean."
    if prop.options and any(part not in prop.options for part in text.split(";")):
        return "INVALID_OPTION", f"{text} was not one of the allowed options: {list(prop.options)}"
    if prop.name == "hubspot_owner_id" and not _is_owner(sandbox, text):
        return "INVALID_OWNER_ID", f"The owner id {text} is not valid or is not active."
    if len(text) > 65_536:
        return "INVALID_STRING_LENGTH", "the value is longer than 65536 characters"
    if prop.unique:
        other = sandbox.store.find(kind.kind, prop.source or prop.name, text)
        if other is not None and (item is None or other.id != item.id):
            return "CONFLICTING_UNIQUE_VALUE", f"{text} already belongs to another {kind.singular}: {other.id}"
    return None


def _is_owner(sandbox: Sandbox, number: str) -> bool:
    item = sandbox.store.items("owner").get(int(number)) if number.isdigit() else None
    return item is not None and item.deleted_at is None
