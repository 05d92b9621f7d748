"""Queries can only read, within a time limit, whatever the login's privileges."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common.connections import make
from include.common.errors import AuthError, ConfigError, PerennialError, Unavailable
from include.config import load
from include.connectors.database import snapshot
from include.connectors.database.source import Database
from tests.connectors.database.test_source import NOW


@pytest.fixture
def source(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database with writing functions, whose login is its owner."""
    with sa.create_engine(empty_database).begin() as connection:
        connection.exec_driver_sql("create table kept (n integer)")
        connection.exec_driver_sql("create sequence numbers")
        connection.exec_driver_sql(
            "create function write_it() returns integer language plpgsql as"
            " $$ begin insert into kept values (1); return 1; end $$"
        )
        connection.exec_driver_sql(
            "create function lift_it() returns text language plpgsql as $$ begin"
            " perform set_config('transaction_read_only', 'off', false); insert into kept values (2); return ''; end $$"
        )
        # A function call is rejected before it is sent. A function inside a view cannot be seen.
        for name, call in (("writes", "write_it()"), ("lifts", "lift_it()"), ("counts", "nextval('numbers')")):
            connection.exec_driver_sql(
                f"create view {name} as select {call} as id, timestamptz '2026-01-10' as updated_at"
            )
        connection.exec_driver_sql(
            "create view sleeps as select pg_sleep(20)::text as id, timestamptz '2026-01-10' as updated_at"
        )
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "sql" / "sources" / "product").mkdir(parents=True)
    return Database(make("product_db", extra={"sqlalchemy_url": empty_database}), load())


def _read(tmp_path: Path, source: Database, query: str) -> None:
    (tmp_path / "sql" / "sources" / "product" / "usage_day.sql").write_text(query)
    for _ in source.read("usage_day", position=None, until=NOW):
        pass


@pytest.mark.parametrize(
    "query",
    [
        "select id, updated_at from writes",
        "select id, updated_at from lifts",
        "select id, updated_at from counts",
    ],
)
def test_writing_function_cannot_write(tmp_path: Path, source: Database, query: str) -> None:
    with pytest.raises(PerennialError, match=r"read-only|read-write"):
        _read(tmp_path, source, query)
    with source._engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from kept").scalar() == 0


@pytest.mark.parametrize(
    "query",
    [
        "with gone as (delete from kept returning n) select n as id, now() as updated_at from gone",
        "select 1 as id, now() as updated_at into taken from kept",
        "select 1 as id, now() as updated_at; drop table kept",
        "select set_config('statement_timeout', '0', false) as id, now() as updated_at",
        "select pg_read_file('/etc/passwd') as id, now() as updated_at",
        "select id, updated_at from dblink('host=inside', 'select 1') as t(id int, updated_at timestamptz)",
        "select pg_terminate_backend(1) as id, now() as updated_at",
        "select 1 as id, now() as updated_at from kept for update",
    ],
)
def test_non_select_is_rejected_before_it_is_sent(tmp_path: Path, source: Database, query: str) -> None:
    with pytest.raises(ConfigError, match=r"usage_day\.sql"):
        _read(tmp_path, source, query)


def test_slow_query_is_cancelled(tmp_path: Path, source: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot.snapshot.__wrapped__, "__defaults__", (1,))
    with pytest.raises(Unavailable, match="exceeded the time limit of a statement"):
        _read(tmp_path, source, "select id, updated_at from sleeps")


def test_slow_sqlite_query_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "sql" / "sources" / "product").mkdir(parents=True)
    monkeypatch.setattr(snapshot.snapshot.__wrapped__, "__defaults__", (1,))
    source = Database(make("product_db", conn_type="sqlite", host=str(tmp_path / "own.db")), load())
    endless = "with recursive c(x) as (select 1 union all select x + 1 from c) select max(x) as id, 1 as updated_at"
    endless += " from c"
    with pytest.raises(Unavailable, match="exceeded the time limit of a statement"):
        _read(tmp_path, source, endless)


def test_rows_hidden_by_a_policy_are_an_error(tmp_path: Path, source: Database) -> None:
    with source._engine.begin() as connection:
        connection.exec_driver_sql("create table hidden (id text, updated_at timestamptz)")
        connection.exec_driver_sql("alter table hidden enable row level security")
        connection.exec_driver_sql("alter table hidden force row level security")
    with pytest.raises(AuthError, match="row-level security"):
        _read(tmp_path, source, "select id, updated_at from hidden")


def test_database_error_does_not_quote_bad_data(tmp_path: Path, source: Database) -> None:
    with source._engine.begin() as connection:
        connection.exec_driver_sql("create table people (id text)")
        connection.exec_driver_sql("insert into people values ('ada.lovelace@one.example')")
    with pytest.raises(PerennialError, match="invalid input syntax for type date") as told:
        _read(tmp_path, source, "select id, cast(id as date) as updated_at from people")
    assert "lovelace" not in str(told.value)
