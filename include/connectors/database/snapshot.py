"""Open a read-only snapshot of a database, and translate its errors."""

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
# Times without a zone are UTC, no SQL can write, and every statement has a time limit.
_SESSION = {
    "postgresql": (
        "set local timezone = 'UTC'",
        "set local statement_timeout = '{seconds}s'",
        "set local standard_conforming_strings = on",  # as our parser reads strings
        # With a policy that hides rows from this login, a read would look complete. Raise an error instead.
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
    # For these, the login must also be proved unable to write: include/connectors/database/privileges.py.
    "oracle": ("set transaction read only",),
}
# Drivers with a time limit per call: the attribute of their connection, and its units per second.
# https://python-oracledb.readthedocs.io/en/latest/api_manual/connection.html,
# https://github.com/mkleehammer/pyodbc/wiki
_TIME_LIMITS = {"oracledb": ("call_timeout", 1000), "pyodbc": ("timeout", 1)}
# https://www.sqlite.org/c3ref/progress_handler.html
_SQLITE_STEPS = 100_000
_SQLITE_PAUSE = 0.5
# A transaction open for longer was probably forgotten, and must not hold up reading for ever.
_MAX_OPEN_TRANSACTION = timedelta(days=1)
# A replica that has replayed everything and still receives is not behind, however old the last transaction is.
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
_REJECTED_LOGINS = ("28P01", "28000")
_TOO_LONG = "57014"
_NO_PERMISSION = "42501"


@contextlib.contextmanager
def snapshot(engine: sa.Engine, connection_id: str, seconds: int = STATEMENT_MINUTES * 60) -> Iterator[sa.Connection]:
    """Yield a read-only connection whose statements all see the same snapshot, if the database supports that.

    Args:
        engine: The database.
        connection_id: Named in errors.
        seconds: Time limit of a statement.

    Raises:
        ConfigError: The driver is not installed, or the login cannot be prevented from writing.
        AuthError: The database rejects the login.
        Unavailable: It does not respond.
    """
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        raise _connection_error(error, engine, connection_id) from None
    with connection:
        try:
            connection = connection.execution_options(**_options(engine, connection))
            for statement in _SESSION.get(engine.dialect.name, ()):
                connection.exec_driver_sql(statement.format(seconds=seconds))
            _limit_time(connection, seconds)
            prove_read_only(connection, connection_id)
        except sa.exc.DBAPIError as error:
            raise _connection_error(error, engine, connection_id) from None
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
    """Return SQLite's progress callback, which tells whether statements have exceeded their time limit."""
    spent, last = 0.0, time.monotonic()

    def is_over() -> bool:
        nonlocal spent, last
        now = time.monotonic()
        spent += min(now - last, _SQLITE_PAUSE)  # leaves out the time between two statements
        last = now
        return spent > seconds

    return is_over


def _options(engine: sa.Engine, connection: sa.Connection) -> dict[str, Any]:
    levels = engine.dialect.get_isolation_level_values(connection.connection.dbapi_connection)  # type: ignore[arg-type]
    level = next((one for one in ("REPEATABLE READ", "SNAPSHOT") if one in levels), None)
    options: dict[str, Any] = {"isolation_level": level} if level else {}
    return options | ({"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {})


def complete_until(connection: sa.Connection, until: datetime, lag: timedelta) -> datetime:
    """Return the time up to which the snapshot is certain to be complete.

    A replica lags behind its primary, and a transaction that is still open commits rows later with the timestamp of its
    start. Nothing younger than either counts as read. PostgreSQL shows other users' transactions only to logins with
    ``pg_read_all_stats``. Without it, the overlap of the next read must catch such rows.

    Args:
        connection: In the snapshot.
        until: Now, by our clock.
        lag: The delay that the settings allow for late rows.
    """
    clock = timedelta(seconds=clock_behind(connection))
    if connection.dialect.name != "postgresql":
        return until - lag - clock
    replica, oldest = connection.execute(_POSTGRESQL_BEHIND).one()
    still_open = min(timedelta(seconds=float(oldest or 0)), _MAX_OPEN_TRANSACTION)
    return until - clock - max(lag + timedelta(seconds=float(replica or 0)), still_open)


def clock_behind(connection: sa.Connection) -> int:
    """Return by how many whole seconds the database's clock is behind ours; 0 if its time zone is unknown."""
    if connection.dialect.name not in ("postgresql", "mysql", "mariadb"):
        return 0
    reported = connection.execute(sa.select(sa.func.current_timestamp())).scalar()
    if not isinstance(reported, datetime):
        return 0
    at = reported if reported.tzinfo else reported.replace(tzinfo=UTC)
    # Less than a second is the round trip to the database.
    return max(0, int((datetime.now(UTC) - at).total_seconds()))


@contextlib.contextmanager
def query_errors(query: Query, engine: sa.Engine) -> Iterator[None]:
    """Turn a database error in a query into an error that names the file, and the line if it can be found."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _query_error(error, query, engine) from None
    except sa.exc.StatementError as error:
        message = redact(str(error.orig or error).splitlines()[0])
        raise query.error_about(message, cure="correct the query; write a colon in a string as \\:") from None


def _query_error(error: sa.exc.DBAPIError, query: Query, engine: sa.Engine) -> PerennialError:
    text, state = _error_text(error, engine), getattr(error.orig, "sqlstate", None)
    message = f"the database reports: {text}"
    if state == _TOO_LONG or text == "interrupted":  # SQLite's message for it
        return Unavailable(
            f"{query.path.name}: exceeded the time limit of a statement",
            cure="filter by :since and :until so that an index on the change time is used, or create that index",
        )
    if state == _NO_PERMISSION:
        return AuthError(f"{query.path.name}: {message}", cure="grant select on it to the connection's login")
    if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError):
        return Unavailable(f"{query.path.name}: {message}", cure="try again later")
    # SQLite reports a missing column as an operational error, other databases as a programming error.
    if isinstance(error, sa.exc.OperationalError) and not text.startswith(("no such", "near ", "misuse", "ambiguous")):
        return Unavailable(f"{query.path.name}: {message}", cure="try again later")
    return query.error_about(message, cure="correct the query")


def _connection_error(error: sa.exc.DBAPIError, engine: sa.Engine, connection_id: str) -> PerennialError:
    where = engine.url.render_as_string(hide_password=True)
    text = _error_text(error, engine)
    cure = f"correct connection {connection_id}"
    is_login = getattr(error.orig, "sqlstate", None) in _REJECTED_LOGINS or any(
        sign in text.lower() for sign in ("password authentication failed", "access denied", "no password supplied")
    )
    if is_login:
        return AuthError(f"the database at {where} rejects the login: {text}", cure=cure)
    if "does not exist" in text and "database" in text:
        return ConfigError(f"the database at {where}: {text}", cure=cure)
    return Unavailable(f"the database at {where} does not respond: {text}", cure=f"{cure}, or try again later")


def _error_text(error: sa.exc.DBAPIError, engine: sa.Engine) -> str:
    lines = [line for line in str(error.orig).strip().splitlines() if line.strip()]
    # bad data: the message ends with the value
    if lines and str(getattr(error.orig, "sqlstate", None) or "").startswith("22"):
        lines[0] = lines[0].split(': "')[0]
    return redact(lines[0] if lines else type(error.orig).__name__, engine.url.password or "")
