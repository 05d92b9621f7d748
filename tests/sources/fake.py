"""A fake transport: ``requests`` goes through all its own machinery, and a function answers instead of a network."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from include.sources.http.client import Client


class Request:
    """What was sent."""

    def __init__(self, sent: requests.PreparedRequest) -> None:
        parts = urlsplit(sent.url or "")
        self.method = sent.method
        self.url = sent.url or ""
        self.host = parts.hostname
        self.path = parts.path
        self.params = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = sent.headers
        is_json = str(sent.headers.get("Content-Type", "")).startswith("application/json")
        self.json: Any = orjson.loads(sent.body) if sent.body and is_json else None


Reply = tuple[int, Any] | tuple[int, Any, Mapping[str, str]]
Handler = Callable[[Request], "Reply | BaseException"]


class FakeAdapter(BaseAdapter):
    """Answers each request by a function: (status, JSON or bytes[, headers]), or an exception to raise."""

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self.handler = handler
        self.requests: list[Request] = []
        self.options: list[dict[str, Any]] = []
        self.bodies: list[Any] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        seen = Request(request)
        self.requests.append(seen)
        self.options.append(options)
        self.bodies.append(request.body)
        reply = self.handler(seen)
        if isinstance(reply, BaseException):
            raise reply
        status, content, *rest = reply
        data = content if isinstance(content, bytes) else orjson.dumps(content)
        response = requests.Response()
        response.status_code = status
        response.headers = CaseInsensitiveDict(rest[0] if rest else {})
        response.raw = HTTPResponse(io.BytesIO(data), preload_content=False, status=status)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """Nothing to close."""


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def wire(client: Client, handler: Handler, time: Time | None = None) -> FakeAdapter:
    """Let a function answer a client's requests, without waiting."""
    adapter = FakeAdapter(handler)
    client.session.mount("https://", adapter)
    client.session.mount("http://", adapter)
    time = time or Time()
    client.sleep = time.sleep
    client.limiter.sleep = time.sleep
    client.limiter.clock = time
    return adapter
