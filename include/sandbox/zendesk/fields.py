"""The fields of tickets, users and organisations. The switch ``zendesk.fields`` adds custom ones."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import reply
from include.sandbox.zendesk import render
from include.sandbox.zendesk.guard import Guard

# The system fields of every account.
_SYSTEM = {
    "ticket_fields": ("subject", "description", "status", "tickettype", "priority", "group", "assignee"),
    "user_fields": (),
    "organization_fields": (),
}
_FIRST = 360_011_737_434


def router(sandbox: Sandbox) -> APIRouter:
    """Return the fields API."""
    routes = APIRouter(dependencies=[Depends(Guard(sandbox))])

    def listing(name: str) -> Any:
        async def listed(request: Request) -> Response:
            system = [_field(name, _FIRST + number, kind, kind.title()) for number, kind in enumerate(_SYSTEM[name])]
            own = [_field(name, one["id"], one["type"], one["title"]) for one in _own(sandbox, name)]
            body: dict[str, Any] = {name: system + own}
            if "page[size]" in request.query_params:
                return reply(body | {"meta": {"has_more": False, "after_cursor": None, "before_cursor": None},
                                     "links": {"prev": None, "next": None}})  # fmt: skip
            return reply(body | {"next_page": None, "previous_page": None, "count": len(body[name])})

        return listed

    for name in _SYSTEM:
        routes.add_api_route(f"/api/v2/{name}", listing(name), methods=["GET"])
    return routes


def _own(sandbox: Sandbox, name: str) -> list[dict[str, Any]]:
    return (sandbox.switches.get("zendesk.fields") or {}).get(name, [])


def _field(name: str, number: int, kind: str, title: str) -> dict[str, Any]:
    return {
        "url": render.url(f"{name}/{number}.json"),
        "id": number,
        "type": kind,
        "title": title,
        "raw_title": title,
        "description": "",
        "position": number - _FIRST,
        "active": True,
        "created_at": "2018-11-23T16:05:12Z",
        "updated_at": "2018-11-24T10:54:05Z",
    }
