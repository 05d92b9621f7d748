"""Connections to the outside, as Airflow keeps them, readable with and without Airflow.

Outside Airflow they come from ``AIRFLOW_CONN_<ID>`` in Airflow's own two forms, URI and JSON. Inside, orchestration
registers a resolver that also asks Airflow's database and secret backends.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from include.common import secrets as hiding
from include.common.errors import ConfigError

# Airflow's plain form knows no vendors of its own: with these types the vendor is in `extra`.
_GENERIC_TYPES = {"", "http", "https", "generic"}
_EXTRA_KEY = "__extra__"
# Their logins and passwords may be any text.
_DATABASES = frozenset({"postgres", "mysql", "mariadb", "mssql", "oracle", "sqlite", "smtp", "email"})


@dataclass(frozen=True)
class Connection:
    """One connection. Its ``repr`` shows neither password nor extra.

    Args:
        conn_type: Airflow's connection type.
        vendor: Which system it is: the type, or ``extra.vendor`` for types that name none.
        host: Host name, or full base URL.
        port: Port, if it is not in ``host``.
        login: User name.
        password: Password or token.
        schema: Database name; for HTTP, the path that Airflow's URI form splits off.
        extra: Further settings.
    """

    id: str
    conn_type: str = ""
    vendor: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def variable(self) -> str:
        """The environment variable that can hold it."""
        return f"AIRFLOW_CONN_{self.id.upper()}"

    def error(self, message: str, *, cure: str) -> ConfigError:
        """Return an error that names the connection and where to correct it."""
        return ConfigError(
            f"connection {self.id}: {message}",
            cure=f"{cure} (in Airflow under Admin, Connections, or in {self.variable})",
        )

    def secret(self) -> str:
        """Return the password.

        Raises:
            ConfigError: There is none.
        """
        if not self.password:
            raise self.error("has no password", cure="put the token or password into its password field")
        return self.password

    def base_url(self, allowed_plain_http_hosts: tuple[str, ...] = ()) -> str:
        """Return the base URL of an HTTP service, without a slash at the end.

        Args:
            allowed_plain_http_hosts: Hosts that may be reached without TLS; this machine itself always may.

        Raises:
            ConfigError: ``host`` is no full URL, or plain HTTP to another host.
        """
        example = "write the full base URL into its host field, such as https://api.hubapi.com"
        if not self.host:
            raise self.error("has no host", cure=example)
        if re.search(r"[\s\\\x00-\x1f\x7f]", self.host):
            raise self.error("host holds white space or a backslash", cure=example)
        try:
            parts = urlsplit(self.host)
            _ = parts.port
        except ValueError:
            raise self.error("host is no base URL", cure=example) from None
        if parts.hostname and not _HOST.fullmatch(parts.hostname):
            raise self.error("host names no host that there can be", cure=example)
        if re.search(r"[\s\\\x00-\x1f\x7f]", self.schema):
            raise self.error("schema holds white space or a backslash", cure="leave its schema empty")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            # What was pasted here by mistake may be a secret.
            seen = "" if "@" in self.host else f" {self.host!r}"
            raise self.error(f"host{seen} is no full base URL", cure=example)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise self.error("host holds more than a base URL", cure="secrets belong into its password field")
        if parts.scheme == "http" and not (is_loopback(parts.hostname) or parts.hostname in allowed_plain_http_hosts):
            raise self.error(
                f"would send its secret in plain text to {parts.hostname}",
                cure="use https://, or list the host under allowed_plain_http_hosts in config/settings.yaml",
            )
        port = f":{self.port}" if self.port and not parts.port else ""
        path = f"/{self.schema.strip('/')}" if self.schema and self.schema not in ("http", "https") else ""
        return f"{parts.scheme}://{parts.netloc}{port}{parts.path.rstrip('/')}{path}"


# Letters of any script (the client turns them into Punycode), digits, dots, strokes; or an IPv6 address.
_HOST = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")
_SECRET = re.compile(r"(?i)token|secret|password|key|credential")
Resolver = Callable[[str], "Connection | None"]
_resolver: Resolver | None = None


def set_resolver(resolver: Resolver | None) -> None:
    """Register what is asked for connections that no environment variable holds."""
    global _resolver
    _resolver = resolver


def get(connection_id: str) -> Connection:
    """Return a connection.

    Raises:
        ConfigError: It is nowhere, or what is there cannot be read; names the id and the variable.
    """
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    value = os.environ.get(variable, "").strip()
    if value:
        return parse(connection_id, value)
    found = _resolver(connection_id) if _resolver else None
    if found:
        return found
    raise ConfigError(
        f"unknown connection {connection_id}",
        cure=f"create it in Airflow under Admin, Connections, or set {variable}",
    )


def parse(connection_id: str, value: str) -> Connection:
    """Read a connection from Airflow's URI or JSON form.

    Raises:
        ConfigError: It is neither. The message does not show the value, which holds secrets.
    """
    try:
        fields = _from_json(value) if value.startswith("{") else _from_uri(value)
        return make(connection_id, **fields)
    except (ValueError, TypeError, AttributeError):
        variable = f"AIRFLOW_CONN_{connection_id.upper()}"
        raise ConfigError(
            f"connection {connection_id}: {variable} is neither a connection URI nor JSON",
            cure='use {"conn_type": "hubspot", "host": "https://api.hubapi.com", "password": "TOKEN"}',
        ) from None


def make(
    connection_id: str,
    *,
    conn_type: str | None = None,
    host: str | None = None,
    port: int | str | None = None,
    login: str | None = None,
    password: str | None = None,
    schema: str | None = None,
    extra: dict[str, Any] | str | None = None,
    description: str | None = None,
) -> Connection:
    """Build a connection from the fields of Airflow's form.

    Raises:
        ValueError: ``port`` is not a number, or ``extra`` no JSON object.
        ConfigError: A field holds what cannot be sent; the message does not show it.
    """
    details = json.loads(extra) if isinstance(extra, str) and extra.strip() else (extra or {})
    if not isinstance(details, dict):
        raise ValueError("extra is no JSON object")
    kind = "postgres" if conn_type == "postgresql" else (conn_type or "").replace("-", "_")
    vendor = str(details.get("vendor") or "") if kind in _GENERIC_TYPES else kind
    made = Connection(
        id=connection_id,
        conn_type=kind,
        vendor=vendor.lower(),
        host=(host or "").strip(),
        port=int(port) if port else None,
        # Secrets that were made with `echo`, or copied with the line, end in a line end.
        login=(login or "").strip(),
        password=(password or "").strip(),
        schema=(schema or "").strip(),
        extra={key: value.strip() if isinstance(value, str) else value for key, value in details.items()},
    )
    fields = {"host": made.host, "login": made.login, "password": made.password, "schema": made.schema}
    texts = {f"extra.{key}": value for key, value in made.extra.items() if isinstance(value, str)}
    for name, value in (fields | texts).items():
        _check_field(made, name, value)
    hiding.remember([made.password, *(value for name, value in texts.items() if _SECRET.search(name))])
    return made


def _check_field(connection: Connection, name: str, value: str) -> None:
    """Refuse what no header, address or login holds; whatever is wrong in a secret is not shown."""
    is_text = name.startswith("extra.") or name == "schema"
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") for sign in value) and not (
        is_text and "\n" in value and value.startswith("-----BEGIN ")  # a key in PEM form
    ):
        raise connection.error(f"its {name} holds a line end or another control character", cure=f"enter {name} again")
    # Tokens are sent in headers, which take Latin letters only: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
    is_database = connection.vendor in _DATABASES or "sqlalchemy_url" in connection.extra
    is_http = not is_database and name in ("password", "login")
    if is_http and any(ord(sign) > 255 for sign in value):
        raise connection.error(f"its {name} holds a character that no header can", cure=f"enter {name} again")


def _from_json(value: str) -> dict[str, Any]:
    fields = json.loads(value)
    known = ("conn_type", "host", "port", "login", "password", "schema", "extra", "description")
    return {key: fields.get(key) for key in known}


def _from_uri(uri: str) -> dict[str, Any]:
    """Split a URI as Airflow does: a second scheme in it belongs to the host, the path is the schema."""
    kind, separator, rest = uri.partition("://")
    if not separator or not kind or uri.count("://") > 2:
        raise ValueError("no connection URI")
    protocol = ""
    if "://" in rest:
        protocol, _, rest = rest.partition("://")
        if "@" in protocol or ":" in protocol:
            raise ValueError("no connection URI")
    parts = urlsplit(f"//{rest}")
    host = _host(parts.netloc)
    query: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = query[_EXTRA_KEY] if _EXTRA_KEY in query else {key: _json_or_text(text) for key, text in query.items()}
    return {
        "conn_type": kind,
        "host": f"{protocol}://{host}" if protocol and host else host,
        "port": parts.port,
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": unquote(parts.path[1:]),
        "extra": extra,
    }


def _host(netloc: str) -> str:
    """Return the unquoted host; a quoted base URL in it keeps its case."""
    host = unquote(urlsplit(f"//{netloc}").hostname or "")
    if "/" in host:
        host = unquote(netloc.rsplit("@", 1)[-1].split(":", 1)[0])
    return host


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text) if text else text
    except json.JSONDecodeError:
        return text


def is_loopback(host: str) -> bool:
    """Return whether a host's name says that it is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
