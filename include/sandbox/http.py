"""What all vendors' APIs share: reading requests strictly, answering, refusing."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response


class Refusal(Exception):
    """An answer that ends the handling of a request, in the vendor's own words.

    Args:
        status: HTTP status.
        body: Sent as JSON, or as it is when a text.
        headers: Additional headers.
    """

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}
        super().__init__(status)


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer: JSON, or a page when the body is text."""
    if isinstance(body, str):
        return Response(body, status, headers, media_type="text/html;charset=utf-8")
    return Response(orjson.dumps(body, default=str), status, headers, media_type="application/json;charset=utf-8")


async def read_json(request: Request) -> Any:
    """Return the parsed body of a request; None when it is no JSON."""
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return None


def iso_ms(at: int) -> str:
    """Return a moment as ISO text with milliseconds and Z."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def iso_s(at: int) -> str:
    """Return a moment as ISO text with whole seconds and Z."""
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_moment(text: str) -> int | None:
    """Return milliseconds since 1970 of a moment given as such or as ISO text; None when it is neither."""
    if re.fullmatch(r"-?\d{1,15}", text):
        return int(text)
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def new_id() -> str:
    """Return a request's id."""
    return str(uuid.uuid4())
