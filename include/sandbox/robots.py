"""The robots of groups in WeCom, Feishu, DingTalk and Teams, as strict as the real ones.

Accepted messages appear in the inbox. WeCom and DingTalk answer 200 to every error. Teams answers 202 before its flow
posts anything: what the flow cannot post is lost. The secrets are those of ``Sandbox.secret``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from include.sandbox.core import Sandbox
from include.sandbox.http import reply

GROUPS = {"wecom": "W0GROUP", "feishu": "F0GROUP", "dingtalk": "G0GROUP", "teams": "T0GROUP"}
FLOW = "/powerautomate/automations/direct/workflows/0sandboxflow/triggers/manual/paths/invoke"
_HOUR_MS = 3_600_000
_MOST_BYTES = {"markdown": 4096, "text": 2048}
_MOST_BODY_BYTES = 20_000
_MOST_CARD_BYTES = 28_672
_BAD_REQUEST = (400, {"code": 9499, "msg": "Bad Request", "data": {}})
# Raised by a body of another form.
_BAD_BODY = (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError)


def router(sandbox: Sandbox) -> APIRouter:
    """Return the robots' endpoints."""
    routes = APIRouter()

    @routes.post("/wecom/cgi-bin/webhook/send")
    async def wecom(request: Request, key: str = "") -> Response:
        return reply(_wecom(sandbox, key, await request.body()))

    @routes.post("/feishu/open-apis/bot/v2/hook/{key}")
    async def feishu(request: Request, key: str) -> Response:
        status, answer = _feishu(sandbox, key, await request.body())
        return reply(answer, status)

    @routes.post("/dingtalk/robot/send")
    async def dingtalk(request: Request) -> Response:
        return reply(_dingtalk(sandbox, dict(request.query_params), await request.body()))

    @routes.post("/teams/{rest:path}")
    async def teams(request: Request, rest: str, sig: str = "") -> Response:
        status, answer = _teams(sandbox, f"/{rest}", sig, await request.body())
        return Response(status_code=status) if answer is None else reply(answer, status)

    return routes


def _wecom(sandbox: Sandbox, key: str, body: bytes) -> dict[str, Any]:
    if key != sandbox.secret("wecom"):
        return {"errcode": 93000, "errmsg": "invalid webhook url"}
    if not sandbox.limits.take("wecom.robot").allowed:
        return {"errcode": 45009, "errmsg": "api freq out of limit"}
    try:
        given = orjson.loads(body)
        kind = given["msgtype"]
        content = given[kind]["content"]
    except _BAD_BODY:
        return {"errcode": 40008, "errmsg": "invalid message type"}
    if kind not in _MOST_BYTES or not content:
        return {"errcode": 40008 if content else 44004, "errmsg": "invalid message type or empty content"}
    if len(content.encode()) > _MOST_BYTES[kind]:
        return {"errcode": 40058, "errmsg": f"{kind}.content exceed max length {_MOST_BYTES[kind]}"}
    _keep(sandbox, "wecom", content)
    return {"errcode": 0, "errmsg": "ok"}


def _feishu(sandbox: Sandbox, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
    if key != sandbox.secret("feishu"):
        return 200, {"code": 19001, "msg": "param invalid: incoming webhook access token invalid", "data": {}}
    if not all(sandbox.limits.take(name).allowed for name in ("feishu.second", "feishu.minute")):
        return 200, {"code": 11232, "msg": "frequency limited psm[lark.oapi.app_platform_runtime]", "data": {}}
    if len(body) > _MOST_BODY_BYTES:
        return _BAD_REQUEST
    try:
        given = orjson.loads(body)
        is_signed = _is_signed(sandbox, given, 1000, lambda at, secret: (f"{at}\n{secret}", ""))
        if not is_signed:
            text = "sign match fail or timestamp is not within one hour from current time"
            return 200, {"code": 19021, "msg": text, "data": {}}
        (post,) = given["content"]["post"].values()
        lines = ["".join(_tag(tag) for tag in line) for line in post["content"]]
    except _BAD_BODY:
        return _BAD_REQUEST
    if given["msg_type"] != "post" or not lines:
        return _BAD_REQUEST
    _keep(sandbox, "feishu", "\n".join([post["title"], *lines]))
    return 200, {"StatusCode": 0, "StatusMessage": "success", "code": 0, "msg": "success", "data": {}}


def _tag(tag: dict[str, str]) -> str:
    if tag["tag"] == "a":
        return f"{tag['text']} ({tag['href']})"
    if tag["tag"] != "text":
        raise ValueError(tag["tag"])
    return tag["text"]


def _dingtalk(sandbox: Sandbox, parameters: dict[str, str], body: bytes) -> dict[str, Any]:
    if "access_token" not in parameters:
        return {"errcode": 40035, "errmsg": "缺少参数 access_token"}
    if parameters["access_token"] != sandbox.secret("dingtalk"):
        return {"errcode": 300005, "errmsg": "token is not exist"}
    if not _is_signed(sandbox, parameters, 1, lambda at, secret: (secret, f"{at}\n{secret}")):
        return {"errcode": 310000, "errmsg": "sign not match, or invalid timestamp"}
    if not sandbox.limits.take("dingtalk.robot").allowed:
        return {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}
    if len(body) > _MOST_BODY_BYTES:
        return {"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"}
    try:
        given = orjson.loads(body)
        title, text = given["markdown"]["title"], given["markdown"]["text"]
    except _BAD_BODY:
        return {"errcode": 400105, "errmsg": "unsupported message type"}
    if given["msgtype"] != "markdown" or not title or not text:
        return {"errcode": 40035, "errmsg": "invalid parameters"}
    _keep(sandbox, "dingtalk", text)
    return {"errcode": 0, "errmsg": "ok"}


def _is_signed(
    sandbox: Sandbox, given: dict[str, str], unit_ms: int, key_and_text: Callable[[str, str], tuple[str, str]]
) -> bool:
    """Return whether a signature of at most an hour's age fits.

    Args:
        given: Has ``timestamp`` and ``sign``.
        unit_ms: Milliseconds of the timestamp's unit.
        key_and_text: (timestamp, secret) -> the key, and the text signed with it.
    """
    at, sign = str(given.get("timestamp", "")), str(given.get("sign", ""))
    if not at.isdigit() or abs(sandbox.clock.now() - int(at) * unit_ms) > _HOUR_MS:
        return False
    key, text = key_and_text(at, sandbox.secret("signing", "SEC"))
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(digest).decode(), sign)


def _teams(sandbox: Sandbox, path: str, sig: str, body: bytes) -> tuple[int, dict[str, Any] | None]:
    if path != FLOW:
        return 404, _flow_error("WorkflowNotFound", "The workflow could not be found.")
    if sig != sandbox.secret("teams"):
        text = "The request must be authenticated only by Shared Access scheme."
        return 401, _flow_error("DirectApiAuthorizationRequired", text)
    if sandbox.switches.get("teams.flow_is_off"):
        text = "Could not execute workflow trigger 'manual' with state 'Disabled': trigger is not enabled."
        return 400, _flow_error("WorkflowTriggerIsNotEnabled", text)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        return 400, _flow_error("InvalidRequestContent", "The request content is not valid JSON.")
    _run_flow(sandbox, given)
    return 202, None


def _flow_error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _run_flow(sandbox: Sandbox, given: Any) -> None:
    """Post each card, as the flow of Teams' template does. Its failures are in its own history only."""
    try:
        cards = [attachment["content"] for attachment in given["attachments"]]
        texts = ["\n".join(_element(element) for element in card["body"]) for card in cards]
    except _BAD_BODY:
        return
    for card, text in zip(cards, texts, strict=True):
        size = len(json.dumps(json.dumps(card)))
        if card.get("type") == "AdaptiveCard" and size <= _MOST_CARD_BYTES and _may_post(sandbox):
            _keep(sandbox, "teams", text)


def _may_post(sandbox: Sandbox) -> bool:
    return sandbox.limits.take("teams.flow_bot").allowed


def _element(element: dict[str, Any]) -> str:
    if element["type"] == "RichTextBlock":
        return "".join(run["text"] for run in element["inlines"])
    if element["type"] == "ActionSet":
        return ", ".join(f"{action['title']} ({action['url']})" for action in element["actions"])
    raise ValueError(element["type"])


def _keep(sandbox: Sandbox, vendor: str, content: str) -> None:
    now = sandbox.now()
    micros = now * 1000
    while not sandbox.journal.add_message(
        now, GROUPS[vendor], f"{micros // 1_000_000}.{micros % 1_000_000:06d}", {"text": content, "via": vendor}
    ):
        micros += 100
