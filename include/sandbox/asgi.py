"""The outermost layer of the server: addresses made uniform, headers added, calls counted, faults played."""

from __future__ import annotations

from collections import Counter
from typing import Any

from include.sandbox.faults import Faults

LONGEST_URL = 8000
TOO_LONG = b"<html><head><title>414 Request-URI Too Large</title></head><body><h1>414</h1></body></html>"


class Outer:
    """Wraps the application.

    Args:
        app: The ASGI application.
        faults: Decides which calls go wrong, and how.
    """

    def __init__(self, app: Any, faults: Faults) -> None:
        self.app = app
        self.faults = faults
        self.calls: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI event."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith("/zendesk/") and path.endswith(".json"):
            # The desk answers with and without the suffix; the routes know only the latter.
            scope = {**scope, "path": path.removesuffix(".json")}
        extra: dict[str, str] = {}
        scope["extra_headers"] = extra
        vendor = path.split("/")[1]
        self.calls[vendor] += 1
        self.calls[f"{scope['method']} {path}"] += 1
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_URL:
            await send({"type": "http.response.start", "status": 414, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": TOO_LONG})
            return

        async def with_headers(event: Any) -> None:
            if event["type"] == "http.response.start":
                event["headers"] = [*event["headers"], *((k.encode(), v.encode()) for k, v in extra.items())]
            await send(event)

        # uvicorn's `send` belongs to the call's own object, which knows the connection.
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        await self.faults.play(self.app, scope, receive, with_headers, transport)
