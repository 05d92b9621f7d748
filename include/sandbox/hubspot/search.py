"""The search API: separate from the lists, with its own limits, a lagging index, and quirks."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, parse_moment, read_json, reply
from include.sandbox.hubspot.associations import associated
from include.sandbox.hubspot.errors import bad_json, error
from include.sandbox.hubspot.guard import Guard
from include.sandbox.hubspot.objects import typed
from include.sandbox.hubspot.render import properties_of, show, value_of
from include.sandbox.hubspot.schema import ObjectType, Property, find_type
from include.sandbox.store import Item

MOST_PER_PAGE, MOST_RESULTS, MOST_GROUPS, MOST_FILTERS, MOST_FILTERS_IN_ALL = 200, 10_000, 5, 6, 18
OPERATORS = {"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY",
             "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}  # fmt: skip
Test = Callable[[Item], bool]


def router(sandbox: Sandbox) -> APIRouter:
    """Return the search API."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])
    last = _LastSearch()

    @routes.post("/crm/v3/objects/{name}/search")
    async def search(request: Request, name: str) -> Response:
        kind = typed(name)
        body = await read_json(request)
        if not isinstance(body, dict):
            raise bad_json("the body is not an object")
        limit, after = _page(body)
        found = last.found(sandbox, kind, body)
        results = [show(sandbox, kind, item, body.get("properties")) for item in found[after : after + limit]]
        answer: dict[str, Any] = {"total": len(found), "results": results}
        if after + limit < len(found):
            answer["paging"] = {"next": {"after": str(after + limit)}}
        return reply(answer)

    return routes


class _LastSearch:
    """Caches the last search's result: the next request is usually its next page."""

    def __init__(self) -> None:
        self._key: Any = None
        self._found: list[Item] = []

    def found(self, sandbox: Sandbox, kind: ObjectType, body: dict[str, Any]) -> list[Item]:
        """Return all records that match a search, in its order."""
        sandbox.now()
        asked = orjson.dumps([body.get(name) for name in ("filterGroups", "filters", "query", "sorts")])
        key = None if _lag(sandbox) else (kind.name, sandbox.store.version, asked)
        if key is None or key != self._key:
            self._key, self._found = key, _found(sandbox, kind, body)
        return self._found


def _found(sandbox: Sandbox, kind: ObjectType, body: dict[str, Any]) -> list[Item]:
    groups = [_group(sandbox, kind, group) for group in _groups(body)]
    indexed = _indexed(sandbox, kind)
    found = [item for item in indexed if not groups or any(all(test(item) for test in group) for group in groups)]
    if query := str(body.get("query") or "").lower():
        found = [i for i in found if any(query in str(v).lower() for v in i.values.values())]
    return _sorted(sandbox, kind, found, body.get("sorts") or [])


def _lag(sandbox: Sandbox) -> int:
    """Return the index lag in milliseconds."""
    return int(float(sandbox.switches.get("hubspot.index_lag_seconds", 0)) * 1000)


def _page(body: dict[str, Any]) -> tuple[int, int]:
    limit, after = body.get("limit", 10), body.get("after") or "0"
    if not isinstance(limit, int) or not 1 <= limit <= MOST_PER_PAGE:
        raise error(400, f"There was a problem with the request: limit must be between 1 and {MOST_PER_PAGE}")
    if not str(after).isdigit():
        raise error(400, f"There was a problem with the request: invalid paging token {after}")
    if int(after) + limit > MOST_RESULTS:
        raise error(400, f"The maximum number of results is {MOST_RESULTS}: paging beyond it is not allowed")
    return limit, int(after)


def _groups(body: dict[str, Any]) -> list[dict[str, Any]]:
    groups = body.get("filterGroups") or ([{"filters": body["filters"]}] if body.get("filters") else [])
    if not isinstance(groups, list) or not all(
        isinstance(g, dict) and isinstance(g.get("filters"), list) for g in groups
    ):
        raise bad_json("filterGroups must be a list of objects with filters")
    counts = [len(group["filters"]) for group in groups]
    if len(groups) > MOST_GROUPS or max(counts, default=0) > MOST_FILTERS or sum(counts) > MOST_FILTERS_IN_ALL:
        raise error(
            400, f"Too many filters: at most {MOST_GROUPS} groups of {MOST_FILTERS}, {MOST_FILTERS_IN_ALL} in all"
        )
    return groups


def _indexed(sandbox: Sandbox, kind: ObjectType) -> list[Item]:
    """Return the index's content: live records as of its last update."""
    now = sandbox.now()
    live = list(sandbox.store.live(kind.kind))
    lag = _lag(sandbox)
    if not lag:
        return live
    seen = (item.as_of(now - lag) for item in live)
    return [item for item in seen if item is not None and item.deleted_at is None]


def _group(sandbox: Sandbox, kind: ObjectType, group: dict[str, Any]) -> list[Test]:
    return [_test(sandbox, kind, each) for each in group["filters"]]


def _test(sandbox: Sandbox, kind: ObjectType, each: dict[str, Any]) -> Test:
    name, operator = each.get("propertyName"), each.get("operator")
    if not isinstance(name, str) or operator not in OPERATORS:
        raise bad_json(f"Cannot deserialize value of type Filter: operator {operator!r}, property {name!r}")
    if name.startswith("associations."):
        return _association_test(sandbox, name.partition(".")[2], each)
    prop = properties_of(kind, sandbox).get(name)
    if prop is None:
        problem = {"message": f"Property '{name}' does not exist", "code": "PROPERTY_DOESNT_EXIST"}
        raise error(400, "There was a problem with the request.", errors=[problem])

    def read(item: Item) -> str | None:
        return value_of(sandbox, kind, item, prop) or None

    if operator == "HAS_PROPERTY":
        return lambda item: read(item) is not None
    if operator == "NOT_HAS_PROPERTY":
        return lambda item: read(item) is None
    if operator in ("IN", "NOT_IN"):
        values = each.get("values")
        if not isinstance(values, list) or not values:
            raise error(400, f"operator {operator} requires values")
        wanted = {str(value).lower() for value in values}
        return lambda item: ((read(item) or "").lower() in wanted) == (operator == "IN")
    if "value" not in each:
        raise error(400, f"operator {operator} requires a value")
    low, high = str(each["value"]), str(each.get("highValue", ""))
    if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
        pattern = re.compile(r"(^|\W)" + re.escape(low.lower()).replace(r"\*", r"\w*") + r"(\W|$)")
        return lambda item: bool(pattern.search((read(item) or "").lower())) == (operator == "CONTAINS_TOKEN")
    return _comparison(prop, operator, low, high, _comparer(sandbox, kind, prop))


def _association_test(sandbox: Sandbox, name: str, each: dict[str, Any]) -> Test:
    to_type = find_type(name)
    if to_type is None or each["operator"] not in ("EQ", "IN"):
        raise error(400, f"Cannot search by associations.{name}")
    wanted = {str(value) for value in each.get("values") or [each.get("value")]}
    return lambda item: any(str(number) in wanted for number, _ in associated(sandbox, item, to_type.kind))


def _comparer(sandbox: Sandbox, kind: ObjectType, prop: Property) -> Callable[[Item], Any]:
    """Return a reader of a property's comparable value, with shortcuts for common properties."""
    if prop.name == kind.modified:
        return lambda item: item.updated_at
    if prop.name == kind.created:
        return lambda item: item.created_at
    if prop.name == "hs_object_id":
        return lambda item: item.id
    return lambda item: comparable(prop, value_of(sandbox, kind, item, prop))


def _comparison(prop: Property, operator: str, low: str, high: str, read: Callable[[Item], Any]) -> Test:
    bound = comparable(prop, low)
    if bound is None:
        raise error(400, f"Invalid value {low!r} for property {prop.name} of type {prop.type}")
    if prop.type == "datetime" and bound == 0 and operator in ("GT", "GTE", "BETWEEN"):
        # The real service fails when asked from the beginning of time.
        raise Refusal(500, {"status": "error", "message": "internal error", "correlationId": "0"})
    if operator == "BETWEEN":
        top = comparable(prop, high)
        if top is None:
            raise error(400, "operator BETWEEN requires value and highValue")
        return lambda item: (value := read(item)) is not None and bound <= value <= top
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "EQ": lambda a, b: a == b, "NEQ": lambda a, b: a != b, "LT": lambda a, b: a < b, "LTE": lambda a, b: a <= b,
        "GT": lambda a, b: a > b, "GTE": lambda a, b: a >= b,
    }  # fmt: skip
    test = compare[operator]
    return lambda item: (value := read(item)) is not None and test(value, bound)


def comparable(prop: Property, text: str | None) -> Any:
    """Return a property's comparable value; None if it is not valid for its type."""
    if text is None or text == "":
        return None
    if prop.type in ("datetime", "date"):
        return parse_moment(text)
    if prop.type == "number":
        try:
            return Decimal(text.replace(",", ""))
        except InvalidOperation:
            return None
    return text.lower()


def _sorted(sandbox: Sandbox, kind: ObjectType, found: list[Item], sorts: list[Any]) -> list[Item]:
    if len(sorts) > 1:
        raise error(400, "Only one sort is allowed")
    if not sorts:
        return sorted(found, key=lambda item: (item.created_at, item.id))
    given = sorts[0]
    if isinstance(given, str):  # as in the published specification; "-name" for descending
        name, descending = given.lstrip("-"), given.startswith("-")
    else:
        name, descending = given.get("propertyName"), given.get("direction", "ASCENDING") == "DESCENDING"
    prop = properties_of(kind, sandbox).get(name)
    if prop is None:
        raise error(400, f"Property '{name}' does not exist")
    read = _comparer(sandbox, kind, prop)
    keyed = [(read(item), item) for item in found]
    with_value = [pair for pair in keyed if pair[0] is not None]
    without = [item for value, item in keyed if value is None]
    # Ties have no defined order in HubSpot: descending by id here, so that nobody relies on it.
    with_value.sort(key=lambda pair: -pair[1].id)
    with_value.sort(key=lambda pair: pair[0], reverse=descending)
    return [item for _, item in with_value] + without
