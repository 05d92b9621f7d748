"""Attacks on the HTTP client: none obtains any data or credentials."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import resource
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from include.common import clock
from include.common.errors import ConfigError, PerennialError, Unavailable
from include.connectors.base import Request
from include.connectors.crm.hubspot.client import RATE_POLICY
from include.connectors.pagination import read_pages
from include.http import body, guard
from include.http.auth import Bearer
from include.http.client import Client, Uncertain
from include.http.limiter import Limit, Limiter
from include.http.shared import InFile
from tests.fixtures.certificates import self_signed
from tests.fixtures.fake_vendor import wire

SECRET = "pat-eu1-1234abcd-secret"
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """A server that records its requests."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[dict[str, str]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append(dict(self.headers))
                answer(self)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve(socket_enabled: None) -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(autouse=True)
def plain_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)


def client_of(url: str, tmp_path: Path) -> Client:
    limiter = Limiter(InFile(tmp_path / "limit.json"), {"ordinary": Limit(10_000, 1.0)})
    made = Client(url, Bearer(SECRET), limiter, RATE_POLICY, (SECRET,), "crm", sleep=lambda seconds: None)
    made.timeouts = (600.0, 600.0)
    return made


def reply(content: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


class TestPrivateAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "127.0.0.1", "::1",
            "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "2002:0a00:0001::", "224.0.0.1",
            "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1", "::127.0.0.1", "::a9fe:a9fe", "::ffff:0:7f00:1",
            "fec0::1", "192.0.0.8", "192.0.0.9", "192.88.99.1", "5f00::1", "168.63.129.16", "2001:0:1::1", "240.0.0.1",
            "255.255.255.255", "2001:db8::1", "3fff::1", "ff02::1", "198.18.0.1", "203.0.113.1", "100::1", "::",
            "100:0:0:1::1",
        ],
    )  # fmt: skip
    def test_public_name_must_not_resolve_to_a_private_address(self, address: str) -> None:
        with pytest.raises(ConfigError, match="not a public address") as caught:
            guard.check("api.hubapi.com", address)
        assert "allowed_private_hosts" in caught.value.cure

    @pytest.mark.parametrize("address", ["104.16.1.1", "2606:4700::6810:101", "64:ff9b::6810:101"])
    def test_public_addresses_are_allowed(self, address: str) -> None:
        guard.check("api.hubapi.com", address)

    def test_only_listed_private_addresses_are_allowed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "settings.yaml").write_text("allowed_private_hosts: [Desk.Internal]\n")
        monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
        guard.check("desk.internal", "10.1.2.3")
        with pytest.raises(ConfigError):
            guard.check("desk.internal.evil.example", "10.1.2.3")

    def test_localhost_by_its_own_name_is_allowed(self) -> None:
        guard.check("127.0.0.1", "127.0.0.1")
        guard.check("localhost", "::1")
        with pytest.raises(ConfigError):
            guard.check("localhost", "10.0.0.1")

    def test_dns_rebinding_sends_nothing(
        self, serve: Callable[[Answer], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The connected address is checked before anything is sent."""
        inside = serve(reply(b"{}"))
        resolve = socket.getaddrinfo

        def rebind(host: str, *args: Any, **kwargs: Any) -> Any:
            return resolve("127.0.0.1" if host == "api.vendor.example" else host, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", rebind)
        for scheme in ("http", "https"):
            client = client_of(f"{scheme}://api.vendor.example:{inside.port}", tmp_path)
            with pytest.raises(ConfigError, match=r"api\.vendor\.example resolves to 127\.0\.0\.1"):
                client.get("/x")
        assert inside.seen == []

    def test_path_cannot_change_the_host(self, tmp_path: Path) -> None:
        client = client_of("https://api.vendor.example", tmp_path)
        adapter = wire(client, lambda request: (200, {}))
        for path in (".evil.example/x", "@evil.example/x", ":8080/x"):
            with pytest.raises(ValueError, match="would change the host"):
                client.get(path)
        client.get("//evil.example/x")
        assert [request.host for request in adapter.requests] == ["api.vendor.example"]


class TestSlowAnswers:
    """One byte before each socket timeout, forever: only the time limit of the whole call ends it."""

    @pytest.mark.parametrize("part", ["headers", "body", "chunks"])
    def test_slow_drip_response_is_ended(
        self, serve: Callable[[Answer], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
    ) -> None:
        over = threading.Event()
        starts = {
            "headers": b"HTTP/1.1 200 OK\r\nX-Slow: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        }

        def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.close_connection = True
            with contextlib.suppress(OSError):
                handler.wfile.write(starts[part])
                while not over.wait(0.02):  # short: a pause between two drips
                    handler.wfile.write(b"1\r\n \r\n" if part == "chunks" else b" ")

        client = client_of(f"http://127.0.0.1:{serve(drip).port}", tmp_path)
        monkeypatch.setattr(body, "MAX_SECONDS", 0.3)
        try:
            with pytest.raises(Uncertain, match=r"not complete after 0\.3 seconds"):
                client.call("GET", "/x")
        finally:
            over.set()

    def test_reused_connection_gets_its_own_time_limit(
        self, serve: Callable[[Answer], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = client_of(f"http://127.0.0.1:{serve(reply(b'{}')).port}", tmp_path)
        monkeypatch.setattr(body, "MAX_SECONDS", 1.0)
        for _ in range(3):
            assert client.get("/x").data == {}
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        assert all(timer.finished.is_set() for timer in timers)


class TestCredentials:
    def test_unsendable_token_is_in_no_error(self, serve: Callable[[Answer], Server], tmp_path: Path) -> None:
        client = client_of(f"http://127.0.0.1:{serve(reply(b'{}')).port}", tmp_path)
        for token in (f"{SECRET}\n", f"{SECRET}\r\nHost: evil", f"{SECRET}\u20ac"):
            client.auth = Bearer(token)
            with pytest.raises(ConfigError, match="cannot build the request") as caught:
                client.get("/x")
            assert "1234abcd" not in str(caught.value) and caught.value.__cause__ is None


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed_and_leak_no_token(
        self, serve: Callable[[Answer], Server], tmp_path: Path, status: int
    ) -> None:
        elsewhere = serve(reply(b"{}"))
        here = serve(reply(b"", status, Location=f"http://127.0.0.1:{elsewhere.port}/take?token={SECRET}"))
        with pytest.raises(ConfigError, match="it redirects to http://127") as caught:
            client_of(f"http://127.0.0.1:{here.port}", tmp_path).get("/x")
        assert elsewhere.seen == []
        assert len(here.seen) == 1
        assert SECRET not in str(caught.value)

    def test_netrc_login_is_not_sent(
        self, serve: Callable[[Answer], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password my-own\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        here = serve(reply(b"{}"))
        client_of(f"http://127.0.0.1:{here.port}", tmp_path).get("/x")
        assert here.seen[0]["Authorization"] == f"Bearer {SECRET}"


class TestLargeAnswers:
    def test_compression_bomb_is_cut_off_without_memory_growth(
        self, serve: Callable[[Answer], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        zeros = b"0" * (1 << 20)
        bomb = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()  # 256 MiB in 256 KiB
        assert len(bomb) < 1 << 20
        client = client_of(f"http://127.0.0.1:{serve(reply(bomb, Content_Encoding='gzip')).port}", tmp_path)
        monkeypatch.setattr(body, "MAX_BYTES", 8 << 20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Unavailable, match="larger than 8 MiB"):
            client.get("/x")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024

    def test_nested_compression_bomb(self, serve: Callable[[Answer], Server], tmp_path: Path) -> None:
        content = b'{"results": []}'
        for _ in range(20):
            content = gzip.compress(content)
        answer = reply(content, Content_Encoding=", ".join(["gzip"] * 20))
        with pytest.raises(Unavailable):
            client_of(f"http://127.0.0.1:{serve(answer).port}", tmp_path).get("/x")

    @pytest.mark.parametrize("depth", [2_000, 1_000_000])
    @pytest.mark.parametrize("form", ["[{}]", '{{"a":{}}}'])
    def test_endlessly_nested_encoding_is_rejected(self, depth: int, form: str) -> None:
        opening, closing = form.format("\0").split("\0")
        with pytest.raises(body.BadBody):
            body.parse((opening * depth + "1" + closing * depth).encode())
        with pytest.raises(body.BadBody):
            body.parse((opening * depth + '"\\ud800"' + closing * depth).encode())

    def test_endless_recursion_in_pagination_is_a_clear_error(self) -> None:
        def step(here: dict) -> Any:
            return step(here)

        with pytest.raises(Unavailable, match="unexpected response format"):
            list(read_pages("x", Request(clock.now()), start=lambda done: {"phase": "list"}, step=step))

    def test_error_page_is_truncated_in_the_error(self, serve: Callable[[Answer], Server], tmp_path: Path) -> None:
        page = json.dumps({"message": f"{SECRET} " * 100_000}).encode()
        with pytest.raises(PerennialError) as caught:
            client_of(f"http://127.0.0.1:{serve(reply(page, 400)).port}", tmp_path).get("/x")
        assert len(str(caught.value)) < 1000
        assert SECRET not in str(caught.value)


class TestCertificates:
    def test_nothing_is_sent_with_an_untrusted_certificate(
        self, serve: Callable[[Answer], Server], tmp_path: Path
    ) -> None:
        server = serve(reply(b"{}"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path))
        server.http.socket = context.wrap_socket(server.http.socket, server_side=True, do_handshake_on_connect=False)
        with pytest.raises(ConfigError, match="certificate is not trusted"):
            client_of(f"https://localhost:{server.port}", tmp_path).get("/x")
        assert server.seen == []
