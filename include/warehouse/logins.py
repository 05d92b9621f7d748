"""Create and check the logins of loader, builder and reader, each a member of its own role only.

The owner creates them with each migration. A login inherits nothing: its session sets the role when it connects, and
has no rights without it. So SQL that drops the role (``set role none``) or sets another one gains nothing.
"""

from __future__ import annotations

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from include.common.errors import ConfigError, WarehouseError
from include.warehouse import locks
from include.warehouse.engine import GROUPS, Role, engine, group, login_url, url_variable

_SHORT = {
    "superuser": "rolsuper",
    "createrole": "rolcreaterole",
    "createdb": "rolcreatedb",
    "bypassrls": "rolbypassrls",
}
# Roles that a login is a member of, except itself and its own role.
_MORE = sa.text(
    """
    select r.rolname from pg_roles as r
    where r.rolname <> :login and r.rolname <> :group and pg_has_role(:login, r.oid, 'member') order by 1
    """
)
_ATTRIBUTES = sa.text(f"select {', '.join(_SHORT.values())} from pg_roles where rolname = :login")  # noqa: S608


def ensure(connection: sa.Connection, url: str | None = None) -> None:
    """Create Perennial's own logins, correct their passwords, and check all logins.

    Args:
        connection: The owner's, in the migration's transaction.
        url: The owner's URL, if not that of the configured warehouse.

    Raises:
        WarehouseError: The owner may not create logins. The cure contains the SQL for an administrator.
        ConfigError: A configured login has more rights than its role.
    """
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": locks.LOGINS_LOCK})
    owner = make_url(login_url("owner", url))
    for role in GROUPS:
        login = make_url(login_url(role, url))
        if login.username == f"{owner.username}_{role}_login" and login.password:
            _create_or_alter(connection, role, login)
        _check(connection, role, login)


def _create_or_alter(connection: sa.Connection, role: Role, login: URL) -> None:
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, psycopg.Connection)
    name, group_name = sql.Identifier(str(login.username)), sql.Identifier(group(role))
    exists = connection.execute(
        sa.text("select exists (select from pg_roles where rolname = :name)"), {"name": login.username}
    ).scalar()
    is_member = (
        exists
        and connection.execute(
            sa.text("select pg_has_role(:name, :group, 'member')"), {"name": login.username, "group": group(role)}
        ).scalar()
    )
    if is_member and _can_log_in(role, login):
        return
    # Hashed on the client, so that the server's log never sees the password.
    hashed = raw.pgconn.encrypt_password(str(login.password).encode(), str(login.username).encode(), b"scram-sha-256")
    secret = sql.Literal(hashed.decode())
    action = "alter" if exists else "create"
    try:
        with connection.begin_nested():
            raw.execute(sql.SQL(action + " role {} login noinherit password {}").format(name, secret))
            if not is_member:
                raw.execute(sql.SQL("grant {} to {}").format(group_name, name))
    except psycopg.errors.InsufficientPrivilege as error:
        raise WarehouseError(
            f"the login {login.username} of the {role} cannot be created: {error.diag.message_primary}",
            cure=f"ask an administrator to run: {sql_for(role, str(login.username))}; then set {url_variable(role)}",
        ) from None


def sql_for(role: Role, login: str) -> str:
    """Return the SQL that creates a role's login."""
    return f"create role {login} login noinherit password 'SECRET'; grant {group(role)} to {login}"


def _can_log_in(role: Role, login: URL) -> bool:
    """Return whether the login's password is correct. The only way to find out is to connect."""
    plain = login.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        psycopg.connect(plain, connect_timeout=10, application_name=f"perennial {role}").close()
    except psycopg.OperationalError:
        return False
    return True


def _check(connection: sa.Connection, role: Role, login: URL) -> None:
    who = {"login": login.username, "group": group(role)}
    attributes = connection.execute(_ATTRIBUTES, who).one_or_none()
    if attributes is None:  # the name is mapped by a pooler or certificate
        return
    more = [name for name, is_set in zip(_SHORT, attributes, strict=True) if is_set]
    more += [f"member of {name}" for name in connection.execute(_MORE, who).scalars()]
    if more:
        raise ConfigError(
            f"the login {login.username} of the {role} has more rights than its role: {', '.join(more)}",
            cure=f"set {url_variable(role)} to a separate login, created by: {sql_for(role, 'NAME')}",
        )


def dispose(url: str) -> None:
    for role in ("owner", *GROUPS):
        engine(role, url).dispose()
