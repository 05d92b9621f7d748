"""Read Airflow connections, inside and outside Airflow.

Outside Airflow, connections come from ``AIRFLOW_CONN_<ID>``, in Airflow's URI or JSON format. Inside Airflow,
`orchestration` registers a resolver that also reads Airflow's metadata database and secrets backends.
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

# Generic connection types do not name the vendor: `extra.vendor` does.
_GENERIC_TYPES = {"", "http", "https", "generic"}
_EXTRA_KEY = "__extra__"
# Their logins and passwords may hold any character.
_DATABASES = frozenset({"postgres", "mysql", "mariadb", "mssql", "oracle", "sqlite", "smtp", "email"})


@dataclass(frozen=True)
class Connection:
    """An Airflow connection. Its ``repr`` hides the password and ``extra``.

    Args:
        conn_type: Airflow's connection type.
        vendor: The system behind it: the connection type, or ``extra.vendor`` for generic types.
        host: Host name, or full base URL.
        port: Port, unless ``host`` contains it.
        login: User name.
        password: Password or token.
        schema: Database name. For HTTP, the path that Airflow's URI format splits off.
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
        """The environment variable that can define this connection."""
        return f"AIRFLOW_CONN_{self.id.upper()}"

    def error(self, message: str, *, cure: str) -> ConfigError:
        """Return an error that names the connection and where to edit it."""
        return ConfigError(
            f"connection {self.id}: {message}",
            cure=f"{cure} (in Airflow under Admin, Connections, or in {self.variable})",
        )

    def secret(self) -> str:
        """Return the password.

        Raises:
            ConfigError: The connection has no password.
        """
        if not self.password:
            raise self.error("has no password", cure="put the token or password into its password field")
        return self.password

    def base_url(self, allowed_plain_http_hosts: tuple[str, ...] = ()) -> str:
        """Return the base URL of an HTTP service, without a trailing slash.

        Args:
            allowed_plain_http_hosts: Hosts that may be reached without TLS. Loopback addresses are always allowed.

        Raises:
            ConfigError: ``host`` is not a full base URL, or it uses plain HTTP to a host that is not allowed.
        """
        example = "write the full base URL into its host field, such as https://api.hubapi.com"
        if not self.host:
            raise self.error("has no host", cure=example)
        if re.search(r"[\s\\\x00-\x1f\x7f]", self.host):
            raise self.error("host contains whitespace or a backslash", cure=example)
        try:
            parts = urlsplit(self.host)
            _ = parts.port
        except ValueError:
            raise self.error("host is not a base URL", cure=example) from None
        if parts.hostname and not _HOST.fullmatch(parts.hostname):
            raise self.error("host is not a valid host name", cure=example)
        if re.search(r"[\s\\\x00-\x1f\x7f]", self.schema):
            raise self.error("schema contains whitespace or a backslash", cure="leave its schema empty")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            # A secret may have been pasted here by mistake.
            seen = "" if "@" in self.host else f" {self.host!r}"
            raise self.error(f"host{seen} is not a full base URL", cure=example)
        if parts.username or parts.password or parts.query or parts.fragment:
            raise self.error("host contains more than a base URL", cure="put secrets into its password field")
        if parts.scheme == "http" and not (is_loopback(parts.hostname) or parts.hostname in allowed_plain_http_hosts):
            raise self.error(
                f"would send its secret in plain text to {parts.hostname}",
                cure="use https://, or list the host under allowed_plain_http_hosts in config/settings.yaml",
            )
        port = f":{self.port}" if self.port and not parts.port else ""
        path = f"/{self.schema.strip('/')}" if self.schema and self.schema not in ("http", "https") else ""
        return f"{parts.scheme}://{parts.netloc}{port}{parts.path.rstrip('/')}{path}"


# Letters of any script (the client converts them to Punycode), digits, dots, hyphens and underscores; or an IPv6
# address.
_HOST = re.compile(r"[\w.-]{1,253}|[0-9a-fA-F:.]{2,45}")
_SECRET = re.compile(r"(?i)token|secret|password|key|credential")
Resolver = Callable[[str], "Connection | None"]
_resolver: Resolver | None = None


def set_resolver(resolver: Resolver | None) -> None:
    """Register the function that looks up connections without an environment variable."""
    global _resolver
    _resolver = resolver


def get(connection_id: str) -> Connection:
    """Return a connection.

    Raises:
        ConfigError: The connection does not exist or cannot be parsed. The message names its id and variable.
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
        cure=f"create it in Airflow under Admin, Connections, or set {variable}; a command that runs without Airflow's"
        " settings sees the variable only",
    )


def parse(connection_id: str, value: str) -> Connection:
    """Parse a connection from Airflow's URI or JSON format.

    Raises:
        ConfigError: The value is in neither format. The message omits the value, since it contains secrets.
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
    """Build a connection from the fields of Airflow's connection form.

    Raises:
        ValueError: ``port`` is not a number, or ``extra`` is not a JSON object.
        ConfigError: A field contains a character that cannot be sent. The message omits the value.
    """
    details = json.loads(extra) if isinstance(extra, str) and extra.strip() else (extra or {})
    if not isinstance(details, dict):
        raise ValueError("extra is not a JSON object")
    kind = "postgres" if conn_type == "postgresql" else (conn_type or "").replace("-", "_")
    vendor = str(details.get("vendor") or "") if kind in _GENERIC_TYPES else kind
    made = Connection(
        id=connection_id,
        conn_type=kind,
        vendor=vendor.lower(),
        host=(host or "").strip(),
        port=int(port) if port else None,
        # Secrets written with `echo`, or copied as a whole line, end in a newline.
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


HOW_TO_QUOTE = "quote its password: write @ as %40, / as %2F and % as %25"


def is_cut(*parts: str | None) -> bool:
    """Return whether a URL was cut inside its password, at an unquoted sign: these parts then hold the rest of it."""
    return any("@" in (part or "") for part in parts)


def _check_field(connection: Connection, name: str, value: str) -> None:
    """Reject characters that a header, address or login cannot hold. The error omits the value: it may be a secret."""
    is_text = name.startswith("extra.") or name == "schema"
    if any(unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") for sign in value) and not (
        is_text and "\n" in value and value.startswith("-----BEGIN ")  # a key in PEM form
    ):
        raise connection.error(
            f"its {name} contains a line break or another control character", cure=f"enter {name} again"
        )
    # Tokens are sent in headers, which accept Latin-1 only: https://www.rfc-editor.org/rfc/rfc9110#section-5.5
    is_database = connection.vendor in _DATABASES or "sqlalchemy_url" in connection.extra
    if is_database and name == "schema" and is_cut(value):
        raise connection.error("its schema contains @, as if it were cut inside its password", cure=HOW_TO_QUOTE)
    is_http = not is_database and name in ("password", "login")
    if is_http and any(ord(sign) > 255 for sign in value):
        raise connection.error(
            f"its {name} contains a character that HTTP headers do not allow", cure=f"enter {name} again"
        )


def _from_json(value: str) -> dict[str, Any]:
    fields = json.loads(value)
    known = ("conn_type", "host", "port", "login", "password", "schema", "extra", "description")
    return {key: fields.get(key) for key in known}


def _from_uri(uri: str) -> dict[str, Any]:
    """Split a URI as Airflow does: a second scheme belongs to the host, and the path is the schema."""
    kind, separator, rest = uri.partition("://")
    if not separator or not kind or uri.count("://") > 2:
        raise ValueError("not a connection URI")
    protocol = ""
    if "://" in rest:
        protocol, _, rest = rest.partition("://")
        if "@" in protocol or ":" in protocol:
            raise ValueError("not a connection URI")
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
    """Return the unquoted host. A quoted base URL keeps its case."""
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
    """Return whether a host name or address is a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
