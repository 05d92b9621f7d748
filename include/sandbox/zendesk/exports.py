"""The incremental exports: by cursor for tickets and users, by time for organisations as well."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import reply
from include.sandbox.store import Item
from include.sandbox.zendesk import audits, render
from include.sandbox.zendesk.guard import Guard, error

MOST_PER_PAGE = 1000
WITHHELD_SECONDS = 60
T = TypeVar("T")
SHOW: dict[str, tuple[str, Callable[[Sandbox, Item], dict[str, Any]]]] = {
    "tickets": ("ticket", render.ticket),
    "users": ("support_user", render.user),
    "organizations": ("organization", render.organization),
}


def router(sandbox: Sandbox) -> APIRouter:
    """Return the export API."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])
    updates = audits.Updates(sandbox)

    @routes.get("/api/v2/incremental/ticket_events")
    async def events(request: Request) -> Response:
        start, per_page = _start_time(sandbox, request), _per_page(request)
        newest = sandbox.now() // 1000 - WITHHELD_SECONDS
        waiting = [update for update in updates.ordered() if start <= update.at <= newest]
        page = _whole_seconds([update.at for update in waiting], waiting, per_page)
        with_comments = "comment_events" in _included(request)
        body = {"ticket_events": [audits.exported(update, with_comments) for update in page]}
        return _by_time("ticket_events", body, page[-1].at if page else None, len(waiting), per_page)

    @routes.get("/api/v2/incremental/{name}/cursor")
    async def by_cursor(request: Request, name: str) -> Response:
        if name not in ("tickets", "users"):
            raise error(404, "InvalidEndpoint", "Not found")
        cursor = request.query_params.get("cursor")
        after = _decoded(cursor) if cursor else (_start_time(sandbox, request) - 1, 2**62)
        per_page = _per_page(request)
        waiting = [item for item in _ordered(sandbox, name, request) if (render.generated(item), item.id) > after]
        page = waiting[:per_page]
        last = (render.generated(page[-1]), page[-1].id) if page else after
        body = _body(sandbox, request, name, page)
        encoded = _encoded(*last)
        body["after_cursor"] = encoded
        body["after_url"] = render.url(f"incremental/{name}/cursor.json?cursor={encoded}&per_page={per_page}")
        body["before_cursor"] = body["before_url"] = None
        body["end_of_stream"] = len(waiting) <= per_page
        return reply(body)

    @routes.get("/api/v2/incremental/{name}")
    async def by_time(request: Request, name: str) -> Response:
        if name not in SHOW:
            raise error(404, "InvalidEndpoint", "Not found")
        start, per_page = _start_time(sandbox, request), _per_page(request)
        waiting = [item for item in _ordered(sandbox, name, request) if render.generated(item) >= start]
        page = _whole_seconds([render.generated(item) for item in waiting], waiting, per_page)
        end = render.generated(page[-1]) if page else None
        return _by_time(name, _body(sandbox, request, name, page), end, len(waiting), per_page)

    return routes


def _by_time(name: str, body: dict[str, Any], end: int | None, n_waiting: int, per_page: int) -> Response:
    n_rows = len(body[name])
    link = f"incremental/{name}.json?per_page={per_page}&start_time={end}"
    body |= {"count": n_rows, "end_time": end, "next_page": render.url(link) if n_rows else None}
    return reply(body | {"end_of_stream": n_rows == n_waiting})


def _included(request: Request) -> set[str]:
    return {part for text in request.query_params.getlist("include") for part in text.split(",") if part}


def _start_time(sandbox: Sandbox, request: Request) -> int:
    text = request.query_params.get("start_time", "")
    if not text.isdigit():
        raise error(400, "InvalidValue", "Invalid start_time, it must be a Unix epoch time")
    if int(text) > sandbox.now() // 1000 - WITHHELD_SECONDS:
        raise error(422, "InvalidValue", "Too recent start_time. Use a start_time older than 60 seconds")
    return int(text)


def _per_page(request: Request) -> int:
    text = request.query_params.get("per_page", str(MOST_PER_PAGE))
    if not text.isdigit() or not 1 <= int(text) <= MOST_PER_PAGE:
        raise error(400, "InvalidValue", f"Invalid per_page, it must be between 1 and {MOST_PER_PAGE}")
    return int(text)


def _ordered(sandbox: Sandbox, name: str, request: Request) -> list[Item]:
    """Return the rows of an export, by export timestamp. The last minute of tickets is withheld."""
    newest = sandbox.now() // 1000 - (WITHHELD_SECONDS if name == "tickets" else 0)
    kind = SHOW[name][0]
    hide_deleted = request.query_params.get("exclude_deleted") == "true"
    found = [
        item
        for item in sandbox.store.items(kind).values()
        if render.generated(item) <= newest and not (hide_deleted and item.deleted_at)
    ]
    return sorted(found, key=lambda item: (render.generated(item), item.id))


def _whole_seconds(times: list[int], waiting: list[T], per_page: int) -> list[T]:
    """Return a page that ends with a whole second. It may exceed the requested size, but never the maximum."""
    size = per_page
    while size < min(len(waiting), MOST_PER_PAGE) and times[size] == times[size - 1]:
        size += 1
    return waiting[:size]


def _body(sandbox: Sandbox, request: Request, name: str, page: list[Item]) -> dict[str, Any]:
    rows = [SHOW[name][1](sandbox, item) for item in page]
    include = _included(request)
    body: dict[str, Any] = {name: rows}
    if name != "tickets":
        return body
    if "metric_sets" in include:
        for row, item in zip(rows, page, strict=True):
            row["metric_set"] = render.metric_set(sandbox, item)
    for wanted, field in (("users", "requester_id"), ("organizations", "organization_id")):
        if wanted in include:
            kind, show = SHOW[wanted]
            items = sandbox.store.items(kind)
            numbers = dict.fromkeys(row[field] for row in rows)
            body[wanted] = [show(sandbox, items[number]) for number in numbers if number in items]
    return body


def _encoded(at: int, number: int) -> str:
    """Return the cursor after a row. It is opaque to clients."""
    number = 0 if number == 2**62 else number
    return base64.b64encode(f"{at}.0||{number}|".encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[int, int]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), validate=True).decode()
        at, _, rest = text.partition(".0||")
        number = int(rest.rstrip("|"))
        return int(at), number or 2**62
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise error(400, "InvalidCursor", "The cursor is not valid") from None
