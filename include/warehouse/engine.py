"""Engines for the warehouse, one per role, and the one place that knows its address."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Literal

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from include.errors import ConfigError, WarehouseError

Role = Literal["owner", "loader", "builder", "reader"]
SCHEMAS = ("raw", "quarantine", "meta", "staging", "core", "marts", "ops")
MINIMUM_VERSION = 15


def database_url() -> str:
    """Return the warehouse URL.

    Returns:
        ``PERENNIAL_DATABASE_URL``; when that is unset, the URL of the running embedded server.

    Raises:
        ConfigError: The variable is no ``postgresql+psycopg://`` URL.
        WarehouseError: The variable is unset and no embedded server runs.
    """
    url = os.environ.get("PERENNIAL_DATABASE_URL")
    if not url:
        from include.warehouse.server import running_url

        return running_url()
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError(
            "PERENNIAL_DATABASE_URL is not a database URL",
            cure="set it to postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE",
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise ConfigError(
            f"PERENNIAL_DATABASE_URL names {parsed.get_backend_name()}, but the warehouse must be PostgreSQL",
            cure="set it to postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE",
        )
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


@lru_cache(maxsize=8)
def _engine(url: str, role: Role) -> Engine:
    # The check interval lets the server end the statements, and free the locks, of a process that was killed.
    options = "-c timezone=UTC -c lock_timeout=60s -c client_connection_check_interval=2s"
    if role == "reader":
        options += " -c default_transaction_read_only=on -c statement_timeout=60s"
    if role == "loader":
        # A merge goes through its changed rows several times: they need not come from a file each time.
        options += " -c temp_buffers=128MB"
    if role != "owner":
        options += f" -c role=perennial_{role}"
    return sa.create_engine(
        url,
        pool_size=2,
        max_overflow=4,
        pool_pre_ping=True,
        # What is bound may be about persons; errors end up in logs.
        hide_parameters=True,
        connect_args={
            "options": options,
            "connect_timeout": 10,
            "application_name": f"perennial {role}",
        },
    )


def engine(role: Role = "reader", url: str | None = None) -> Engine:
    """Return the engine that acts under one role.

    Args:
        role: ``loader`` writes raw, quarantine and meta; ``builder`` writes staging, core, marts; ``reader`` reads,
            ends statements after 60 seconds; ``owner`` runs migrations only.
        url: Another warehouse than the configured one.
    """
    return _engine(url or database_url(), role)


def check(url: str | None = None) -> None:
    """Make sure that the warehouse answers and is recent enough.

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
            f"the warehouse at {shown} does not let us in: {reason}",
            cure="start the server, or correct PERENNIAL_DATABASE_URL",
        ) from None
    if int(version[0]) < MINIMUM_VERSION:
        raise WarehouseError(
            f"the warehouse at {shown} is PostgreSQL {version[0]}",
            cure=f"use PostgreSQL {MINIMUM_VERSION} or newer",
        )


def has_table(connection: sa.Connection, name: str) -> bool:
    """Return whether a table, named with its schema, was built yet: older versions have not built all of them."""
    return bool(connection.execute(sa.text("select to_regclass(:name) is not null"), {"name": name}).scalar())


def readable(error: sa.exc.SQLAlchemyError | psycopg.Error) -> WarehouseError:
    """Return a database error as one that says what to do; it names neither statement nor parameters."""
    origin = getattr(error, "orig", None) or error
    state = getattr(origin, "sqlstate", None) or ""
    said = " ".join(str(origin).strip().split("\n")[0].split())
    if state.startswith("22"):  # bad data: the message ends with the value
        said = said.split(': "')[0]
    if isinstance(error, sa.exc.TimeoutError):
        return WarehouseError("the warehouse has no free connection for this process", cure="run again later")
    if "perennial_" in said and "does not exist" in said:  # the roles come with the first migration
        state = "42"
    return WarehouseError(f"the warehouse refused: {said}", cure=_CURES.get(state) or _CURES.get(state[:2], ""))


# SQLSTATE or its class -> what to do.
_CURES = {
    "": "see whether the server runs and PERENNIAL_DATABASE_URL is right, then run again",
    "08": "see whether the server runs, then run again",
    "28": "correct user and password in PERENNIAL_DATABASE_URL",
    "3D": "create the database, or correct its name in PERENNIAL_DATABASE_URL",
    "3F": "run `python -m include.cli server migrate`",
    "42": "run `python -m include.cli server migrate`",
    "42501": "let an administrator grant what docs/how-to/connect-your-systems.md lists under *A warehouse*,"
    " then run `python -m include.cli server migrate`",
    "53100": "free some space on the server's disk, then run again: nothing is half done",
    "53": "give the server more memory or connections, then run again: nothing is half done",
    "55P03": "another run is at work on the same rows: run again when it has ended",
    "57": "the server is stopping or ended the statement: run again",
}
