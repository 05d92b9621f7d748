"""Lists, single records, comments, ratings and search."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, iso_s, parse_moment, reply
from include.sandbox.store import Item
from include.sandbox.zendesk import audits, render
from include.sandbox.zendesk.exports import SHOW
from include.sandbox.zendesk.guard import EMAIL, Guard, error, not_found

PER_PAGE, MOST_OFFSET, MOST_FOUND = 100, 10_000, 1000
T = TypeVar("T")


def router(sandbox: Sandbox) -> APIRouter:
    """Return the API except the exports."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])
    updates = audits.Updates(sandbox)

    @routes.get("/api/v2/users/me")
    async def me() -> Response:
        sandbox.now()
        admin = next(sandbox.store.live("support_user"))
        return reply({"user": render.user(sandbox, admin) | {"email": EMAIL}})

    @routes.get("/api/v2/satisfaction_ratings")
    async def ratings(request: Request) -> Response:
        sandbox.now()
        since, until = _seconds(request, "start_time", 0), _seconds(request, "end_time", 2**40)
        found = [i for i in sandbox.store.live("rating") if since <= i.updated_at // 1000 <= until]
        found.sort(key=lambda item: (item.updated_at, item.id))
        return _paged(sandbox, request, "satisfaction_ratings", found, render.rating)

    @routes.get("/api/v2/ticket_metrics")
    async def metrics(request: Request) -> Response:
        return _paged(sandbox, request, "ticket_metrics", _listed(sandbox, "tickets"), render.metric_set)

    @routes.get("/api/v2/deleted_tickets")
    async def deleted(request: Request) -> Response:
        now = sandbox.now()
        found = [i for i in sandbox.store.items("ticket").values()
                 if i.deleted_at and i.deleted_at > now - 30 * 86_400_000]  # fmt: skip
        return _paged(sandbox, request, "deleted_tickets", found, _deleted)

    @routes.get("/api/v2/groups")
    async def groups(request: Request) -> Response:
        return reply({"groups": [{"url": render.url("groups/360004077472.json"), "id": 360_004_077_472,
                                  "name": "Support", "deleted": False, "created_at": "2018-11-23T16:05:12Z",
                                  "updated_at": "2018-11-23T16:05:15Z"}],
                      "next_page": None, "previous_page": None, "count": 1})  # fmt: skip

    @routes.get("/api/v2/search")
    async def search(request: Request) -> Response:
        return _search(sandbox, request)

    @routes.get("/api/v2/search/count")
    async def search_count(request: Request) -> Response:
        return reply({"count": len(_found(sandbox, request.query_params.get("query", "")))})

    @routes.get("/api/v2/tickets/{number}/comments")
    async def comments(request: Request, number: str) -> Response:
        item = _item(sandbox, "tickets", number)
        found = [c for c in sandbox.store.live("comment") if c.values["ticket"] == item.id]
        return _paged(sandbox, request, "comments", found, lambda _, comment: render.comment(comment))

    @routes.get("/api/v2/tickets/{number}/audits")
    async def ticket_audits(request: Request, number: str) -> Response:
        found = updates.of_ticket(_item(sandbox, "tickets", number).id)
        return _paged(sandbox, request, "audits", found, lambda _, update: audits.audit(update))

    @routes.get("/api/v2/tickets/{number}/metrics")
    async def metric(number: str) -> Response:
        return reply({"ticket_metric": render.metric_set(sandbox, _item(sandbox, "tickets", number))})

    @routes.get("/api/v2/organizations/{number}/merges")
    async def merges(request: Request, number: str) -> Response:
        sandbox.now()
        loser = int(number) if number.isdigit() else 0
        found = [item for item in sandbox.store.items("organization").values()
                 if loser in (item.values.get("merged_ids") or [])]  # fmt: skip
        return _paged(sandbox, request, "organization_merges", found[:1], lambda _, item: _merge_of(loser, item))

    @routes.get("/api/v2/{name}/show_many")
    async def many(request: Request, name: str) -> Response:
        if name not in SHOW:
            raise error(404, "InvalidEndpoint", "Not found")
        kind, show = SHOW[name]
        sandbox.now()
        wanted = [text for text in request.query_params.get("ids", "").split(",") if text.isdigit()]
        if len(wanted) > PER_PAGE:
            raise error(400, "TooManyIds", f"at most {PER_PAGE} ids")
        items = sandbox.store.items(kind)
        found = [items[int(text)] for text in wanted if int(text) in items and not items[int(text)].deleted_at]
        return reply({name: [show(sandbox, item) for item in found], "next_page": None, "previous_page": None,
                      "count": len(found)})  # fmt: skip

    @routes.get("/api/v2/{name}/count")
    async def count(name: str) -> Response:
        if name not in SHOW:
            raise error(404, "InvalidEndpoint", "Not found")
        return reply({"count": {"value": len(_listed(sandbox, name)), "refreshed_at": iso_s(sandbox.now())}})

    @routes.get("/api/v2/{name}/{number}")
    async def single(name: str, number: str) -> Response:
        item = _item(sandbox, name, number)
        return reply({SHOW[name][0].removeprefix("support_"): SHOW[name][1](sandbox, item)})

    @routes.get("/api/v2/{name}")
    async def listed(request: Request, name: str) -> Response:
        if name not in SHOW:
            raise error(404, "InvalidEndpoint", "Not found")
        found, show = _listed(sandbox, name), SHOW[name][1]
        sort = request.query_params.get("sort", "id")
        if sort.removeprefix("-") not in ("id", "updated_at"):
            raise _cursor_error("sort is not valid")
        if sort != "id":
            found.sort(key=lambda item: (item.updated_at, item.id), reverse=sort.startswith("-"))
        if name == "tickets" and "metric_sets" in request.query_params.get("include", ""):
            return _paged(sandbox, request, name, found, _with_metrics)
        return _paged(sandbox, request, name, found, show)

    @routes.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def elsewhere(path: str) -> Response:
        raise error(404, "InvalidEndpoint", "Not found")

    return routes


def _seconds(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise error(400, "InvalidValue", f"Invalid {name}")
    return int(text)


def _listed(sandbox: Sandbox, name: str) -> list[Item]:
    now = sandbox.now()
    found = list(sandbox.store.live(SHOW[name][0]))
    return [item for item in found if not render.is_archived(item, now)] if name == "tickets" else found


def _item(sandbox: Sandbox, name: str, number: str) -> Item:
    sandbox.now()
    if name not in SHOW:
        raise error(404, "InvalidEndpoint", "Not found")
    item = sandbox.store.items(SHOW[name][0]).get(int(number)) if number.isdigit() else None
    if item is None or item.deleted_at is not None:
        raise not_found()
    return item


def _merge_of(loser: int, winner: Item) -> dict[str, Any]:
    number = f"01HPZM{loser:020d}"
    return {"id": number, "url": render.url(f"organization_merges/{number}.json"), "status": "complete",
            "loser_id": loser, "winner_id": winner.id}  # fmt: skip


def _with_metrics(sandbox: Sandbox, item: Item) -> dict[str, Any]:
    return render.ticket(sandbox, item) | {"metric_set": render.metric_set(sandbox, item)}


def _deleted(_: Sandbox, item: Item) -> dict[str, Any]:
    return {"id": item.id, "subject": item.values["subject"], "description": item.values["description"],
            "deleted_at": iso_s(item.deleted_at or 0), "previous_state": item.values["status"]}  # fmt: skip


def _paged(
    sandbox: Sandbox, request: Request, name: str, found: list[T], show: Callable[[Sandbox, T], dict[str, Any]]
) -> Response:
    """Paginate by cursor if `page[size]` is given, else by page number, up to 10,000 rows."""
    if "page[size]" in request.query_params or "page[after]" in request.query_params:
        return _by_cursor(sandbox, request, name, found, show)
    page, per_page = request.query_params.get("page", "1"), request.query_params.get("per_page", str(PER_PAGE))
    if not page.isdigit() or not per_page.isdigit() or int(page) < 1 or int(per_page) < 1:
        raise error(400, "InvalidPaginationParameter", "page and per_page must be positive numbers")
    number, size = int(page), min(int(per_page), PER_PAGE)
    if number * size > MOST_OFFSET:
        raise error(400, "InvalidPaginationDepth", "Number of pages exceeds the limit; use cursor pagination")
    start = (number - 1) * size
    path = request.url.path.partition("/api/v2/")[2].removesuffix(".json")

    def link(to: int) -> str:
        return render.url(f"{path}.json?page={to}&per_page={size}")

    return reply(
        {
            name: [show(sandbox, item) for item in found[start : start + size]],
            "next_page": link(number + 1) if start + size < len(found) else None,
            "previous_page": link(number - 1) if number > 1 else None,
            "count": len(found),
        }
    )


def _by_cursor(
    sandbox: Sandbox, request: Request, name: str, found: list[T], show: Callable[[Sandbox, T], dict[str, Any]]
) -> Response:
    text = request.query_params.get("page[size]", str(PER_PAGE))
    if not text.isdigit() or not 1 <= int(text) <= PER_PAGE:
        raise _cursor_error("page[size] must be between 1 and 100")
    size = int(text)
    start = 0
    if after := request.query_params.get("page[after]"):
        try:
            start = int(base64.b64decode(after).decode().removeprefix("o"))
        except (ValueError, UnicodeDecodeError):
            raise _cursor_error("page[after] is not valid") from None
    page = found[start : start + size]
    more = start + size < len(found)
    cursor = base64.b64encode(f"o{start + len(page)}".encode()).decode() if page else None
    path = request.url.path.partition("/api/v2/")[2].removesuffix(".json")
    next_link = render.url(f"{path}.json?page%5Bafter%5D={cursor}&page%5Bsize%5D={size}") if more else None
    return reply(
        {
            name: [show(sandbox, item) for item in page],
            "meta": {"has_more": more, "after_cursor": cursor, "before_cursor": None},
            "links": {"prev": None, "next": next_link},
        }
    )


def _cursor_error(detail: str) -> Exception:
    return Refusal(
        400, {"errors": [{"code": "InvalidPaginationParameter", "title": "Invalid parameter", "detail": detail}]}
    )


def _search(sandbox: Sandbox, request: Request) -> Response:
    query = request.query_params.get("query", "")
    if not query:
        raise error(422, "invalid", "Invalid search: query cannot be blank")
    found = _found(sandbox, query)
    page = int(request.query_params.get("page", "1"))
    if page * PER_PAGE > MOST_FOUND:
        raise error(422, "invalid", "Invalid search: Requested response size was greater than Search Response Limits")
    start = (page - 1) * PER_PAGE
    more = start + PER_PAGE < len(found)
    return reply(
        {
            "results": [row for row, _ in found[start : start + PER_PAGE]],
            "facets": None,
            "next_page": render.url(f"search.json?page={page + 1}&query={query}") if more else None,
            "previous_page": None,
            "count": len(found),
        }
    )


def _found(sandbox: Sandbox, query: str) -> list[tuple[dict[str, Any], Item]]:
    """Search records. Supported terms: type, status, created or updated compared with a date, and words."""
    sandbox.now()
    terms = query.split()
    wanted = next((t.partition(":")[2] for t in terms if t.startswith("type:")), "ticket")
    names = {"ticket": "tickets", "user": "users", "organization": "organizations"}
    if wanted not in names:
        raise error(422, "invalid", f"Invalid search: unknown type {wanted}")
    kind, show = SHOW[names[wanted]]
    rows = [(show(sandbox, item) | {"result_type": wanted}, item) for item in sandbox.store.live(kind)]
    for term in terms:
        if not term.startswith("type:"):
            rows = [row for row in rows if _matches(row[0], row[1], term)]
    return rows


def _matches(row: dict[str, Any], item: Item, term: str) -> bool:
    dated = re.fullmatch(r"(created|updated)(>=|<=|>|<|:)(\S+)", term)
    if dated:
        at = item.created_at if dated[1] == "created" else item.updated_at
        bound = parse_moment(dated[3])
        if bound is None:
            raise error(422, "invalid", f"Invalid search: {term}")
        return {">": at > bound, "<": at < bound, ">=": at >= bound, "<=": at <= bound, ":": at == bound}[dated[2]]
    name, colon, value = term.partition(":")
    if colon:
        return str(row.get(name) or row.get(f"{name}_id") or "none").lower() == value.lower()
    return term.lower() in str(row.get("subject") or row.get("name") or "").lower()
