"""Replay the vendors' responses as fast as one process can: the sandbox's rows, multiplied to a given number.

The sandbox renders every response afresh. That takes longer than any contestant needs to read it, and would hide the
differences. Here, the sandbox's responses to a contestant's own parameters are read once, split into rows, and
reassembled into pages with new ids. Other calls are forwarded to the sandbox and cached. There are no limits and no
faults.

``/_bench/log`` returns the calls since ``/_bench/start``: the floor repeats exactly those.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import requests

FIRST_ID = 10_000_000
_MARK = b"@ID@"
_HEADERS = (
    "x-rate-limit: 1000000\r\nzendesk-ratelimit-incremental-exports: total=1000000; remaining=1000000; resets=60\r\n"
    "X-HubSpot-RateLimit-Max: 1000000\r\nX-HubSpot-RateLimit-Secondly: 1000000\r\n"
)


class Rows:
    """The rows of one kind as rendered for one set of parameters.

    Args:
        rows: As returned by the sandbox.
        count: The number to multiply them to. Copies of a row follow each other.
    """

    def __init__(self, rows: list[dict[str, Any]], count: int) -> None:
        self.ids = [str(row["id"]) for row in rows]
        self._parts = [_cut(row) for row in rows]
        self.count = count
        self._copies = -(-count // max(1, len(rows)))

    def original(self, number: int) -> int:
        """Return the index of the row that an id is a copy of."""
        return (number - FIRST_ID) // self._copies

    def page(self, start: int, limit: int) -> tuple[bytes, int]:
        """Return a page of rows as a JSON list, and the position after it."""
        end = min(start + limit, self.count)
        found = []
        for position in range(start, end):
            number = str(FIRST_ID + position).encode()
            found.append(number.join(self._parts[position // self._copies]))
        return b"[" + b",".join(found) + b"]", end

    def of(self, numbers: list[int]) -> bytes:
        """Return the rows with these ids as a JSON list."""
        return b"[" + b",".join(str(n).encode().join(self._parts[self.original(n)]) for n in numbers) + b"]"


def _cut(row: dict[str, Any]) -> list[bytes]:
    """Split a row's JSON at its id."""
    number, text = str(row["id"]).encode(), orjson.dumps(row)
    for before, after in ((b'"', b'"'), (b":", b","), (b":", b"}"), (b"/", b'"'), (b"/", b".json")):
        text = text.replace(before + number + after, before + _MARK + after)
    return text.split(_MARK)


class Vendors:
    """Answers the vendors' calls.

    Args:
        sandbox: URL of the sandbox.
        counts: Kind of record -> the number to multiply it to.
    """

    def __init__(self, sandbox: str, counts: dict[str, int]) -> None:
        self._sandbox, self._counts = sandbox, counts
        self._session = requests.Session()
        self._session.trust_env = False
        self._rows: dict[tuple[str, ...], Rows] = {}
        self._kept: dict[tuple[str, str, bytes], tuple[int, bytes]] = {}
        self.log: list[tuple[str, str, str]] | None = None

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body."""
        if target.startswith("/_bench/"):
            return self._bench(target)
        if self.log is not None:
            self.log.append((method, target, body.decode()))
        url = urlsplit(target)
        path = url.path.removesuffix(".json")
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        parts = path.split("/")

        def fetch(url: str, content: Any = None) -> Any:
            return self._fetch(url, authorization, content)

        if path.startswith("/hubspot/crm/v3/objects/") and len(parts) == 6 and method == "GET":
            if parts[5] in self._counts and query.get("archived", "false").lower() != "true":
                return 200, self._list(parts[5], query, fetch)
        elif path.startswith("/hubspot/crm/v4/associations/") and parts[5] in self._counts:
            return 200, self._associations(parts[5], parts[6], body, fetch)
        elif path == "/zendesk/api/v2/incremental/tickets/cursor" and "tickets" in self._counts:
            return 200, self._export(query, fetch)
        elif path == "/hubspot/crm/v3/schemas":
            return 200, b'{"results": []}'  # a portal without custom objects
        return self._asked(method, target, authorization, body)

    def _bench(self, target: str) -> tuple[int, bytes]:
        if target.endswith("/start"):
            self.log = []
            return 200, b"{}"
        log, self.log = self.log, None
        return 200, orjson.dumps(log or [])

    def _asked(self, method: str, target: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        key = (method, target, body)
        if key not in self._kept:
            headers = {"Authorization": authorization, "Content-Type": "application/json"}
            answer = self._session.request(method, self._sandbox + target, data=body, headers=headers, timeout=60)
            self._kept[key] = answer.status_code, answer.content
        return self._kept[key]

    def _fetch(self, path: str, authorization: str, content: Any = None) -> Any:
        method = "GET" if content is None else "POST"
        body = b"" if content is None else orjson.dumps(content)
        status, answer = self._asked(method, path, authorization, body)
        if status >= 300:
            raise RuntimeError(f"{path}: {status} {answer[:300]!r}")
        return orjson.loads(answer)

    def _list(self, name: str, query: dict[str, str], fetch: Callable[..., Any]) -> bytes:
        shown = {key: query[key] for key in ("properties", "associations") if query.get(key)}
        rows = self._repeated(("hubspot", name, *sorted(shown.values())), name, lambda: _listed(name, shown, fetch))
        start, limit = max(0, int(query.get("after", 0)) - FIRST_ID), int(query.get("limit", 10))
        page, end = rows.page(start, limit)
        more = b"" if end >= rows.count else b',"paging":{"next":{"after":"%d"}}' % (FIRST_ID + end)
        return b'{"results":' + page + more + b"}"

    def _associations(self, near: str, far: str, body: bytes, fetch: Callable[..., Any]) -> bytes:
        rows = next((rows for key, rows in self._rows.items() if key[:2] == ("hubspot", near)), None)
        numbers = [int(each["id"]) for each in orjson.loads(body)["inputs"]]
        if rows is None or any(number < FIRST_ID for number in numbers):
            return orjson.dumps(fetch(f"/hubspot/crm/v4/associations/{near}/{far}/batch/read", orjson.loads(body)))
        tied = self._repeated(("tied", near, far), near, lambda: _tied(rows.ids, near, far, fetch))
        return b'{"status":"COMPLETE","results":' + tied.of(numbers) + b"}"

    def _export(self, query: dict[str, str], fetch: Callable[..., Any]) -> bytes:
        include = query.get("include", "")
        rows = self._repeated(("zendesk", "tickets", include), "tickets", lambda: _exported(include, fetch))
        start = int(query["cursor"]) if query.get("cursor") else 0
        page, end = rows.page(start, int(query.get("per_page", 1000)))
        ended = b"true" if end >= rows.count else b"false"
        return b'{"tickets":%b,"after_cursor":"%d","end_of_stream":%b}' % (page, end, ended)

    def _repeated(self, key: tuple[str, ...], name: str, rows: Callable[[], list[dict[str, Any]]]) -> Rows:
        if key not in self._rows:
            self._rows[key] = Rows(rows(), self._counts[name])
        return self._rows[key]


def _listed(name: str, shown: dict[str, str], fetch: Callable[..., Any]) -> list[dict[str, Any]]:
    rows, after = [], "0"
    while after:
        query = "&".join(f"{key}={value}" for key, value in {**shown, "limit": "100", "after": after}.items())
        data = fetch(f"/hubspot/crm/v3/objects/{name}?{query}")
        rows += data["results"]
        after = data.get("paging", {}).get("next", {}).get("after")
    return rows


def _tied(ids: list[str], near: str, far: str, fetch: Callable[..., Any]) -> list[dict[str, Any]]:
    found = {}
    for start in range(0, len(ids), 1000):
        asked = {"inputs": [{"id": one} for one in ids[start : start + 1000]]}
        for each in fetch(f"/hubspot/crm/v4/associations/{near}/{far}/batch/read", asked)["results"]:
            found[str(each["from"]["id"])] = each
    # Split at the id of the record that it starts from.
    return [{**found.get(one, {"from": {"id": one}, "to": []}), "id": one} for one in ids]


def _exported(include: str, fetch: Callable[..., Any]) -> list[dict[str, Any]]:
    rows, place, is_end = [], "start_time=0", False
    while not is_end:
        data = fetch(f"/zendesk/api/v2/incremental/tickets/cursor?{place}&include={include}&per_page=1000")
        rows += data["tickets"]
        place, is_end = f"cursor={data['after_cursor']}", data["end_of_stream"]
    return rows


class Protocol(asyncio.Protocol):
    """A minimal HTTP/1.1 server: requests with a Content-Length, over keep-alive connections."""

    def __init__(self, vendors: Vendors) -> None:
        self._vendors = vendors
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            length = int(headers.get("content-length", 0))
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            method, target, _ = head[0].split(" ")
            self._reply(*self._vendors.answer(method, target, headers.get("authorization", ""), body))

    def _reply(self, status: int, content: bytes) -> None:
        head = (
            f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n{_HEADERS}\r\n"
        )
        self._transport.write(head.encode() + content)


async def _serve(vendors: Vendors, ready: Path) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: Protocol(vendors), "127.0.0.1", 0)
    temporary = ready.with_suffix(".tmp")
    temporary.write_text(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}))
    temporary.replace(ready)
    async with server:
        await ended.wait()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--sandbox", required=True, help="URL of a sandbox")
    parser.add_argument("--counts", required=True, type=json.loads, help='such as {"contacts": 60000}')
    parser.add_argument("--ready", required=True, type=Path, help="file to write the URL to")
    given = parser.parse_args()
    asyncio.run(_serve(Vendors(given.sandbox, given.counts), given.ready))


if __name__ == "__main__":
    main()
