"""The query API: SOQL runs on the current records, and pages have locators that expire after two days."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import parse_moment, reply
from include.sandbox.salesforce import ids, soql
from include.sandbox.salesforce.errors import error
from include.sandbox.salesforce.guard import Guard
from include.sandbox.salesforce.rows import Entry, entries, fields_of, value
from include.sandbox.salesforce.schema import SOBJECTS, Field, SObject, find
from include.sandbox.world.records import DAY

MOST_ROWS, FEWEST_ROWS = 2000, 200
MOST_OFFSET = 2000
CURSOR_LIFE = 2 * DAY
_KINDS = {"double": "number", "currency": "number", "percent": "number", "int": "number", "boolean": "boolean",
          "date": "date", "datetime": "datetime"}  # fmt: skip
Read = Callable[[Entry], Any]


@dataclass
class Cursor:
    """The stored result of a query.

    Args:
        query: The query.
        numbers: The records found, in order.
        made_at: Time of the query, in the world's time.
        rows: Page size.
    """

    query: soql.Query
    numbers: list[int]
    made_at: int
    rows: int


def router(sandbox: Sandbox) -> APIRouter:
    """Return the query API."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])
    cursors: dict[str, Cursor] = {}

    @routes.get("/services/data/{version}/query")
    async def query(request: Request, version: str) -> Response:
        return reply(_first_page(sandbox, cursors, version, request, is_all=False))

    @routes.get("/services/data/{version}/queryAll")
    async def query_all(request: Request, version: str) -> Response:
        return reply(_first_page(sandbox, cursors, version, request, is_all=True))

    @routes.get("/services/data/{version}/query/{locator}")
    @routes.get("/services/data/{version}/queryAll/{locator}")
    async def more(version: str, locator: str) -> Response:
        key, _, start = locator.rpartition("-")
        cursor = cursors.get(key)
        if cursor is None or not start.isdigit() or cursor.made_at + CURSOR_LIFE <= sandbox.now():
            raise error(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return reply(_page(sandbox, version, key, cursor, int(start)))

    return routes


def _first_page(
    sandbox: Sandbox, cursors: dict[str, Cursor], version: str, request: Request, is_all: bool
) -> dict[str, Any]:
    text = request.query_params.get("q")
    if not text:
        raise error(400, "MALFORMED_QUERY", "A query string has to be specified")
    query = soql.parse(text)
    numbers = run(sandbox, query, is_all)
    if not query.fields:
        return {"totalSize": len(numbers), "done": True, "records": []}
    key = f"01gSB0{len(cursors):09d}AAA"
    cursors[key] = Cursor(query, numbers, sandbox.now(), _page_rows(sandbox, request))
    return _page(sandbox, version, key, cursors[key], 0)


def _page_rows(sandbox: Sandbox, request: Request) -> int:
    wanted = re.search(r"batchSize\s*=\s*(\d+)", request.headers.get("Sforce-Query-Options", ""))
    if wanted:
        return min(MOST_ROWS, max(FEWEST_ROWS, int(wanted[1])))
    return int(sandbox.switches.get("salesforce.page_rows", MOST_ROWS))


def _page(sandbox: Sandbox, version: str, key: str, cursor: Cursor, start: int) -> dict[str, Any]:
    sobject = _sobject(cursor.query.sobject)
    found = entries(sandbox, sobject)
    end = start + cursor.rows
    # As in Salesforce, the query fixes the set of rows; their values are read with each page.
    live = [found[number] for number in cursor.numbers[start:end] if number in found]
    is_done = end >= len(cursor.numbers)
    answer: dict[str, Any] = {"totalSize": len(cursor.numbers), "done": is_done}
    if not is_done:
        answer["nextRecordsUrl"] = f"/services/data/{version}/query/{key}-{end}"
    reads = [(name.split("."), _reader(sandbox, sobject, name)) for name in cursor.query.fields]
    answer["records"] = [_shown(sandbox, sobject, version, entry, reads) for entry in live]
    return answer


def _shown(
    sandbox: Sandbox, sobject: SObject, version: str, entry: Entry, reads: list[tuple[list[str], Any]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"attributes": attributes(sobject, entry.number, version)}
    for path, (read, names, parent) in reads:
        if len(path) == 1:
            row[names[0]] = read(entry)
            continue
        above = parent(entry)
        if above is None:
            row.setdefault(names[0], None)
        else:
            inner = row.get(names[0]) or {"attributes": attributes(above[0], above[1], version)}
            inner[names[1]] = read(entry)
            row[names[0]] = inner
    return row


def attributes(sobject: SObject, number: int, version: str) -> dict[str, str]:
    """Return the ``attributes`` of a record."""
    one = ids.encode(sobject.prefix, number)
    return {"type": sobject.name, "url": f"/services/data/{version}/sobjects/{sobject.name}/{one}"}


def _sobject(name: str) -> SObject:
    found = find(name)
    if found is None:
        raise error(
            400,
            "INVALID_TYPE",
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
            "the '__c' after the entity name.",
        )
    return found


def field_of(sandbox: Sandbox, sobject: SObject, name: str) -> Field:
    """Return an object's field.

    Raises:
        Refusal: There is no field of that name.
    """
    found = next(
        (each for each in fields_of(sandbox, sobject).values() if each.name.lower() == name.lower()),
        None,
    )
    if found is None:
        raise error(
            400,
            "INVALID_FIELD",
            f"No such column '{name}' on entity '{sobject.name}'. If you are attempting to use a custom field, be sure "
            "to append the '__c' after the custom field name.",
        )
    return found


def _resolve(sandbox: Sandbox, sobject: SObject, name: str) -> tuple[Field, Field | None, SObject]:
    """Return a field, the reference that leads to it (for a parent's field), and its object."""
    first, _, rest = name.partition(".")
    if not rest:
        return field_of(sandbox, sobject, first), None, sobject
    link = next((each for each in sobject.fields.values() if each.relation.lower() == first.lower()), None)
    if link is None or "." in rest:
        raise error(
            400,
            "INVALID_FIELD",
            f"Didn't understand relationship '{first}' in field path. If you are attempting to use a custom "
            "relationship, be sure to append the '__r' after the custom relationship name.",
        )
    parent = SOBJECTS[link.to]
    return field_of(sandbox, parent, rest), link, parent


def _reader(sandbox: Sandbox, sobject: SObject, name: str) -> tuple[Read, list[str], Any]:
    """Return a reader of a field, its path in the response, and a finder of its parent."""
    field, link, owner = _resolve(sandbox, sobject, name)
    if link is None:
        return lambda entry: value(sandbox, sobject, entry, field), [field.name], None
    above = entries(sandbox, owner)

    def parent(entry: Entry) -> tuple[SObject, int] | None:
        one = value(sandbox, sobject, entry, link)
        number = ids.decode(one, owner.prefix) if one else None
        return (owner, number) if number in above else None

    def read(entry: Entry) -> Any:
        found = parent(entry)
        return value(sandbox, owner, above[found[1]], field) if found else None

    return read, [link.relation, field.name], parent


def run(sandbox: Sandbox, query: soql.Query, is_all: bool) -> list[int]:
    """Return the numbers of the records that match a query, in its order."""
    sobject = _sobject(query.sobject)
    for name in query.fields:
        _resolve(sandbox, sobject, name)
    if query.offset > MOST_OFFSET:
        raise error(400, "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MOST_OFFSET}")
    test = _test(sandbox, sobject, query.where) if query.where else None
    found = [
        each
        for each in entries(sandbox, sobject).values()
        if (is_all or each.deleted is None) and (test is None or test(each))
    ]
    # Without ORDER BY, the order is arbitrary: descending here, so that nobody relies on it.
    found.sort(key=lambda each: -each.number)
    for order in reversed(query.orders):
        read = _comparable(sandbox, sobject, order.field)[0]
        keyed = [(read(each), each) for each in found]
        empty = [each for given, each in keyed if given is None]
        filled = [pair for pair in keyed if pair[0] is not None]
        filled.sort(key=lambda pair: pair[0], reverse=order.is_descending)
        rest = [each for _, each in filled]
        found = empty + rest if order.nulls_first else rest + empty
    end = None if query.limit is None else query.offset + query.limit
    return [each.number for each in found[query.offset : end]]


def _test(sandbox: Sandbox, sobject: SObject, condition: Any) -> Callable[[Entry], bool]:
    if isinstance(condition, soql.Group):
        parts = [_test(sandbox, sobject, part) for part in condition.parts]
        if condition.operator == "NOT":
            return lambda entry: not parts[0](entry)
        join = all if condition.operator == "AND" else any
        return lambda entry: join(part(entry) for part in parts)
    return _comparison(sandbox, sobject, condition)


def _comparable(sandbox: Sandbox, sobject: SObject, name: str) -> tuple[Read, Field]:
    """Return a reader of a field's comparable value."""
    field, link, _ = _resolve(sandbox, sobject, name)
    if link is None and field.name in ("SystemModstamp", "LastModifiedDate"):
        return lambda entry: entry.modified, field
    read = _reader(sandbox, sobject, name)[0]
    if field.type == "datetime":
        return lambda entry: parse_moment(given) if (given := read(entry)) else None, field
    if field.type == "date":
        return lambda entry: date.fromisoformat(given) if (given := read(entry)) else None, field
    if field.type in ("id", "reference"):
        return lambda entry: given[:15] if (given := read(entry)) else None, field
    if _KINDS.get(field.type):
        return read, field
    return lambda entry: str(given).lower() if (given := read(entry)) is not None else None, field


def _comparison(sandbox: Sandbox, sobject: SObject, test: soql.Test) -> Callable[[Entry], bool]:
    read, field = _comparable(sandbox, sobject, test.field)
    if field.type == "textarea":
        raise error(400, "INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call")
    wanted = [_wanted(field, each) for each in test.values]
    if test.operator in ("IN", "NOT IN"):
        members, is_in = set(wanted), test.operator == "IN"
        return lambda entry: (read(entry) in members) is is_in
    bound = wanted[0]
    if test.operator == "=":
        return lambda entry: read(entry) == bound
    if test.operator == "!=":
        return lambda entry: read(entry) != bound
    if bound is None or (field.type == "boolean"):
        raise error(400, "INVALID_QUERY_FILTER_OPERATOR", f"operator {test.operator} does not fit '{field.name}'")
    if test.operator == "LIKE":
        pattern = re.compile(re.escape(str(bound)).replace("%", ".*").replace("_", "."), re.DOTALL)
        return lambda entry: bool(pattern.fullmatch(str(read(entry) or "")))
    compare = {
        "<": lambda a: a < bound,
        "<=": lambda a: a <= bound,
        ">": lambda a: a > bound,
        ">=": lambda a: a >= bound,
    }
    holds = compare[test.operator]
    return lambda entry: (given := read(entry)) is not None and holds(given)


def _wanted(field: Field, given: soql.Value) -> Any:
    """Return a literal's comparable value, or refuse a literal of the wrong type."""
    kind = _KINDS.get(field.type, "text")
    if given.kind == "null":
        return None
    if given.kind != kind:
        quoted = "should not be enclosed in quotes" if given.kind == "text" else "should be enclosed in quotes"
        message = f"value of filter criterion for field '{field.name}' must be of type {field.type} and {quoted}"
        raise error(400, "INVALID_FIELD", message)
    if field.type in ("id", "reference"):
        if not ids.is_id(given.value):
            raise error(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {given.value}")
        return given.value[:15]
    return given.value.lower() if kind == "text" else given.value
