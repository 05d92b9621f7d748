"""A stand-in for a vendor's HTTP service that misbehaves on command, for the tests of one channel."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests


@dataclass
class Call:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


@dataclass
class Stub:
    """A service on loopback.

    Args:
        answer: Answers a call.
        faults: Path -> what goes wrong with the next calls of it: ``hang`` and ``drop`` come after the call was carried
            out (``hang`` is a time-out for whoever asked, see ``giving_up``), ``refuse`` before; ``late`` answers a
            while after, ``twice`` carries it out twice; an int is answered as that status instead of carrying it out.
    """

    answer: Callable[[Call], Answer]
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    faults: dict[str, list[str | int]] = field(default_factory=dict)

    def made(self, path: str) -> list[Call]:
        """Return the calls of one path."""
        return [call for call in self.calls if call.path == path]


_running: list[Stub] = []


def giving_up(send: Callable[..., Any]) -> Callable[..., Any]:
    """Return a way to send that gives up waiting for an answer exactly where a stub hangs: no clock is involved."""

    def patiently(session: Any, method: str, url: str, **options: Any) -> Any:
        path = urlsplit(url).path
        hangs = any(url.startswith(stub.url) and stub.faults.get(path, [""])[:1] == ["hang"] for stub in _running)
        try:
            return send(session, method, url, **{**options, "timeouts": (600.0, 600.0)})
        except requests.ConnectionError:
            if hangs:
                raise requests.ReadTimeout("no answer") from None
            raise

    return patiently


@contextmanager
def serve(answer: Callable[[Call], Answer]) -> Iterator[Stub]:
    """Run a stub for the block."""
    stub = Stub(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(
                self.command, parts.path, dict(parse_qsl(parts.query)), json.loads(content) if content else None
            )
            stub.calls.append(call)
            fault = stub.faults[call.path].pop(0) if stub.faults.get(call.path) else None
            if fault == "refuse":
                self.close_connection = True
                return
            if fault == "twice":
                stub.answer(call)
            status, data, *more = (fault, {"message": "fault"}) if isinstance(fault, int) else stub.answer(call)
            if fault == "late":
                time.sleep(0.1)
            if fault in ("drop", "hang"):
                self.close_connection = True
                return
            body = json.dumps(data).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            if fault == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _handle

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    _running.append(stub)
    try:
        yield stub
    finally:
        _running.remove(stub)
        server.shutdown()
        server.server_close()
        thread.join()
