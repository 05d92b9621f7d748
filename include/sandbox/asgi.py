"""The outermost layer of the server: normalises URLs, adds headers, counts calls, applies faults."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from include.sandbox.faults import Faults

LONGEST_URL = 8000
LONGEST_URL_OF = {"salesforce": 16_384}
# HubSpot publishes its paths a second time under dated versions: the same responses at other URLs.
DATED = (
    (re.compile(r"^/hubspot/crm/objects/20\d\d-\d\d/"), "/hubspot/crm/v3/objects/"),
    (re.compile(r"^/hubspot/crm/associations/20\d\d-\d\d/"), "/hubspot/crm/v4/associations/"),
)
TOO_LONG = b"<html><head><title>414 Request-URI Too Large</title></head><body><h1>414</h1></body></html>"


def _uniform(path: str) -> str:
    """Return a path in the form that the routes use."""
    if path.startswith("/zendesk/"):
        return path.removesuffix(".json")  # Zendesk accepts paths with and without the suffix
    if path.startswith("/salesforce/"):
        return path.rstrip("/")  # Salesforce accepts paths with and without a trailing slash
    for pattern, usual in DATED:
        path = pattern.sub(usual, path)
    return path


class Gateway:
    """Wraps the application.

    Args:
        app: The ASGI application.
        faults: Active faults.
    """

    def __init__(self, app: Any, faults: Faults) -> None:
        self.app = app
        self.faults = faults
        self.calls: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = _uniform(scope["path"])
        scope = {**scope, "path": path}
        extra: dict[str, str] = {}
        scope["extra_headers"] = extra
        vendor = path.split("/")[1]
        self.calls[vendor] += 1
        self.calls[f"{scope['method']} {path}"] += 1
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_URL_OF.get(vendor, LONGEST_URL):
            await send({"type": "http.response.start", "status": 414, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": TOO_LONG})
            return

        async def with_headers(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
            await send(event)

        # uvicorn's `send` is a method of the call's own object, which knows the connection.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        await self.faults.play(self.app, scope, receive, with_headers, transport)
