"""Create the warehouse's database engines, one login per role, and resolve their URLs.

Loader, builder and reader have separate logins, so a session that drops its role (`set role none`) has no rights left.
Only migrations, erasure and housekeeping use the owner's URL.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from functools import lru_cache
from typing import Literal

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from include.common.connections import HOW_TO_QUOTE, is_cut
from include.common.errors import ConfigError, WarehouseError

Role = Literal["owner", "loader", "builder", "editor", "reader"]
GROUPS: tuple[Role, ...] = ("loader", "builder", "editor", "reader")
OWNER_URL = "PERENNIAL_DATABASE_URL"
SCHEMAS = ("raw", "quarantine", "meta", "staging", "core", "marts", "ops")
MINIMUM_VERSION = 15


def database_url() -> str:
    """Return the warehouse URL.

    Returns:
        ``PERENNIAL_DATABASE_URL``; when that is unset, the URL of the running embedded server.

    Raises:
        ConfigError: The variable is not a PostgreSQL URL.
        WarehouseError: The variable is unset and no embedded server runs.
    """
    return _given(OWNER_URL) or _embedded_url()


def url_variable(role: Role) -> str:
    """Return the environment variable for the URL of a role's login."""
    return OWNER_URL if role == "owner" else f"{OWNER_URL}_{role.upper()}"


def group(role: Role) -> str:
    """Return the database role that holds a role's rights and cannot log in."""
    return f"perennial_{role}"


def login_url(role: Role, url: str | None = None) -> str:
    """Return the URL of a role's login.

    Args:
        role: The role. The owner's URL is the warehouse's URL.
        url: The owner's URL, if not that of the configured warehouse.

    Returns:
        ``PERENNIAL_DATABASE_URL_<ROLE>`` if set, else a login named after the owner. Its password is derived from the
        owner's, so there is no further secret to store. The owner's password cannot be derived from it.

    Raises:
        ConfigError: The URL is not valid, or the owner's has no password to derive one from.
        WarehouseError: No URL is set and no embedded server runs.
    """
    given = _given(url_variable(role)) if url is None and role != "owner" else ""
    if given:
        return given
    owner = make_url(url or database_url())
    if role == "owner":
        return owner.render_as_string(hide_password=False)
    if not (owner.username and owner.password):
        raise ConfigError(
            f"cannot derive the password of the {role}'s login: {OWNER_URL} has no password",
            cure=f"create the logins as docs/how-to/connect-your-systems.md shows and set {url_variable(role)}",
        )
    derived = hmac.new(str(owner.password).encode(), f"perennial login {role}".encode(), hashlib.sha256).hexdigest()
    name = f"{owner.username}_{role}_login"
    return owner.set(username=name, password=derived).render_as_string(hide_password=False)


def _given(variable: str) -> str:
    """Return the URL in a variable, with the psycopg driver; "" if it is unset."""
    url = os.environ.get(variable, "").strip()
    if not url:
        return ""
    cure = "set it to postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(f"{variable} is not a database URL", cure=cure) from None
    if is_cut(parsed.host, parsed.database):
        raise ConfigError(f"{variable} was cut inside its password", cure=HOW_TO_QUOTE)
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(
            f"{variable} names {parsed.get_backend_name()}, but the warehouse must be PostgreSQL", cure=cure
        )
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _embedded_url() -> str:
    from include.warehouse.embedded.server import running_url

    return running_url()


@lru_cache(maxsize=16)
def _engine(url: str, role: Role) -> Engine:
    # The check interval lets the server end the statements of a killed process and free its locks. Other users of the
    # database may create functions and tables in `public`. Without `public` in the search path, they are never called.
    # The keepalives do so for a machine that is lost without closing its connections.
    options = (
        "-c timezone=UTC -c lock_timeout=60s -c client_connection_check_interval=2s -c search_path=pg_catalog"
        " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
    )
    if role == "reader":
        options += " -c default_transaction_read_only=on -c statement_timeout=60s"
    if role == "loader":
        # A merge scans its changed rows several times. Larger buffers keep them in memory.
        options += " -c temp_buffers=128MB"
    if role != "owner":
        options += f" -c role={group(role)}"
    return sa.create_engine(
        url,
        pool_size=2,
        max_overflow=4,
        pool_pre_ping=True,
        # Parameters may contain personal data, and errors end up in logs.
        hide_parameters=True,
        connect_args={
            "options": options,
            "connect_timeout": 10,
            "application_name": f"perennial {role}",
        },
    )


def engine(role: Role = "reader", url: str | None = None) -> Engine:
    """Return the engine that logs in as a role.

    Args:
        role: ``loader`` writes raw, quarantine and meta. ``builder`` writes staging, core and marts. ``editor`` writes
            what people enter on the pages. ``reader`` only reads, with a statement timeout of 60 seconds. ``owner`` is
            for migrations, erasure and housekeeping.
        url: The owner's URL, if not that of the configured warehouse.
    """
    return _engine(login_url(role, url), role)


def check(url: str | None = None) -> None:
    """Check that the warehouse answers and is recent enough.

    Raises:
        WarehouseError: It does not answer, refuses the login, or is older than PostgreSQL 15.
    """
    shown = make_url(url or database_url()).render_as_string(hide_password=True)
    try:
        with engine("owner", url).connect() as connection:
            version = connection.dialect.server_version_info or (0,)
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise WarehouseError(
            f"the warehouse at {shown} refuses the connection: {reason}",
            cure="start the server, or fix PERENNIAL_DATABASE_URL",
        ) from None
    if int(version[0]) < MINIMUM_VERSION:
        raise WarehouseError(
            f"the warehouse at {shown} runs PostgreSQL {version[0]}, which is too old",
            cure=f"use PostgreSQL {MINIMUM_VERSION} or newer",
        )


def has_table(connection: sa.Connection, name: str) -> bool:
    """Return whether a table, named with its schema, exists. A warehouse of an older version may lack some."""
    return bool(connection.execute(sa.text("select to_regclass(:name) is not null"), {"name": name}).scalar())


def readable(error: sa.exc.SQLAlchemyError | psycopg.Error) -> WarehouseError:
    """Convert a database error into one with a cure. It shows neither the statement nor its parameters."""
    origin = getattr(error, "orig", None) or error
    state = getattr(origin, "sqlstate", None) or ""
    message = " ".join(str(origin).strip().split("\n")[0].split())
    if state.startswith("22"):
        message = bad_data(state)
    elif state == "2BP01":  # the detail lists the dependent objects
        detail = getattr(getattr(origin, "diag", None), "message_detail", None) or ""
        message = " ".join(f"{message}; {detail}".split())
    if isinstance(error, sa.exc.TimeoutError):
        return WarehouseError("all connections of this process to the warehouse are in use", cure="retry later")
    state = state or _refused(message)
    variable = next((name for role in ("owner", *GROUPS) if _names(name := url_variable(role), message)), OWNER_URL)
    cure = _CURES.get(state) or _CURES.get(state[:2], "")
    return WarehouseError(f"the warehouse returned an error: {message}", cure=cure.replace("{variable}", variable))


def _refused(message: str) -> str:
    """Return the SQLSTATE class of a refused connection, for which libpq reports none."""
    # Migrations create roles and logins. PostgreSQL reports a missing login as a wrong password.
    if 'role "perennial_' in message or ("_login" in message and "authentication failed" in message):
        return "42"
    if "authentication failed" in message:
        return "28"
    return "3D" if re.search('database ".*" does not exist', message) else ""


def _names(variable: str, message: str) -> bool:
    """Return whether a message quotes the user in a variable's URL."""
    url = _given(variable)
    return bool(url) and f'"{make_url(url).username}"' in message


def bad_data(state: str) -> str:
    """Return the name of an error of SQLSTATE class 22, since the database's own message quotes the value."""
    try:
        name = psycopg.errors.lookup(state).__name__
    except KeyError:
        name = "DataException"
    return f"{re.sub('(?<!^)(?=[A-Z])', ' ', name).lower()} (SQLSTATE {state})"


# SQLSTATE or its class -> cure.
_CURES = {
    "": "check that the server is running and PERENNIAL_DATABASE_URL is correct, then run again",
    "2BP01": "ask the owner of the dependent objects to drop or change them, then run again",
    "08": "check that the server is running, then run again",
    "28": "correct user and password in {variable}",
    "3D": "create the database, or correct its name in {variable}",
    "3F": "run `python -m include.cli server migrate`",
    "42": "run `python -m include.cli server migrate`",
    "42501": "ask an administrator to grant what docs/how-to/connect-your-systems.md lists under *A warehouse*,"
    " then run `python -m include.cli server migrate`",
    "53100": "free some space on the server's disk, then run again: the transaction was rolled back",
    "53": "give the server more memory or connections, then run again: the transaction was rolled back",
    "55P03": "another run has locked the same rows: run again when it has finished",
    "57": "the server is shutting down or cancelled the statement: run again",
}
