"""Slack's Web API and incoming webhooks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from include.sandbox.core import Sandbox
from include.sandbox.http import Refusal, reply
from include.sandbox.slack import blocks as block_rules
from include.sandbox.slack import directory

SCOPES = ("chat:write", "im:write", "im:history", "users:read", "users:read.email", "channels:history")
MOST_TEXT, MOST_HISTORY = 40_000, 999
Method = Callable[[Sandbox, dict[str, Any]], dict[str, Any]]


class Failed(Exception):
    """A call that Slack answers with status 200 and ``ok: false``."""

    def __init__(self, error: str, **more: Any) -> None:
        self.body = {"ok": False, "error": error, **more}
        super().__init__(error)


def router(sandbox: Sandbox) -> APIRouter:
    """Return the Web API and the webhook."""
    routes = APIRouter(prefix="/slack")

    @routes.api_route("/api/{method}", methods=["GET", "POST"])
    async def call(request: Request, method: str) -> Response:
        given = await _arguments(request)
        try:
            _authenticate(sandbox, request, given)
            if method not in METHODS:
                raise Failed("unknown_method", req_method=method)
            granted = ",".join(sandbox.switches.get("slack.scopes") or SCOPES)
            return reply({"ok": True, **METHODS[method](sandbox, given)}, headers={"X-OAuth-Scopes": granted})
        except Failed as failed:
            return reply(failed.body)

    @routes.post("/services/{team}/{app}/{token}")
    async def webhook(request: Request, token: str) -> Response:
        return await _webhook(sandbox, request, token)

    return routes


async def _arguments(request: Request) -> dict[str, Any]:
    """Return a call's arguments from query, JSON body or form."""
    given: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        try:
            body = orjson.loads(await request.body() or b"{}")
        except orjson.JSONDecodeError:
            raise Refusal(200, {"ok": False, "error": "invalid_json"}) from None
        return given | (body if isinstance(body, dict) else {})
    for name, value in (await request.form()).items():
        given[name] = _parsed(str(value)) if name in ("blocks", "metadata", "attachments") else str(value)
    return given


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _authenticate(sandbox: Sandbox, request: Request, given: dict[str, Any]) -> None:
    token = request.headers.get("authorization", "").removeprefix("Bearer ") or given.get("token", "")
    if not token:
        raise Failed("not_authed")
    if token != sandbox.secret("slack", "xoxb-"):
        raise Failed("invalid_auth")


def _limit(sandbox: Sandbox, name: str, key: str = "") -> None:
    count = sandbox.limits.take(name, key)
    if not count.allowed:
        raise Refusal(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(math.ceil(count.reset))})


def _flag(given: dict[str, Any], name: str) -> bool:
    return str(given.get(name, "")).lower() in ("1", "true")


def _channel(sandbox: Sandbox, given: dict[str, Any]) -> str:
    found = directory.find_channel(sandbox, str(given.get("channel") or ""))
    if found is None:
        raise Failed("channel_not_found")
    if found[2]:
        raise Failed(found[2])
    return found[0]


def _content(given: dict[str, Any]) -> dict[str, Any]:
    """Return a message's content, validated the way Slack does."""
    text, blocks = given.get("text") or "", given.get("blocks")
    if not text and not blocks and not given.get("attachments"):
        raise Failed("no_text")
    if blocks is not None:
        if problems := block_rules.complaints(blocks):
            raise Failed("invalid_blocks", errors=problems, response_metadata={"messages": problems})
        if block_rules.is_too_long(blocks):
            raise Failed("msg_blocks_too_long")
    metadata = given.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict) and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):  # fmt: skip
        raise Failed("invalid_metadata_format")
    content = {"text": text[:MOST_TEXT], "blocks": blocks, "metadata": metadata, "thread_ts": given.get("thread_ts")}
    return {name: value for name, value in content.items() if value is not None}


def _shown(message: dict[str, Any], with_metadata: bool = False) -> dict[str, Any]:
    hidden = {"seq", "at", "channel", "via"} | (set() if with_metadata else {"metadata"})
    own = {"type": "message", "user": directory.BOT_USER, "bot_id": directory.BOT, "team": directory.TEAM}
    return own | {name: value for name, value in message.items() if name not in hidden}


def _keep(sandbox: Sandbox, channel: str, content: dict[str, Any], via: str) -> dict[str, Any]:
    now = sandbox.now()
    micros = now * 1000
    while True:
        ts = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"  # the message's id, unique within its channel
        if sandbox.journal.add_message(now, channel, ts, {**content, "via": via}):
            return {**content, "ts": ts}
        micros += 100


def _post(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    channel = _channel(sandbox, given)
    _limit(sandbox, "slack.workspace")
    _limit(sandbox, "slack.channel", channel)
    message = _keep(sandbox, channel, _content(given), "bot")
    return {"channel": channel, "ts": message["ts"], "message": _shown(message, with_metadata=True)}


def _must_be_own(sandbox: Sandbox, channel: str, ts: str, refusal: str) -> None:
    found = next((message for message in sandbox.journal.messages(channel) if message["ts"] == ts), None)
    if found is None:
        raise Failed("message_not_found")
    if found["via"] != "bot":
        raise Failed(refusal)


def _update(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    _limit(sandbox, "slack.tier3", "chat.update")
    channel, ts = _channel(sandbox, given), str(given.get("ts", ""))
    _must_be_own(sandbox, channel, ts, "cant_update_message")
    content = {**_content(given), "via": "bot", "edited": {"user": directory.BOT_USER, "ts": ts}}
    sandbox.journal.update_message(channel, ts, content)
    return {"channel": channel, "ts": ts, "text": content["text"], "message": _shown({**content, "ts": ts})}


def _delete(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    _limit(sandbox, "slack.tier3", "chat.delete")
    channel, ts = _channel(sandbox, given), str(given.get("ts", ""))
    _must_be_own(sandbox, channel, ts, "cant_delete_message")
    sandbox.journal.delete_message(channel, ts)
    return {"channel": channel, "ts": ts}


def _history(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    _limit(sandbox, "slack.tier3", "conversations.history")
    channel, limit = _channel(sandbox, given), int(given.get("limit") or 100)
    if not 1 <= limit <= MOST_HISTORY:
        raise Failed("invalid_limit")
    oldest, latest = float(given.get("oldest") or 0), float(given.get("latest") or 10**12)
    inclusive = _flag(given, "inclusive")
    messages = [
        message
        for message in reversed(sandbox.journal.messages(channel))
        if oldest < float(message["ts"]) < latest or (inclusive and float(message["ts"]) in (oldest, latest))
    ]
    start = int(given.get("cursor") or 0)
    page = messages[start : start + limit]
    more = start + limit < len(messages)
    return {
        "messages": [_shown(message, _flag(given, "include_all_metadata")) for message in page],
        "has_more": more,
        "response_metadata": {"next_cursor": str(start + limit) if more else ""},
    }


def _lookup(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    _limit(sandbox, "slack.tier3", "users.lookupByEmail")
    email = str(given.get("email", "")).lower()
    for person in directory.people(sandbox).values():
        if person["profile"]["email"].lower() == email:
            return {"user": person}
    raise Failed("users_not_found")


def _open(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    _limit(sandbox, "slack.tier3", "conversations.open")
    users = given.get("users") or ""
    found = directory.find_channel(sandbox, users[0] if isinstance(users, list) and users else str(users))
    if found is None or not found[0].startswith("D"):
        raise Failed("user_not_found")
    return {"channel": {"id": found[0]}, "no_op": True, "already_open": True}


def _info(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    person = directory.people(sandbox).get(str(given.get("user", "")))
    if person is None:
        raise Failed("user_not_found")
    return {"user": person}


def _channels(_: Sandbox, __: dict[str, Any]) -> dict[str, Any]:
    listed = [
        {"id": number, "name": name, "is_channel": True, "is_archived": obstacle == "is_archived",
         "is_member": not obstacle}
        for name, (number, obstacle) in directory.CHANNELS.items()
    ]  # fmt: skip
    return {"channels": listed, "response_metadata": {"next_cursor": ""}}


def _permalink(sandbox: Sandbox, given: dict[str, Any]) -> dict[str, Any]:
    channel, ts = _channel(sandbox, given), str(given.get("message_ts", ""))
    if all(message["ts"] != ts for message in sandbox.journal.messages(channel)):
        raise Failed("message_not_found")
    return {"channel": channel, "permalink": f"{sandbox.url}/inbox#{channel}-{ts}"}


def _test(sandbox: Sandbox, _: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": f"{sandbox.url}/inbox",
        "team": "Sandbox",
        "user": "perennial",
        "team_id": directory.TEAM,
        "user_id": directory.BOT_USER,
        "bot_id": directory.BOT,
        "is_enterprise_install": False,
    }


METHODS: dict[str, Method] = {
    "auth.test": _test,
    "chat.postMessage": _post,
    "chat.update": _update,
    "chat.delete": _delete,
    "chat.getPermalink": _permalink,
    "conversations.history": _history,
    "conversations.list": _channels,
    "conversations.open": _open,
    "users.lookupByEmail": _lookup,
    "users.info": _info,
}


async def _webhook(sandbox: Sandbox, request: Request, token: str) -> Response:
    """Accept a webhook message. The response has no message id, so the message cannot be queried later."""
    if token != sandbox.secret("webhook"):
        return PlainTextResponse("invalid_token", 403)
    count = sandbox.limits.take("slack.webhook")
    if not count.allowed:
        return PlainTextResponse("rate_limited", 429, {"Retry-After": str(math.ceil(count.reset))})
    raw = await request.body()
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raw = str((await request.form()).get("payload", "")).encode()
    try:
        given = orjson.loads(raw)
        if not isinstance(given, dict):
            return PlainTextResponse("invalid_payload", 400)
        content = _content(given)
    except orjson.JSONDecodeError:
        return PlainTextResponse("invalid_payload", 400)
    except Failed as failed:
        return PlainTextResponse(str(failed), 400)
    _keep(sandbox, directory.CHANNELS["cs-alerts"][0], content, "webhook")
    return PlainTextResponse("ok")
