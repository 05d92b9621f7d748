"""One read-only snapshot of a database, and its failures in our words."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.common.errors import AuthError, ConfigError, PerennialError, Unavailable
from include.connectors.database.privileges import prove_read_only
from include.connectors.database.query import Query
from include.http.redact import redact

STATEMENT_MINUTES = 30
# Times without a zone are UTC; nothing is written, whatever the SQL says; no statement runs for ever.
_SESSION = {
    "postgresql": (
        "set local timezone = 'UTC'",
        "set local statement_timeout = '{seconds}s'",
        "set local standard_conforming_strings = on",  # as our parser reads them
        # A policy that hides rows from this login would count as a complete read: it is an error instead.
        "set local row_security = off",
    ),
    "mysql": (
        "set time_zone = '+00:00'",
        "set session max_execution_time = {seconds}000",
        "start transaction with consistent snapshot, read only",
    ),
    "mariadb": (
        "set time_zone = '+00:00'",
        "set session max_statement_time = {seconds}",
        "start transaction with consistent snapshot, read only",
    ),
    "sqlite": ("pragma query_only = on",),
    # For these the login has to be proved unable to write, too: include/connectors/database/privileges.py.
    "oracle": ("set transaction read only",),
}
# Drivers that end a call by themselves: the attribute of their connection, and how many of its units are a second.
# https://python-oracledb.readthedocs.io/en/latest/api_manual/connection.html, https://github.com/mkleehammer/pyodbc/wiki
_TIME_LIMITS = {"oracledb": ("call_timeout", 1000), "pyodbc": ("timeout", 1)}
# https://www.sqlite.org/c3ref/progress_handler.html
_SQLITE_STEPS = 100_000
_SQLITE_PAUSE = 0.5
# Whatever is open for longer is forgotten rather than at work, and must not hold up reading for ever.
_LONGEST_TRANSACTION = timedelta(days=1)
# A replica that has replayed all it received, and still receives, is not behind, however old the last transaction is.
_POSTGRESQL_BEHIND = sa.text(
    """
    select
        case
            when not pg_is_in_recovery() then 0
            when exists (select from pg_stat_wal_receiver)
                and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
            else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())
        end,
        extract(epoch from clock_timestamp() - least(
            (
                select min(xact_start) from pg_stat_activity
                where datname = current_database() and backend_xid is not null and pid <> pg_backend_pid()
            ),
            (select min(prepared) from pg_prepared_xacts where database = current_database())
        ))
    """
)
_REFUSED_LOGINS = ("28P01", "28000")
_TOO_LONG = "57014"
_NO_PERMISSION = "42501"


@contextlib.contextmanager
def snapshot(engine: sa.Engine, connection_id: str, seconds: int = STATEMENT_MINUTES * 60) -> Iterator[sa.Connection]:
    """Yield a connection whose statements all see one moment, where the database can do that.

    Args:
        engine: The database.
        connection_id: Named in errors.
        seconds: For how long a statement may run.

    Raises:
        ConfigError: The driver is not installed, or nothing keeps the login from writing.
        AuthError: The database refuses the login.
        Unavailable: It does not answer.
    """
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        raise _refusal(error, engine, connection_id) from None
    with connection:
        try:
            connection = connection.execution_options(**_options(engine, connection))
            for statement in _SESSION.get(engine.dialect.name, ()):
                connection.exec_driver_sql(statement.format(seconds=seconds))
            _limit_time(connection, seconds)
            prove_read_only(connection, connection_id)
        except sa.exc.DBAPIError as error:
            raise _refusal(error, engine, connection_id) from None
        yield connection
        connection.rollback()


def _limit_time(connection: sa.Connection, seconds: int) -> None:
    if connection.dialect.driver == "pysqlite":
        driver: Any = connection.connection.dbapi_connection
        driver.set_progress_handler(_watch(seconds), _SQLITE_STEPS)
    limit = _TIME_LIMITS.get(connection.dialect.driver)
    if limit:
        setattr(connection.connection.dbapi_connection, limit[0], seconds * limit[1])


def _watch(seconds: int) -> Callable[[], bool]:
    """Return what SQLite asks at every so many steps: whether its statements have worked for longer than they may."""
    spent, last = 0.0, time.monotonic()

    def is_over() -> bool:
        nonlocal spent, last
        now = time.monotonic()
        spent += min(now - last, _SQLITE_PAUSE)  # what is between two statements is not theirs
        last = now
        return spent > seconds

    return is_over


def _options(engine: sa.Engine, connection: sa.Connection) -> dict[str, Any]:
    levels = engine.dialect.get_isolation_level_values(connection.connection.dbapi_connection)  # type: ignore[arg-type]
    level = next((one for one in ("REPEATABLE READ", "SNAPSHOT") if one in levels), None)
    options: dict[str, Any] = {"isolation_level": level} if level else {}
    return options | ({"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {})


def complete_until(connection: sa.Connection, until: datetime, lag: timedelta) -> datetime:
    """Return up to when the snapshot shows all that there will ever be.

    Args:
        connection: In the snapshot.
        until: Now, by our clock.
        lag: What the settings leave to rows that come late.

    A replica shows its primary as it was (case 51), and a transaction that is still open commits later what it stamped
    at its start (case 50): nothing younger than either is taken as read. PostgreSQL shows transactions of others only
    to logins with the right ``pg_read_all_stats``; without it the overlap of the next read has to catch them.
    """
    clock = timedelta(seconds=clock_behind(connection))
    if connection.dialect.name != "postgresql":
        return until - lag - clock
    replica, oldest = connection.execute(_POSTGRESQL_BEHIND).one()
    still_open = min(timedelta(seconds=float(oldest or 0)), _LONGEST_TRANSACTION)
    return until - clock - max(lag + timedelta(seconds=float(replica or 0)), still_open)


def clock_behind(connection: sa.Connection) -> int:
    """Return by how many whole seconds the database's clock is behind ours; 0 where its zone is not known."""
    if connection.dialect.name not in ("postgresql", "mysql", "mariadb"):
        return 0
    said = connection.execute(sa.select(sa.func.current_timestamp())).scalar()
    if not isinstance(said, datetime):
        return 0
    at = said if said.tzinfo else said.replace(tzinfo=UTC)
    # Below a second it is the way to the database and back.
    return max(0, int((datetime.now(UTC) - at).total_seconds()))


@contextlib.contextmanager
def explained(query: Query, engine: sa.Engine) -> Iterator[None]:
    """Turn what the database says about a query into an error that names the file, and the line if it can be found."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _complaint(error, query, engine) from None
    except sa.exc.StatementError as error:
        message = redact(str(error.orig or error).splitlines()[0])
        raise query.error_about(message, cure="correct the query; a colon in a text is written \\:") from None


def _complaint(error: sa.exc.DBAPIError, query: Query, engine: sa.Engine) -> PerennialError:
    said, state = _said(error, engine), getattr(error.orig, "sqlstate", None)
    told = f"the database says: {said}"
    if state == _TOO_LONG or said == "interrupted":  # so SQLite says it
        return Unavailable(
            f"{query.path.name}: took longer than a statement may",
            cure="use :since and :until in it so that an index on the time of change serves, or make that index",
        )
    if state == _NO_PERMISSION:
        return AuthError(f"{query.path.name}: {told}", cure="grant the connection's login select on it")
    if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError):
        return Unavailable(f"{query.path.name}: {told}", cure="try again later")
    # SQLite calls a missing column an operational error, others a programming error.
    if isinstance(error, sa.exc.OperationalError) and not said.startswith(("no such", "near ", "misuse", "ambiguous")):
        return Unavailable(f"{query.path.name}: {told}", cure="try again later")
    return query.error_about(told, cure="correct the query")


def _refusal(error: sa.exc.DBAPIError, engine: sa.Engine, connection_id: str) -> PerennialError:
    where = engine.url.render_as_string(hide_password=True)
    said = _said(error, engine)
    cure = f"correct connection {connection_id}"
    is_login = getattr(error.orig, "sqlstate", None) in _REFUSED_LOGINS or any(
        sign in said.lower() for sign in ("password authentication failed", "access denied", "no password supplied")
    )
    if is_login:
        return AuthError(f"the database at {where} refuses the login: {said}", cure=cure)
    if "does not exist" in said and "database" in said:
        return ConfigError(f"the database at {where}: {said}", cure=cure)
    return Unavailable(f"the database at {where} does not answer: {said}", cure=f"{cure}, or try again later")


def _said(error: sa.exc.DBAPIError, engine: sa.Engine) -> str:
    lines = [line for line in str(error.orig).strip().splitlines() if line.strip()]
    if lines and str(getattr(error.orig, "sqlstate", None) or "").startswith("22"):  # bad data: it ends with the value
        lines[0] = lines[0].split(': "')[0]
    return redact(lines[0] if lines else type(error.orig).__name__, engine.url.password or "")
