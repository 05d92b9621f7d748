"""The records API: read, create, update, delete and upsert single records and lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, parse_moment, read_json, reply
from include.sandbox.salesforce import ids
from include.sandbox.salesforce.errors import error, not_found
from include.sandbox.salesforce.guard import Guard
from include.sandbox.salesforce.query import attributes
from include.sandbox.salesforce.rows import RECYCLE_BIN, Entry, datetime_text, entries, fields_of, value
from include.sandbox.salesforce.schema import SOBJECTS, Field, SObject, find
from include.sandbox.world.records import Change

MOST = 200
_LISTS = "/services/data/{version}/composite/sobjects"
_ONE = "/services/data/{version}/sobjects/{name}"
# A task can refer to one of several objects.
_ALSO = {"WhatId": ("Account", "Opportunity")}
# Values that Salesforce fills in for a task.
_DEFAULTS = {"Task": {"Status": "Not Started", "Priority": "Normal"}}
_REQUIRED = {"Account": "Name", "Contact": "LastName", "Opportunity": "Name"}


def router(sandbox: Sandbox) -> APIRouter:
    """Return the records API."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])

    @routes.post(_ONE)
    async def create(request: Request, name: str) -> Response:
        sobject = _writable(name)
        number = _insert(sandbox, sobject, _checked(sandbox, sobject, await _object(request), None))
        return reply({"id": ids.encode(sobject.prefix, number), "success": True, "errors": []}, 201)

    @routes.get(_ONE + "/deleted")
    async def deleted(request: Request, name: str) -> Response:
        return reply(_deleted(sandbox, _known(name), request))

    @routes.get(_ONE + "/{one}")
    async def read(request: Request, version: str, name: str, one: str) -> Response:
        sobject = _known(name)
        return reply(_shown(sandbox, sobject, version, _find(sandbox, sobject, one), request))

    @routes.patch(_ONE + "/{one}")
    async def update(request: Request, name: str, one: str) -> Response:
        sobject = _writable(name)
        entry = _find(sandbox, sobject, one)
        _write(sandbox, sobject, entry.number, _checked(sandbox, sobject, await _object(request), entry))
        return Response(status_code=204)

    @routes.delete(_ONE + "/{one}")
    async def delete(name: str, one: str) -> Response:
        sobject = _writable(name)
        number = _find(sandbox, sobject, one).number
        sandbox.store.write(sobject.kind, number, Change(sandbox.now(), op="delete"))
        return Response(status_code=204)

    @routes.get(_ONE + "/{field}/{key}")
    async def read_by_key(request: Request, version: str, name: str, field: str, key: str) -> Response:
        sobject = _known(name)
        found = _by_key(sandbox, sobject, _external(sandbox, sobject, field), key)
        if not found:
            raise not_found()
        return reply(_shown(sandbox, sobject, version, found[0], request))

    @routes.patch(_ONE + "/{field}/{key}")
    async def upsert(request: Request, version: str, name: str, field: str, key: str) -> Response:
        sobject = _writable(name)
        external = _external(sandbox, sobject, field)
        found = _by_key(sandbox, sobject, external, key)
        if len(found) > 1:
            return reply([attributes(sobject, each.number, version)["url"] for each in found], 300)
        body = await _object(request)
        if external.name in body:
            raise _field_error(external, "INVALID_FIELD", f"The {external.name} field should not be specified in the "
                               "sobject data.")  # fmt: skip
        if not found and request.query_params.get("updateOnly") == "true":
            raise not_found()
        number = _upserted(sandbox, sobject, external, key, body, found)
        answer = {"id": ids.encode(sobject.prefix, number), "success": True, "errors": [], "created": not found}
        return reply(answer, 200 if found else 201)

    @routes.post(_LISTS)
    async def create_many(request: Request) -> Response:
        def one(record: dict[str, Any], is_trial: bool) -> dict[str, Any]:
            sobject = _writable(str((record.get("attributes") or {}).get("type", "")))
            values = _checked(sandbox, sobject, record, None)
            number = 0 if is_trial else _insert(sandbox, sobject, values)
            return {"id": ids.encode(sobject.prefix, number), "success": True, "errors": []}

        return reply(_each(await _list(request), one))

    @routes.patch(_LISTS)
    async def update_many(request: Request) -> Response:
        def one(record: dict[str, Any], is_trial: bool) -> dict[str, Any]:
            sobject = _writable(str((record.get("attributes") or {}).get("type", "")))
            given = {field: each for field, each in record.items() if field.lower() != "id"}
            entry = _find(sandbox, sobject, str(record.get("id") or record.get("Id") or ""))
            values = _checked(sandbox, sobject, given, entry)
            if not is_trial:
                _write(sandbox, sobject, entry.number, values)
            return {"id": ids.encode(sobject.prefix, entry.number), "success": True, "errors": []}

        return reply(_each(await _list(request), one))

    @routes.patch(_LISTS + "/{name}/{field}")
    async def upsert_many(request: Request, name: str, field: str) -> Response:
        sobject = _writable(name)
        external = _external(sandbox, sobject, field)
        body = await _list(request)
        keys = [str(record.get(external.name) or "") for record in body["records"]]

        def one(record: dict[str, Any], is_trial: bool) -> dict[str, Any]:
            key = str(record.get(external.name) or "")
            if not key:
                raise _field_error(external, "MISSING_ARGUMENT", f"{external.name} not specified")
            if keys.count(key) > 1:
                raise _field_error(external, "DUPLICATE_VALUE", f"Duplicate external id specified: {key}")
            found = _by_key(sandbox, sobject, external, key)
            if len(found) > 1:
                raise _field_error(external, "DUPLICATE_EXTERNAL_ID", f"{external.name}: more than one record found")
            given = {field: each for field, each in record.items() if field != external.name}
            if is_trial:
                _checked(sandbox, sobject, given, found[0] if found else None)
                return {}
            number = _upserted(sandbox, sobject, external, key, given, found)
            return {"id": ids.encode(sobject.prefix, number), "success": True, "errors": [], "created": not found}

        return reply(_each(body, one))

    return routes


def _each(body: dict[str, Any], one: Callable[[dict[str, Any], bool], dict[str, Any]]) -> list[dict[str, Any]]:
    """Process all records in order. With ``allOrNone``, one failure rolls back all."""
    if body.get("allOrNone"):
        tried = [_result(record, one, is_trial=True) for record in body["records"]]
        if any("statusCode" in str(each) for each in tried):
            rolled = {"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "fields": [],
                      "message": "Record rolled back because not all records were valid and the request was using "
                      "AllOrNone header"}  # fmt: skip
            return [each if each.get("errors") else {"success": False, "errors": [rolled]} for each in tried]
    return [_result(record, one, is_trial=False) for record in body["records"]]


def _result(
    record: dict[str, Any], one: Callable[[dict[str, Any], bool], dict[str, Any]], is_trial: bool
) -> dict[str, Any]:
    try:
        return one(record, is_trial)
    except Refusal as refusal:
        message = refusal.body[0]
        given = {"statusCode": message["errorCode"], "message": message["message"], "fields": message.get("fields", [])}
        return {"success": False, "errors": [given]}


async def _object(request: Request) -> dict[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise error(400, "JSON_PARSER_ERROR", "Unexpected end of the request body, an object is expected")
    return body


async def _list(request: Request) -> dict[str, Any]:
    body = await _object(request)
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise error(400, "REQUIRED_FIELD_MISSING", "records is required")
    if len(records) > MOST:
        raise error(400, "INVALID_INPUT", f"Number of records {len(records)} exceeds the limit of {MOST}")
    return body


def _known(name: str) -> SObject:
    sobject = find(name)
    if sobject is None:
        raise not_found()
    return sobject


def _writable(name: str) -> SObject:
    sobject = _known(name)
    if not sobject.writable:
        raise error(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be changed: {name}")
    return sobject


def _find(sandbox: Sandbox, sobject: SObject, one: str) -> Entry:
    number = ids.decode(one, sobject.prefix)
    entry = entries(sandbox, sobject).get(number) if number is not None else None
    if entry is None:
        raise not_found()
    if entry.deleted is not None:
        raise error(404, "ENTITY_IS_DELETED", "entity is deleted", [])
    return entry


def _external(sandbox: Sandbox, sobject: SObject, name: str) -> Field:
    field = next((each for each in fields_of(sandbox, sobject).values() if each.name.lower() == name.lower()), None)
    if field is None or not field.unique:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def _by_key(sandbox: Sandbox, sobject: SObject, field: Field, key: str) -> list[Entry]:
    return [
        each
        for each in entries(sandbox, sobject).values()
        if each.deleted is None and str(each.values.get(field.source) or "").lower() == key.lower()
    ]


def _upserted(
    sandbox: Sandbox, sobject: SObject, external: Field, key: str, body: dict[str, Any], found: list[Entry]
) -> int:
    values = _checked(sandbox, sobject, body, found[0] if found else None)
    if found:
        return _write(sandbox, sobject, found[0].number, values)
    return _insert(sandbox, sobject, {**values, external.source: key})


def _insert(sandbox: Sandbox, sobject: SObject, values: dict[str, Any]) -> int:
    number = sandbox.store.next_id(sobject.kind)
    return _write(sandbox, sobject, number, {**_DEFAULTS.get(sobject.name, {}), **values})


def _write(sandbox: Sandbox, sobject: SObject, number: int, values: dict[str, Any]) -> int:
    sandbox.store.write(sobject.kind, number, Change(sandbox.now(), values))
    return number


def _checked(sandbox: Sandbox, sobject: SObject, body: dict[str, Any], entry: Entry | None) -> dict[str, Any]:
    """Return the world's fields for the written values."""
    known = {name.lower(): field for name, field in fields_of(sandbox, sobject).items()}
    values: dict[str, Any] = {}
    for name, given in body.items():
        if name == "attributes":
            continue
        field = known.get(name.lower())
        if field is None:
            raise error(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        if field.read_only or not field.source:
            code = "INVALID_FIELD_FOR_INSERT_UPDATE"
            raise _field_error(field, code, f"Unable to create/update fields: {field.name}. Please check the security "
                               "settings of this field and verify that it is read/write for your profile.")  # fmt: skip
        values[field.source] = _stored(sandbox, sobject, field, given, entry)
    required = _REQUIRED.get(sobject.name)
    if entry is None and required and not body.get(required):
        raise _field_error(sobject.fields[required], "REQUIRED_FIELD_MISSING", f"Required fields are missing: "
                           f"[{required}]")  # fmt: skip
    return values


def _stored(sandbox: Sandbox, sobject: SObject, field: Field, given: Any, entry: Entry | None) -> Any:
    if given is None or given == "":
        return ""
    if field.type == "reference":
        return _referred(sandbox, sobject, field, str(given))
    if field.type == "boolean" and not isinstance(given, bool):
        raise error(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of boolean from {given!r}")
    if field.type in ("double", "currency") and (isinstance(given, bool) or not isinstance(given, int | float)):
        raise error(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {field.type} from {given!r}")
    if field.type == "date":
        try:
            return date.fromisoformat(str(given)[:10]).isoformat()
        except ValueError:
            raise error(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of date from {given!r}") from None
    text = given if isinstance(given, bool | int | float) else str(given)
    if isinstance(text, str) and field.length and len(text) > field.length:
        message = f"{field.name}: data value too large: {text[:40]} (max length={field.length})"
        raise _field_error(field, "STRING_TOO_LONG", message)
    if field.unique:
        others = [
            each for each in _by_key(sandbox, sobject, field, str(text)) if not entry or each.number != entry.number
        ]
        if others:
            one = ids.encode(sobject.prefix, others[0].number)
            raise error(400, "DUPLICATE_VALUE", f"duplicate value found: {field.name} duplicates value on record with "
                        f"id: {one}", [])  # fmt: skip
    return next((ours for ours, theirs in field.words.items() if theirs == text), text)


def _referred(sandbox: Sandbox, sobject: SObject, field: Field, given: str) -> Any:
    """Resolve a reference. A task keeps the id as text; the world's kinds keep the number."""
    if not ids.is_id(given):
        raise _field_error(field, "MALFORMED_ID", f"{field.name}: id value of incorrect type: {given}")
    for name in _ALSO.get(field.name, (field.to,)):
        target = SOBJECTS[name]
        number = ids.decode(given, target.prefix)
        entry = entries(sandbox, target).get(number) if number is not None else None
        if entry is None:
            continue
        if entry.deleted is not None:
            raise _field_error(field, "ENTITY_IS_DELETED", "entity is deleted")
        if target.name == "User" and not entry.values.get("_is_active", True):
            message = f"operation performed with inactive user [{ids.full(given)}] as owner of {sobject.name.lower()}"
            raise _field_error(field, "INACTIVE_OWNER_OR_USER", message)
        return ids.full(given) if sobject.kind == "sf_task" else entry.number
    raise _field_error(field, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


def _field_error(field: Field, code: str, message: str) -> Refusal:
    return error(400, code, message, [field.name])


def _shown(sandbox: Sandbox, sobject: SObject, version: str, entry: Entry, request: Request) -> dict[str, Any]:
    known = fields_of(sandbox, sobject)
    wanted = request.query_params.get("fields")
    names = wanted.split(",") if wanted else list(known)
    for name in names:
        if name not in known:
            raise error(400, "INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'")
    row: dict[str, Any] = {"attributes": attributes(sobject, entry.number, version)}
    return row | {name: value(sandbox, sobject, entry, known[name]) for name in names}


def _deleted(sandbox: Sandbox, sobject: SObject, request: Request) -> dict[str, Any]:
    start, end = (parse_moment(request.query_params.get(name, "").replace(" ", "+")) for name in ("start", "end"))
    if start is None or end is None or start >= end:
        raise error(400, "INVALID_QUERY_FILTER_OPERATOR", "start and end are required, start before end")
    found = [each for each in entries(sandbox, sobject).values() if each.deleted and start <= each.deleted < end]
    return {
        "deletedRecords": [
            {"id": ids.encode(sobject.prefix, each.number), "deletedDate": datetime_text(each.deleted or 0)}
            for each in found
        ],
        "earliestDateAvailable": datetime_text(sandbox.now() - RECYCLE_BIN),
        "latestDateCovered": datetime_text(min(end, sandbox.now())),
    }
