"""Check the permissions of a database login: it must not be able to write.

The check of a query's text (``include/warehouse/sql_guard.py``) and the read-only session are two independent locks.
Without read-only sessions only the first remains, so the login itself must be proved unable to write.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.connectors.base import Rights

READ_ONLY_SESSIONS = ("postgresql", "mysql", "mariadb", "sqlite")
_WRITABLE = sa.text(
    "select relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
    " where relkind in ('r', 'p') and nspname !~ '^(pg_|information_schema$)'"
    " and has_table_privilege(pg_class.oid, 'insert, update, delete') order by relname limit 5"
)
# These can read files or run programs on the server: https://www.postgresql.org/docs/current/predefined-roles.html
_POWERS = sa.text(
    "select case when rolsuper then 'a superuser' else null end from pg_roles where rolname = current_user"
    " union all select 'a member of ' || rolname from pg_roles"
    " where rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')"
    " and pg_has_role(current_user, oid, 'member')"
)
# https://dev.mysql.com/doc/refman/8.4/en/privileges-provided.html
_MYSQL_POWERS = {"ALL PRIVILEGES": "*.*", "SUPER": "", "FILE": ""}
# Each query returns a row for every permission of the login beyond reading.
_MORE_THAN_READ = {
    # https://learn.microsoft.com/sql/relational-databases/system-functions/sys-fn-my-permissions-transact-sql
    # https://learn.microsoft.com/sql/t-sql/functions/has-perms-by-name-transact-sql
    "mssql": """
        select permission_name from (
            select permission_name from fn_my_permissions(null, 'SERVER')
            union all select permission_name from fn_my_permissions(null, 'DATABASE')
        ) as granted
        where permission_name not like 'VIEW %'
            and permission_name not in ('CONNECT', 'CONNECT SQL', 'CONNECT ANY DATABASE', 'SELECT', 'SHOWPLAN')
        union all
        select 'write on ' + named.name from (
            select quotename(schema_name(schema_id)) + '.' + quotename(name) as name
            from sys.objects where type in ('U', 'V') and is_ms_shipped = 0
        ) as named
        where has_perms_by_name(named.name, 'OBJECT', 'INSERT') = 1
            or has_perms_by_name(named.name, 'OBJECT', 'UPDATE') = 1
            or has_perms_by_name(named.name, 'OBJECT', 'DELETE') = 1
    """,
    # https://docs.oracle.com/en/database/oracle/oracle-database/23/refrn/SESSION_PRIVS.html, and next to it
    # ROLE_TAB_PRIVS and USER_TAB_PRIVS_RECD
    "oracle": """
        select privilege from session_privs
        where privilege not in ('CREATE SESSION', 'ALTER SESSION', 'SELECT ANY TABLE', 'READ ANY TABLE')
        union all
        select privilege || ' on ' || owner || '.' || table_name from user_tab_privs_recd
        where privilege not in ('SELECT', 'READ')
        union all
        select privilege || ' on ' || owner || '.' || table_name from role_tab_privs
        where privilege not in ('SELECT', 'READ')
        union all
        select 'owner of ' || table_name from user_tables
    """,
}


def prove_read_only(connection: sa.Connection, connection_id: str) -> None:
    """Prove that a connection cannot write, if its database has no read-only sessions.

    Raises:
        ConfigError: Its login may do more than read, or that cannot be determined.
    """
    dialect = connection.dialect.name
    if dialect in READ_ONLY_SESSIONS:
        return
    asked = _MORE_THAN_READ.get(dialect)
    if asked is None:
        known = ", ".join((*READ_ONLY_SESSIONS, *_MORE_THAN_READ))
        raise ConfigError(
            f"connection {connection_id}: cannot prove that access to {dialect} is read-only: Perennial knows no"
            " read-only session for it, and no query for the permissions of the login",
            cure=f"copy the tables into one of {known}, and connect to that",
        )
    excess = [str(row[0]) for row in connection.exec_driver_sql(asked).fetchmany(5)]
    if excess:
        raise ConfigError(
            f"connection {connection_id}: its login has more than read access, and {dialect} has no read-only session:"
            f" {', '.join(excess)}",
            cure="use a login that may only connect and select; docs/reference/scopes.md shows how to create one",
        )


def rights(connection: sa.Connection) -> Rights | None:
    """Return the permissions of a login beyond reading; None if the database does not report them."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        powers = [power for power in connection.execute(_POWERS).scalars() if power]
        tables = connection.execute(_WRITABLE).scalars().all()
        surplus = (f"insert, update or delete on {', '.join(tables)}",) if tables else ()
        return Rights(surplus=surplus, forbidden=tuple(powers))
    if dialect in ("mysql", "mariadb"):
        return Rights(forbidden=_mysql_powers(connection.exec_driver_sql("show grants").scalars().all()))
    return Rights() if dialect in _MORE_THAN_READ else None  # already proved when the snapshot was opened


def _mysql_powers(grants: Sequence[str]) -> tuple[str, ...]:
    found = []
    for grant in grants:
        granted, _, rest = grant.removeprefix("GRANT ").partition(" ON ")
        names = [name.strip().upper() for name in granted.split(",")]
        found += [
            f"granted {name}"
            for name, scope in _MYSQL_POWERS.items()
            if name in names and (not scope or rest.startswith(scope))
        ]
    return tuple(found)
