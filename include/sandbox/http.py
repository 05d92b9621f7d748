"""Shared by all vendor APIs: strict reading of requests, responses, refusals."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response


class Refusal(Exception):
    """An error response in the vendor's own format that ends the request.

    Args:
        status: HTTP status.
        body: Sent as JSON, or unchanged if it is a string.
        headers: Additional headers.
    """

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}
        super().__init__(status)


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response: JSON, or HTML if the body is a string."""
    if isinstance(body, str):
        return Response(body, status, headers, media_type="text/html;charset=utf-8")
    return Response(orjson.dumps(body, default=str), status, headers, media_type="application/json;charset=utf-8")


async def read_json(request: Request) -> Any:
    """Return the parsed body of a request; None if it is not JSON."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return None


def iso_ms(at: int) -> str:
    """Return a time as ISO text with milliseconds and Z."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def iso_s(at: int) -> str:
    """Return a time as ISO text with whole seconds and Z."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str) -> int | None:
    """Parse a time, given in milliseconds since 1970 or as ISO text, to milliseconds. None if it is neither."""
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def new_id() -> str:
    """Return a new request id."""
    return str(uuid.uuid4())
