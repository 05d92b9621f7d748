"""Block requests to private addresses that the settings do not allow, whatever the host name resolves to.

The check uses the address that the socket is connected to, before a byte is sent. A name may resolve to one address
when it is checked and to another when it is used.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from include.common.connections import is_loopback
from include.common.errors import ConfigError
from include.config import load
from include.http import deadline

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, and ranges that some
# Python releases wrongly report as global. Azure's metadata address is public but answers only from inside:
# https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_NOT_PUBLIC: dict[int, tuple[Any, ...]] = {
    4: tuple(map(ipaddress.IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "240.0.0.0/4"))),
    6: tuple(
        map(
            ipaddress.IPv6Network,
            ("64:ff9b:1::/48", "fec0::/10", "5f00::/16", "100::/63", "2001::/23", "2001:db8::/32", "3fff::/20"),
        )
    ),
}
# NAT64 (RFC 6052), IPv4-compatible (RFC 4291) and IPv4-translated (RFC 2765): the last 32 bits are the address.
_EMBEDS_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))


def check(host: str, address: str) -> None:
    """Check that a connection to this address is allowed.

    Args:
        host: Host name in the connection.
        address: IP address that the socket is connected to.

    Raises:
        ConfigError: The address is not public, and the settings do not allow it.
    """
    found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if (
        found.is_global
        and not found.is_multicast
        and not any(found in network for network in _NOT_PUBLIC[found.version])
    ):
        return
    settings = load()
    if host in (*settings.allowed_private_hosts, *settings.allowed_plain_http_hosts):
        return
    if found.is_loopback and is_loopback(host):
        return
    raise ConfigError(
        f"{host} resolves to {found}, which is not a public address; nothing was sent",
        cure="correct the host, or list it under allowed_private_hosts in config/settings.yaml if it is yours",
    )


def _unwrapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address embeds; otherwise the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        is_own = address.is_loopback or address.is_unspecified
        if not is_own and any(address in network for network in _EMBEDS_IPV4):
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


class _Checked:
    """A connection that checks its peer's address before it sends anything."""

    host: str
    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        deadline.watch(connected)
        try:
            check(self.host.strip("[]"), connected.getpeername()[0])
        except ConfigError:
            connected.close()
            raise
        return connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        deadline.watch(self.sock)  # a reused connection; a new one is watched from its start
        super().request(*args, **kwargs)  # type: ignore[misc]


class _Plain(_Checked, HTTPConnection):
    pass


class _Secure(_Checked, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class GuardedAdapter(HTTPAdapter):
    """The transport adapter of every session. Behind a proxy, the proxy decides which hosts can be reached."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
