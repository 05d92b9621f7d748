"""Reads of records: lists by id, single records, batches."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import iso_ms, read_json, reply
from include.sandbox.hubspot.associations import associated
from include.sandbox.hubspot.errors import bad_json, error, not_found, page_not_found
from include.sandbox.hubspot.guard import Guard
from include.sandbox.hubspot.render import properties_of, show
from include.sandbox.hubspot.schema import ASSOCIATION_TYPES, ObjectType, find_type
from include.sandbox.store import Item

MOST_LISTED, MOST_WITH_HISTORY, MOST_IN_BATCH = 100, 50, 100


def typed(name: str) -> ObjectType:
    """Return the object type of a path segment, or refuse."""
    kind = find_type(name)
    if kind is None:
        raise error(400, f"Unable to infer object type from: {name}")
    return kind


def _names(request: Request, parameter: str) -> list[str]:
    return [name for text in request.query_params.getlist(parameter) for name in text.split(",") if name]


def flag(request: Request, parameter: str) -> bool:
    """Return a boolean parameter, or refuse."""
    text = request.query_params.get(parameter, "false").lower()
    if text not in ("true", "false"):
        raise error(400, f"{parameter} must be true or false")
    return text == "true"


def _limit(request: Request, default: int, most: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise error(400, f"Property limit: must be between 1 and {most}, but was {text}")
    return int(text)


def find(sandbox: Sandbox, kind: ObjectType, number: str, id_property: str | None = None) -> Item | None:
    """Return a live record by its id or by the value of a unique property."""
    if id_property and id_property != "hs_object_id":
        prop = properties_of(kind, sandbox).get(id_property)
        if prop is None or not prop.unique:
            raise error(400, f"Property {id_property} is not a unique identifier property of {kind.singular}")
        return sandbox.store.find(kind.kind, prop.source or prop.name, number)
    item = sandbox.store.items(kind.kind).get(int(number)) if number.isdigit() else None
    return item if item and item.deleted_at is None else None


def _associated(sandbox: Sandbox, item: Item, wanted: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in wanted:
        to_type = typed(name)
        shown = [
            {"id": str(number), "type": label}
            for number, is_primary in associated(sandbox, item, to_type.kind)
            for label in _labels(item.kind, to_type.kind, is_primary)
        ]
        if shown:
            found[to_type.name] = {"results": shown}
    return {"associations": found} if found else {}


def _labels(from_kind: str, to_kind: str, is_primary: bool) -> list[str]:
    """Return the labels of an association in a list. A primary one has two, as recorded in public code."""
    name = f"{from_kind}_to_{to_kind}"
    if not ASSOCIATION_TYPES.get((from_kind, to_kind), (0, 0))[1]:
        return [name]
    return [name, f"{name}_unlabeled"] if is_primary else [f"{name}_unlabeled"]


def router(sandbox: Sandbox) -> APIRouter:
    """Return the API that reads records."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])

    @routes.get("/crm/v3/objects/{name}")
    async def listed(request: Request, name: str) -> Response:
        kind = typed(name)
        sandbox.now()
        history = _names(request, "propertiesWithHistory")
        limit = _limit(request, 10, MOST_WITH_HISTORY if history else MOST_LISTED)
        after = request.query_params.get("after", "0")
        if not after.isdigit():
            raise error(400, f"Invalid paging token: {after}")
        archived = flag(request, "archived")
        items = sandbox.store.items(kind.kind)
        numbers = [n for n in sandbox.store.ordered(kind.kind)
                   if n >= int(after) and (items[n].deleted_at is not None) == archived]  # fmt: skip
        wanted, ties = _names(request, "properties"), _names(request, "associations")
        results = [
            show(sandbox, kind, items[n], wanted, history) | _associated(sandbox, items[n], ties)
            for n in numbers[:limit]
        ]
        return reply({"results": results, **_paging(kind, numbers, limit)})

    @routes.get("/crm/v3/objects/{name}/{number}")
    async def single(request: Request, name: str, number: str) -> Response:
        kind = typed(name)
        sandbox.now()
        if flag(request, "archived"):
            item = sandbox.store.items(kind.kind).get(int(number)) if number.isdigit() else None
            item = item if item and item.deleted_at is not None else None
        else:
            item = find(sandbox, kind, number, request.query_params.get("idProperty"))
        if item is None:
            raise not_found()
        wanted, history = _names(request, "properties"), _names(request, "propertiesWithHistory")
        return reply(
            show(sandbox, kind, item, wanted, history) | _associated(sandbox, item, _names(request, "associations"))
        )

    @routes.post("/crm/v3/objects/{name}/batch/read")
    async def batch_read(request: Request, name: str) -> Response:
        kind = typed(name)
        body = await batch_body(request)
        if body.get("propertiesWithHistory") and len(body["inputs"]) > MOST_WITH_HISTORY:
            message = "The maximum number of inputs supported in a batch request for property histories is"
            raise error(400, f"{message} {MOST_WITH_HISTORY}. Please reduce the number of items and try again")
        id_property, archived = body.get("idProperty"), flag(request, "archived")
        now = sandbox.now()
        found: list[Item] = []
        missing: list[str] = []
        for each in body["inputs"]:
            number = str(each.get("id", ""))
            if archived:
                candidate = sandbox.store.items(kind.kind).get(int(number)) if number.isdigit() else None
                item = candidate if candidate and candidate.deleted_at is not None else None
            else:
                item = find(sandbox, kind, number, id_property)
            if item is None:
                missing.append(number)
            else:
                found.append(item)
        results = [show(sandbox, kind, item, body.get("properties"), body.get("propertiesWithHistory"))
                   for item in found]  # fmt: skip
        return batch_answer(now, results, _not_found(kind, missing))

    @routes.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def elsewhere(path: str) -> Response:
        raise page_not_found()

    return routes


async def batch_body(request: Request) -> dict[str, Any]:
    """Return the validated body of a batch call."""
    body = await read_json(request)
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list):
        raise bad_json("Some required fields were not set: [inputs]")
    if not body["inputs"] or not all(isinstance(each, dict) for each in body["inputs"]):
        raise bad_json("inputs must not be empty")
    if len(body["inputs"]) > MOST_IN_BATCH:
        raise error(400, f"Batch size of {len(body['inputs'])} exceeds the limit of {MOST_IN_BATCH}")
    return body


def batch_answer(now: int, results: list[Any], errors: list[Any], status: int = 200) -> Response:
    """Return the response of a batch call: 207 if any input failed."""
    body: dict[str, Any] = {
        "status": "COMPLETE",
        "results": results,
        "startedAt": iso_ms(now),
        "completedAt": iso_ms(now),
    }
    if errors:
        return reply(body | {"numErrors": len(errors), "errors": errors}, 207)
    return reply(body, status)


def _not_found(kind: ObjectType, missing: list[Any]) -> list[dict[str, Any]]:
    if not missing:
        return []
    return [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": f"Could not get some {kind.singular.upper()} objects, they may be deleted or not exist. "
            "Check that ids are valid.",
            "context": {"ids": missing},
        }
    ]


def _paging(kind: ObjectType, numbers: list[int], limit: int) -> dict[str, Any]:
    if len(numbers) <= limit:
        return {}
    after = str(numbers[limit - 1] + 1)
    # As in the real API, the link uses another path and host: clients must use `after` instead of following it.
    link = f"https://api.hubapi.com/crm/objects/v3/{kind.name}?offset_param=after&limit={limit}&after={after}"
    return {"paging": {"next": {"after": after, "link": link}}}
