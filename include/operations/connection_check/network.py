"""Check whether a host is reachable and its certificate is trusted, without sending a request."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from include.common.connections import is_loopback
from include.operations.connection_check.finding import Line

_SECONDS = 5.0
_SOON_DAYS = 21


def reach(connection: str, url: str) -> list[Line]:
    """Return the findings on reachability and TLS of a base URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if requests.utils.get_environ_proxies(url):
        return [Line(connection, "reachable", "unknown", f"{host} is reached through a proxy")]
    started = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=_SECONDS) as plain:
            seconds = time.monotonic() - started
            reached = Line(connection, "reachable", "ok", f"{host}:{port} in {seconds * 1000:.0f} ms")
            if parts.scheme != "https":
                fix = "" if is_loopback(host) else "use https://"
                return [reached, Line(connection, "TLS", "warning" if fix else "ok", f"plain HTTP to {host}", fix)]
            return [reached, _tls(connection, plain, host)]
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        fix = f"check the host of connection {connection}, name resolution and firewall"
        return [Line(connection, "reachable", "failed", f"{host}:{port}: {reason}", fix, exit_status=5)]


def _tls(connection: str, plain: socket.socket, host: str) -> Line:
    try:
        with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure:
            until = ssl.cert_time_to_seconds(str((secure.getpeercert() or {}).get("notAfter", "")))
            version = secure.version()
    except ssl.SSLError as error:
        fix = "correct the host, or set REQUESTS_CA_BUNDLE to your own CA"
        return Line(connection, "TLS", "failed", f"the certificate is not trusted: {error.reason}", fix, exit_status=2)
    days = (datetime.fromtimestamp(until, UTC) - datetime.now(UTC)).days
    found = f"{version}, its certificate expires in {days} days"
    if days < _SOON_DAYS:
        return Line(connection, "TLS", "warning", found, "ask the operator of the host to renew it")
    return Line(connection, "TLS", "ok", found)
