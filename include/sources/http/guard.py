"""Lets no request reach a private address that nobody has allowed, whatever its name resolves to.

What counts is the address that the socket is connected to, looked at before a byte is sent: a name may resolve to one
address when it is checked and to another when it is used.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from include.config import load
from include.connections import is_loopback
from include.errors import ConfigError


def check(host: str, address: str) -> None:
    """Make sure that a host may be at an address.

    Args:
        host: As the connection names it.
        address: Where it was found.

    Raises:
        ConfigError: The address is not one of the public Internet, and the settings do not allow it.
    """
    found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if found.is_global and not found.is_multicast:
        return
    settings = load()
    if host in (*settings.allowed_private_hosts, *settings.allowed_plain_http_hosts):
        return
    if found.is_loopback and is_loopback(host):
        return
    raise ConfigError(
        f"{host} leads to {found}, which is no public address: nothing was sent to it",
        cure="correct the host, or list it under allowed_private_hosts in config/settings.yaml if it is yours",
    )


def _unwrapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


class _Checked:
    """A connection that looks where it has arrived."""

    host: str

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            check(self.host.strip("[]"), connected.getpeername()[0])
        except ConfigError:
            connected.close()
            raise
        return connected


class _Plain(_Checked, HTTPConnection):
    pass


class _Secure(_Checked, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class GuardedAdapter(HTTPAdapter):
    """The transport of every session. Behind a proxy it is the proxy that decides what may be reached."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """See ``HTTPAdapter``."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
