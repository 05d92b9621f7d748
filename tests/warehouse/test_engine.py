"""The warehouse's roles have the rights they need and no more."""

import contextlib
import re

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from include.common.errors import ConfigError, WarehouseError
from include.warehouse import engine as subject
from include.warehouse import logins
from include.warehouse.migrate import migrate


def test_loader_writes_raw_and_reader_only_reads(warehouse: str) -> None:
    with subject.engine("loader").begin() as connection:
        connection.execute(sa.text("create table raw.thing (a int)"))
        connection.execute(sa.text("insert into raw.thing values (1)"))
    with subject.engine("reader").begin() as connection:
        assert connection.execute(sa.text("select a from raw.thing")).scalar() == 1
    with pytest.raises(sa.exc.DBAPIError), subject.engine("reader").begin() as connection:
        connection.execute(sa.text("insert into raw.thing values (2)"))


WAYS_OUT = (
    "set role none",
    "reset role",
    "reset all",
    "set session authorization perennial",
    "set session authorization default",
    "select set_config('role', 'none', true)",
    "select 1 where (select set_config('role', 'none', false)) is not null",
    "set role perennial",
    "set role postgres",
    "set role perennial_loader",
    "set role perennial_builder",
    "set role perennial_reader",
)


@pytest.mark.parametrize("role", subject.GROUPS)
def test_no_role_can_escalate_its_rights(warehouse: str, role: subject.Role) -> None:
    with subject.engine("loader").begin() as connection:
        connection.exec_driver_sql("create table raw.thing (a int)")
    own = {subject.group(role), f"perennial_{role}_login"}
    for way in WAYS_OUT:
        with subject.engine(role).connect() as connection:
            with contextlib.suppress(sa.exc.DBAPIError), connection.begin_nested():
                connection.exec_driver_sql(way)
            who = connection.exec_driver_sql("select current_user, session_user, current_setting('is_superuser')").one()
            assert who[0] in own and who[1] in own and who[2] == "off", way
            for refused in (
                "copy (select 'x') to program 'id'",
                "update ops.approval set state = 'approved'"
                if role != "builder"
                else "insert into raw.thing values (1)",
                "set transaction read write; create table public.taken (a int)",
                "alter role perennial_reader superuser",
                "drop table meta.batch",
            ):
                with pytest.raises(sa.exc.DBAPIError, match=r"permission denied|must be|read-only|read-write"):  # noqa: SIM117
                    with connection.begin_nested():
                        connection.exec_driver_sql(refused)


def test_reader_can_write_to_no_object(warehouse: str) -> None:
    with subject.engine("reader").connect() as connection:
        connection.exec_driver_sql("set transaction read write")
        may = connection.exec_driver_sql(
            "select oid::regclass::text from pg_class where relkind in ('r', 'p', 'v')"
            " and relnamespace <> 'pg_catalog'::regnamespace"
            " and has_table_privilege(oid, 'insert, update, delete, truncate')"
        )
        assert may.scalars().all() == []
        assert not any(
            connection.exec_driver_sql(f"select has_schema_privilege('{schema}', 'create')").scalar()
            for schema in (*subject.SCHEMAS, "public")
        )


def test_owner_is_not_a_superuser_and_has_its_exclusive_rights(warehouse: str) -> None:
    with subject.engine("owner").begin() as connection:
        assert connection.exec_driver_sql("select current_setting('is_superuser')").scalar() == "off"
    with subject.engine("loader").begin() as connection:
        connection.exec_driver_sql("create table raw.thing (a int)")
    with subject.engine("owner").begin() as connection:
        connection.exec_driver_sql("insert into raw.thing values (1)")
        connection.exec_driver_sql("analyze raw.thing")


def test_owner_password_change_changes_login_passwords(warehouse: str) -> None:
    url = make_url(warehouse)
    other = url.set(password="another").render_as_string(hide_password=False)
    was, now = (make_url(subject.login_url("reader", one)).password for one in (warehouse, other))
    assert was != now and str(url.password) not in str(was)
    try:
        with subject.engine("owner").begin() as connection:
            connection.exec_driver_sql("alter role perennial_reader_login password 'x'")
        logins.dispose(warehouse)
        with pytest.raises(sa.exc.OperationalError) as caught:
            subject.engine("reader").connect()
        assert "server migrate" in subject.readable(caught.value).cure
    finally:
        migrate(warehouse)
    with subject.engine("reader").connect() as connection:
        assert connection.exec_driver_sql("select current_user").scalar() == "perennial_reader"


def test_owner_without_createrole_gets_the_commands_to_run(
    warehouse: str, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(empty_database)
    with subject.engine("owner").begin() as connection:
        connection.exec_driver_sql("drop role if exists plain_owner")
        connection.exec_driver_sql("create role plain_owner login password 'x'")
        connection.exec_driver_sql(
            "grant perennial_loader, perennial_builder, perennial_editor, perennial_reader to plain_owner"
        )
    with subject.engine("owner", empty_database).begin() as connection:
        connection.exec_driver_sql(f'grant all on database "{url.database}" to plain_owner')
    owned = url.set(username="plain_owner", password="x").render_as_string(hide_password=False)
    try:
        with pytest.raises(WarehouseError, match="cannot be created") as caught:
            migrate(owned)
        assert "create role plain_owner_loader_login login noinherit password 'SECRET'" in caught.value.cure
        assert "PERENNIAL_DATABASE_URL_LOADER" in caught.value.cure
        # Logins created by an administrator are used, unless they have more rights than their role.
        monkeypatch.setenv("PERENNIAL_DATABASE_URL", owned)
        for role in subject.GROUPS:
            monkeypatch.setenv(subject.url_variable(role), subject.login_url(role, warehouse))
        migrate()
        with subject.engine("reader").connect() as connection:
            assert connection.exec_driver_sql("select session_user").scalar() == "perennial_reader_login"
        monkeypatch.setenv("PERENNIAL_DATABASE_URL_READER", subject.login_url("loader", warehouse))
        with pytest.raises(ConfigError, match="has more rights than its role: member of perennial_loader"):
            migrate()
    finally:
        for each in (owned, empty_database, warehouse):
            subject._engine(each, "owner").dispose()
        subject._engine.cache_clear()
        with subject.engine("owner", empty_database).begin() as connection:
            connection.exec_driver_sql("grant plain_owner to current_user")
            connection.exec_driver_sql("drop owned by plain_owner cascade")
        with subject.engine("owner", warehouse).begin() as connection:
            connection.exec_driver_sql("drop role plain_owner")


def test_migration_restores_missing_roles_and_rights(warehouse: str) -> None:
    """A backup restored on another server has neither the roles nor, with `--no-owner`, their tables."""
    with subject.engine("loader").begin() as connection:
        connection.exec_driver_sql("create table raw.crm__thing (a int)")
    with subject.engine("builder").begin() as connection:
        connection.exec_driver_sql(
            "create view staging.thing as select a from raw.crm__thing; comment on view staging.thing is 'perennial 1'"
        )
    logins.dispose(warehouse)
    with subject.engine("owner").begin() as connection:
        connection.exec_driver_sql("revoke perennial_reader from perennial_reader_login")
        connection.exec_driver_sql("alter role perennial_reader rename to kept")
        connection.exec_driver_sql(
            "alter table raw.crm__thing owner to current_user; revoke all on raw.crm__thing from public"
        )
        connection.exec_driver_sql("alter view staging.thing owner to current_user")
        connection.exec_driver_sql("create table marts.theirs (salary int)")
    try:
        with pytest.raises(sa.exc.OperationalError) as caught:
            subject.engine("reader").connect()
        assert "server migrate" in subject.readable(caught.value).cure
        migrate()
        with subject.engine("loader").begin() as connection:
            connection.exec_driver_sql("insert into raw.crm__thing values (1)")
        with subject.engine("reader").begin() as connection:
            assert connection.exec_driver_sql("select a from staging.thing").scalar() == 1
            connection.exec_driver_sql("select from meta.batch")
            may_read = "select has_table_privilege(cast('marts.theirs'::regclass as oid), 'select')"
            assert connection.exec_driver_sql(may_read).scalar() is False
    finally:
        logins.dispose(warehouse)
        with subject.engine("owner").begin() as connection:
            if connection.exec_driver_sql("select 1 from pg_roles where rolname = 'perennial_reader'").scalar():
                connection.exec_driver_sql("drop owned by perennial_reader; drop role perennial_reader")
            connection.exec_driver_sql("alter role kept rename to perennial_reader")
            connection.exec_driver_sql("grant perennial_reader to perennial_reader_login")


@pytest.mark.parametrize("schema", ["core", "marts", "ops"])
def test_loader_cannot_write_builder_tables(warehouse: str, schema: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError), subject.engine("loader").begin() as connection:
        connection.execute(sa.text(f"create table {schema}.thing (a int)"))


def test_wrong_url_shows_the_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "mysql://u:secret@h/db")
    with pytest.raises(ConfigError, match="must be PostgreSQL") as caught:
        subject.database_url()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["p@secret", "p@secret/more", "more@p/secret"])
def test_a_url_that_is_cut_inside_its_password_is_refused(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", f"postgresql://u:{password}@h/db")
    with pytest.raises(ConfigError) as caught:
        subject.database_url()
    assert "secret" not in str(caught.value) and "%40" in caught.value.cure


def test_unreachable_warehouse_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    with pytest.raises(WarehouseError, match="refuses the connection") as caught:
        subject.check(url)
    assert "secret" not in str(caught.value)


def test_older_server_is_refused_before_anything_is_created(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject.check()
    monkeypatch.setattr(subject.engine("owner").dialect, "server_version_info", (14, 13))
    with pytest.raises(WarehouseError, match="PostgreSQL 14, which is too old") as caught:
        migrate()
    assert caught.value.cure == "use PostgreSQL 15 or newer"


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (psycopg.errors.DiskFull("could not extend file"), "free some space"),
        (psycopg.errors.UndefinedTable('relation "meta.batch" does not exist'), "server migrate"),
        (psycopg.OperationalError('FATAL:  role "perennial_loader" does not exist'), "server migrate"),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), "another run has locked"),
        (psycopg.errors.AdminShutdown("terminating connection"), "run again"),
        (psycopg.OperationalError("connection refused\nIs the server running?"), "check that the server is running"),
        (psycopg.OperationalError('FATAL:  database "warehouse" does not exist'), "create the database"),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "me"'), "password in PERENN"),
        (psycopg.OperationalError('FATAL:  password authentication failed for user "bi"'), "DATABASE_URL_READER"),
    ],
)
def test_database_errors_show_a_cure_and_not_the_statement(
    error: psycopg.Error, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL_READER", "postgresql://bi:wrong@127.0.0.1/warehouse")
    wrapped = sa.exc.OperationalError("insert into t values (%(v)s)", {"v": "secret"}, error)
    for shown in (subject.readable(error), subject.readable(wrapped)):
        assert cure in shown.cure
        assert str(error).splitlines()[0].split()[0] in shown.message
        assert "secret" not in str(shown) and "insert" not in str(shown) and "\n" not in str(shown)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("select cast(a as integer) from t", r"invalid text representation \(SQLSTATE 22P02\)"),
        ("select cast(cast(b as numeric) as integer) from t", r"numeric value out of range \(SQLSTATE 22003\)"),
        ("select to_date(a, 'YYYY') from t", r"invalid datetime format \(SQLSTATE 22007\)"),
    ],
)
def test_bad_data_is_not_quoted(warehouse: str, query: str, shown: str) -> None:
    rows = "with t as (select * from (values ('secret', '99999999999')) as v(a, b))"
    with pytest.raises(sa.exc.DataError) as caught, subject.engine("reader").begin() as connection:
        connection.execute(sa.text(f"{rows} {query}"))
    error = subject.readable(caught.value)
    assert re.search(shown, error.message)
    assert "secret" not in str(error) and "999" not in str(error)


def test_dependents_of_a_dropped_table_are_named(warehouse: str) -> None:
    with pytest.raises(sa.exc.InternalError) as caught, subject.engine("loader").begin() as connection:
        connection.exec_driver_sql(
            "create table raw.batch_x (a int); create view raw.theirs as select a from raw.batch_x"
        )
        connection.exec_driver_sql("drop table raw.batch_x")
    assert "view raw.theirs depends on table raw.batch_x" in subject.readable(caught.value).message


def test_database_with_foreign_schemas_of_our_names_is_left_alone(empty_database: str) -> None:
    with subject.engine("owner", empty_database).begin() as connection:
        connection.exec_driver_sql("create schema core; create schema raw; create schema meta; create table core.t ()")
        connection.exec_driver_sql("create function core.f() returns int language sql as 'select 1'")
        connection.exec_driver_sql("create table meta.alembic_version (version_num text)")
    said = (
        r"schema core of \w+ contains function core\.f\(\), table core\.t;"
        r" schema meta of .* table meta\.alembic_version"
    )
    with pytest.raises(ConfigError, match=said) as caught:
        migrate(empty_database)
    assert "create database" in caught.value.cure
    with subject.engine("owner", empty_database).begin() as connection:
        assert not connection.exec_driver_sql("select to_regnamespace('ops')").scalar()
        connection.exec_driver_sql("drop table core.t, meta.alembic_version; drop function core.f()")
    migrate(empty_database)  # empty schemas are used
    migrate(empty_database)
    logins.dispose(empty_database)


@pytest.mark.parametrize(
    ("revision", "cure"),
    [("0.1.0_0022", "create a new database"), ("0018", "create a new"), ("0.2.0", "run the newer")],
)
def test_tables_of_another_version_are_left_alone(warehouse: str, revision: str, cure: str) -> None:
    with subject.engine("owner").begin() as connection:
        connection.exec_driver_sql(f"update meta.alembic_version set version_num = '{revision}'")
    with pytest.raises(ConfigError, match=f"revision {revision}") as caught:
        migrate(warehouse)
    assert cure in caught.value.cure and "PERENNIAL_DATABASE_URL" in caught.value.cure
    with subject.engine("owner").connect() as connection:
        assert connection.exec_driver_sql("select version_num from meta.alembic_version").scalar() == revision


def test_tables_of_an_earlier_state_of_this_version_are_left_alone(warehouse: str) -> None:
    with subject.engine("owner").begin() as connection:
        connection.exec_driver_sql("alter table meta.silence rename to another")
    with pytest.raises(ConfigError, match="pre-release") as caught:
        migrate(warehouse)
    assert "create a new database" in caught.value.cure


def test_other_users_keep_public_and_nothing_in_it_is_called(empty_database: str, superuser: str) -> None:
    theirs = make_url(superuser).set(database=make_url(empty_database).database)
    with psycopg.connect(theirs.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        other.execute("grant create on schema public to public")
        other.execute("create function public.length(date) returns int language sql as 'select 666'")
    migrate(empty_database)
    for role in ("owner", *subject.GROUPS):
        with subject.engine(role, empty_database).connect() as connection:
            assert connection.exec_driver_sql("select has_schema_privilege('public', 'public', 'create')").scalar()
            with pytest.raises(sa.exc.ProgrammingError, match="function length"):
                connection.exec_driver_sql("select length(date '2026-01-01')")
    logins.dispose(empty_database)


def test_every_own_table_and_column_has_a_comment(warehouse: str) -> None:
    with subject.engine("reader").connect() as connection:
        bare = connection.exec_driver_sql(
            "with ours as (select oid, relkind from pg_class"
            " where relkind in ('r', 'v') and relname <> 'alembic_version'"
            " and relnamespace::regnamespace::text in ('meta', 'ops', 'quarantine'))"
            " select oid::regclass::text from ours where obj_description(oid, 'pg_class') is null"
            " union all select attrelid::regclass || '.' || attname from pg_attribute join ours on oid = attrelid"
            " where attnum > 0 and relkind = 'r' and col_description(attrelid, attnum) is null"
        )
        assert bare.scalars().all() == []


def test_error_does_not_show_bound_values(warehouse: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError) as caught, subject.engine("loader").begin() as connection:
        connection.execute(sa.text("select :one from raw.nowhere"), {"one": "ada@x.example"})
    assert "ada@x.example" not in str(caught.value)
