"""The robot of a WeCom group, as strict as the real one. Accepted messages appear in the inbox."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import reply

GROUP = "W0GROUP"
MOST_BYTES = {"markdown": 4096, "text": 2048}


def router(sandbox: Sandbox) -> APIRouter:
    """Return the robot's endpoint."""
    routes = APIRouter(prefix="/wecom")

    @routes.post("/cgi-bin/webhook/send")
    async def send(request: Request, key: str = "") -> Response:
        # The real robot always responds with status 200.
        return reply(_answer(sandbox, key, await request.body()))

    return routes


def _answer(sandbox: Sandbox, key: str, body: bytes) -> dict[str, Any]:
    if key != sandbox.secret("wecom"):
        return {"errcode": 93000, "errmsg": "invalid webhook url"}
    if not sandbox.limits.take("wecom.robot").allowed:
        return {"errcode": 45009, "errmsg": "api freq out of limit"}
    try:
        given = orjson.loads(body)
        kind = given["msgtype"]
        content = given[kind]["content"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return {"errcode": 40008, "errmsg": "invalid message type"}
    if kind not in MOST_BYTES or not content:
        return {"errcode": 40008 if content else 44004, "errmsg": "invalid message type or empty content"}
    if len(content.encode()) > MOST_BYTES[kind]:
        return {"errcode": 40058, "errmsg": f"{kind}.content exceed max length {MOST_BYTES[kind]}"}
    _keep(sandbox, content)
    return {"errcode": 0, "errmsg": "ok"}


def _keep(sandbox: Sandbox, content: str) -> None:
    now = sandbox.now()
    micros = now * 1000
    while not sandbox.journal.add_message(
        now, GROUP, f"{micros // 1_000_000}.{micros % 1_000_000:06d}", {"text": content, "via": "wecom"}
    ):
        micros += 100
