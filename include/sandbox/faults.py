"""Injected faults: each is a rule that matches calls and makes them fail.

A rule is a JSON object:
  vendor    hubspot, salesforce, zendesk, slack or smtp
  path      pattern of the path below the vendor, "*" for all; of mail: the recipient
  method    GET, POST ...; of mail: CONNECT, RCPT or DATA; absent for all
  kind      status       respond with `status` and, if given, `body`, `headers`, `retry_after`; do nothing
            hang         respond with 504 after `seconds`; do nothing
            drop_before  close the connection; do nothing
            drop_after   carry out the call, then close the connection without a response
            late         carry out the call, respond after `seconds`
            twice        carry out the call twice, as when a proxy repeats it; respond once
            truncate     carry out the call, send half of the response and close the connection
            partial      omit the first result of a batch, and report it as failed with 207
            drop_field   omit the field `field` everywhere in the response
            set_field    set the field `field` to `value` everywhere in the response
  above     {parameter: number}: only calls whose parameter is larger
  times     how many calls fail; absent for all
  skip      how many matching calls pass first
  chance    share of the matching calls that fail, drawn from `seed`
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl

import orjson

from include.sandbox.http import Refusal, new_id
from include.sandbox.hubspot.errors import rate_limited

KINDS = {"status", "hang", "drop_before", "drop_after", "late", "twice", "truncate", "partial", "drop_field",
         "set_field"}  # fmt: skip
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr><center>cloudflare</center></body></html>"


@dataclass
class Rule:
    """One fault. See the module for the meaning of its fields."""

    vendor: str
    kind: str
    path: str = "*"
    method: str = ""
    status: int = 503
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    above: dict[str, int] = field(default_factory=dict)
    retry_after: float | None = None
    seconds: float = 0.0
    field: str = ""
    value: Any = None
    times: int | None = None
    skip: int = 0
    chance: float = 1.0
    seed: int = 0
    number: int = 0
    played: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311

    def takes(self, vendor: str, method: str, path: str, query: str = "") -> bool:
        """Return whether the rule applies to a call, and count the call."""
        if vendor != self.vendor or (self.method and self.method != method) or not fnmatchcase(path, self.path):
            return False
        if self.above and not _asks_for_more(self.above, query):
            return False
        if self.times is not None and self.played >= self.times:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self._random.random() >= self.chance:
            return False
        self.played += 1
        return True


def _asks_for_more(above: dict[str, int], query: str) -> bool:
    given = dict(parse_qsl(query))
    return all(given.get(name, "").isdigit() and int(given[name]) > most for name, most in above.items())


class Faults:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._next = 1

    def add(self, given: dict[str, Any]) -> int:
        """Activate a fault and return its number.

        Raises:
            Refusal: It is not a valid rule.
        """
        try:
            rule = Rule(**given, number=self._next)
        except TypeError as error:
            raise Refusal(400, {"error": f"not a valid rule: {error}", "help": __doc__}) from None
        if rule.kind not in KINDS:
            raise Refusal(400, {"error": f"unknown kind {rule.kind}", "known": sorted(KINDS)})
        self._rules.append(rule)
        self._next += 1
        return rule.number

    def remove(self, number: int | None = None) -> None:
        """Remove one fault, or all."""
        self._rules = [rule for rule in self._rules if number is not None and rule.number != number]

    def listed(self) -> list[dict[str, Any]]:
        """Return the active faults, each with how often it has been applied."""
        return [
            {
                "number": r.number,
                "vendor": r.vendor,
                "kind": r.kind,
                "path": r.path,
                "times": r.times,
                "played": r.played,
            }
            for r in self._rules
        ]

    def take(self, vendor: str, method: str, path: str, query: str = "") -> list[Rule]:
        """Return the faults that apply to a call."""
        return [rule for rule in self._rules if rule.takes(vendor, method, path, query)]

    async def play(self, app: Any, scope: Any, receive: Any, send: Any, transport: Any) -> None:
        """Let the application respond, with the faults that apply to the call.

        Args:
            app: The ASGI application.
            scope: The call.
            receive: Returns its body.
            send: Receives the response.
            transport: The connection, to break it off.
        """
        vendor, _, path = scope["path"].lstrip("/").partition("/")
        rules = self.take(vendor, scope["method"], f"/{path}", scope["query_string"].decode())
        if not rules:
            await app(scope, receive, send)
            return
        for rule in rules:
            if rule.kind == "hang":
                await asyncio.sleep(rule.seconds)
                await _send(send, 504, [(b"content-type", b"text/html")], HTML.format("504 Gateway Time-out").encode())
                return
            if rule.kind == "drop_before":
                transport.abort()
                return
            if rule.kind == "status":
                await _answer(rule, vendor, send)
                return
        body = await _read(receive)
        kinds = {rule.kind for rule in rules}
        if "twice" in kinds:
            await _handle(app, scope, body)
        status, headers, answer = await _handle(app, scope, body)
        for rule in rules:
            if rule.kind == "partial":
                status, answer = _partial(status, answer)
            if rule.kind in ("drop_field", "set_field"):
                answer = _altered(answer, rule)
            if rule.kind == "late":
                await asyncio.sleep(rule.seconds)
        if "drop_after" in kinds:
            transport.abort()
            return
        headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(answer)).encode()))
        if "truncate" in kinds:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": answer[: len(answer) // 2], "more_body": True})
            transport.close()
            return
        await _send(send, status, headers, answer)


async def _answer(rule: Rule, vendor: str, send: Any) -> None:
    headers = dict(rule.headers)
    if rule.retry_after is not None:
        headers["Retry-After"] = str(rule.retry_after)
    body = rule.body if rule.body is not None else _usual_body(vendor, rule.status)
    raw = body.encode() if isinstance(body, str) else orjson.dumps(body)
    kind = "text/html" if isinstance(body, str) else "application/json;charset=utf-8"
    given = {"content-type": kind, **{name.lower(): value for name, value in headers.items()}}
    await _send(send, rule.status, [(name.encode(), value.encode()) for name, value in given.items()], raw)


def _usual_body(vendor: str, status: int) -> Any:
    """Return the vendor's usual body for a status. Gateways respond with HTML pages."""
    if vendor == "salesforce" and status in (401, 403, 429):
        code, message = {
            401: ("INVALID_SESSION_ID", "Session expired or invalid"),
            403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            429: ("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
        }[status]
        return [{"message": message, "errorCode": code}]
    if status == 429 and vendor == "hubspot":
        return rate_limited("SECONDLY", None).body
    if status == 429 and vendor == "zendesk":
        description = "Number of allowed API requests per minute exceeded"
        return {"error": "APIRateLimitExceeded", "description": description}
    if status == 429:
        return {"ok": False, "error": "ratelimited"}
    if status == 401 and vendor == "hubspot":
        return {"status": "error", "message": "The OAuth token used to make this call expired 0 second(s) ago.",
                "category": "EXPIRED_AUTHENTICATION", "correlationId": new_id()}  # fmt: skip
    if status == 401:
        return {"error": "Couldn't authenticate you"}
    return HTML.format(status)


def _partial(status: int, answer: bytes) -> tuple[int, bytes]:
    """Turn the first result of a HubSpot batch response into an error. Other responses are unchanged."""
    parsed = orjson.loads(answer)
    if not isinstance(parsed, dict) or not parsed.get("results"):
        return status, answer
    first, *rest = parsed["results"]
    key, one = ("ids", first["id"]) if "id" in first else ("fromObjectId", first["from"]["id"])
    entry = {"status": "error", "category": "INTERNAL_ERROR", "message": "internal error", "context": {key: [one]}}
    errors = [*parsed.get("errors", []), entry]
    return 207, orjson.dumps(parsed | {"results": rest, "numErrors": len(errors), "errors": errors})


def _altered(answer: bytes, rule: Rule) -> bytes:
    try:
        parsed = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return answer
    return orjson.dumps(_walk(parsed, rule))


def _walk(value: Any, rule: Rule) -> Any:
    if isinstance(value, list):
        return [_walk(item, rule) for item in value]
    if not isinstance(value, dict):
        return value
    walked = {name: _walk(item, rule) for name, item in value.items() if name != rule.field}
    if rule.kind == "set_field" and rule.field in value:
        walked[rule.field] = rule.value
    return walked


async def _send(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body


async def _handle(app: Any, scope: Any, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Run the application on a call whose body was already read, and capture its response."""
    kept: dict[str, Any] = {"status": 500, "headers": [], "body": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(event: Any) -> None:
        if event["type"] == "http.response.start":
            kept.update(status=event["status"], headers=list(event["headers"]))
        else:
            kept["body"] += event.get("body", b"")

    await app(dict(scope), receive, keep)
    return kept["status"], kept["headers"], kept["body"]
