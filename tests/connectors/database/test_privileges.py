"""Logins that can write, or that have too many privileges, are rejected."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from include.common.connections import make
from include.common.errors import ConfigError
from include.config import load
from include.connectors.database import privileges as subject
from include.connectors.database import snapshot
from include.connectors.database.source import Database
from include.operations.connection_check import sources as looking


class Stub:
    """A fake connection that returns the same rows for every query."""

    def __init__(self, dialect: str, rows: list[str]) -> None:
        self.dialect, self._rows, self.asked = SimpleNamespace(name=dialect), rows, list[str]()

    def exec_driver_sql(self, statement: str) -> Any:
        self.asked.append(statement)
        return SimpleNamespace(
            fetchmany=lambda n: [(row,) for row in self._rows[:n]],
            scalars=lambda: SimpleNamespace(all=lambda: self._rows),
        )


@pytest.mark.parametrize("dialect", subject.READ_ONLY_SESSIONS)
def test_read_only_session_needs_no_privilege_check(dialect: str) -> None:
    stub = Stub(dialect, ["INSERT"])
    subject.prove_read_only(stub, "product_db")  # type: ignore[arg-type]
    assert not stub.asked
    assert any("read only" in one or "query_only" in one for one in snapshot._SESSION[dialect]) or (
        dialect == "postgresql"  # SQLAlchemy's own option
    )


@pytest.mark.parametrize("dialect", ["mssql", "oracle"])
def test_login_privileges_are_checked_on_other_databases(dialect: str) -> None:
    subject.prove_read_only(Stub(dialect, []), "product_db")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"product_db.*has more than read access.*INSERT \| use a login"):
        subject.prove_read_only(Stub(dialect, ["INSERT"]), "product_db")  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", ["snowflake", "redshift", "bigquery", "duckdb", "cockroachdb", "db2"])
def test_unverifiable_privileges_are_rejected_with_a_cure(dialect: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"cannot prove that access to {dialect} is read-only.*\| copy the tables into"
    ):
        subject.prove_read_only(Stub(dialect, []), "product_db")  # type: ignore[arg-type]


def test_no_snapshot_without_a_privilege_check(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sa.create_engine("sqlite://")
    monkeypatch.setattr(engine.dialect, "name", "mystery")
    with pytest.raises(ConfigError, match="cannot prove"), snapshot.snapshot(engine, "product_db"):
        pass


@pytest.mark.parametrize(
    ("grants", "found"),
    [
        (["GRANT USAGE ON *.* TO `r`@`%`", "GRANT SELECT ON `app`.* TO `r`@`%`"], ()),
        (["GRANT SELECT, FILE ON *.* TO `r`@`%`"], ("granted FILE",)),
        (["GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION"], ("granted ALL PRIVILEGES",)),
        (["GRANT ALL PRIVILEGES ON `app`.* TO `r`@`%`"], ()),
    ],
)
def test_mysql_privileges(grants: list[str], found: tuple[str, ...]) -> None:
    told = subject.rights(Stub("mysql", grants))  # type: ignore[arg-type]
    assert told and told.forbidden == found


def test_login_with_server_file_access_is_rejected(empty_database: str, superuser: str) -> None:
    url = make_url(empty_database)

    def scopes(connection_url: sa.URL) -> Any:
        extra = {"sqlalchemy_url": connection_url.render_as_string(hide_password=False)}
        source = Database(make("product_db", extra=extra), load())
        return next(iter(looking._rights("product_db", source, reads=True, writes=())))

    assert scopes(url).state == "ok"
    powerful = make_url(superuser)
    found = scopes(url.set(username=powerful.username, password=powerful.password))
    assert (found.state, found.exit_status) == ("failed", 3) and "a superuser" in found.found
    with sa.create_engine(url.set(username=powerful.username, password=powerful.password)).begin() as connection:
        connection.exec_driver_sql("create role reads_files login password 'x' in role pg_read_server_files")
    try:
        found = scopes(url.set(username="reads_files", password="x"))
        assert found.state == "failed" and "a member of pg_read_server_files" in found.found
    finally:
        with sa.create_engine(url.set(username=powerful.username, password=powerful.password)).begin() as connection:
            connection.exec_driver_sql("drop role reads_files")
