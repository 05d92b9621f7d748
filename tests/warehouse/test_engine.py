"""The warehouse's roles may do what they need and no more."""

import psycopg
import pytest
import sqlalchemy as sa

from include.errors import ConfigError, WarehouseError
from include.warehouse import engine as subject


def test_loader_writes_raw_and_reader_only_reads(warehouse: str) -> None:
    with subject.engine("loader").begin() as connection:
        connection.execute(sa.text("create table raw.thing (a int)"))
        connection.execute(sa.text("insert into raw.thing values (1)"))
    with subject.engine("reader").begin() as connection:
        assert connection.execute(sa.text("select a from raw.thing")).scalar() == 1
    with pytest.raises(sa.exc.DBAPIError), subject.engine("reader").begin() as connection:
        connection.execute(sa.text("insert into raw.thing values (2)"))


@pytest.mark.parametrize("schema", ["core", "marts", "ops"])
def test_loader_may_not_write_what_the_builder_owns(warehouse: str, schema: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError), subject.engine("loader").begin() as connection:
        connection.execute(sa.text(f"create table {schema}.thing (a int)"))


def test_wrong_url_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "mysql://u:secret@h/db")
    with pytest.raises(ConfigError, match="must be PostgreSQL") as caught:
        subject.database_url()
    assert "secret" not in str(caught.value)


def test_unreachable_warehouse_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    with pytest.raises(WarehouseError, match="does not let us in") as caught:
        subject.check(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (psycopg.errors.DiskFull("could not extend file"), "free some space"),
        (psycopg.errors.UndefinedTable('relation "meta.batch" does not exist'), "server migrate"),
        (psycopg.OperationalError('FATAL:  role "perennial_loader" does not exist'), "server migrate"),
        (psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"), "another run is at work"),
        (psycopg.errors.AdminShutdown("terminating connection"), "run again"),
        (psycopg.OperationalError("connection refused\nIs the server running?"), "see whether the server runs"),
    ],
)
def test_database_errors_say_what_to_do_and_not_what_was_asked(error: psycopg.Error, cure: str) -> None:
    wrapped = sa.exc.OperationalError("insert into t values (%(v)s)", {"v": "secret"}, error)
    for shown in (subject.readable(error), subject.readable(wrapped)):
        assert cure in shown.cure
        assert str(error).splitlines()[0].split()[0] in shown.message
        assert "secret" not in str(shown) and "insert" not in str(shown) and "\n" not in str(shown)


def test_an_error_does_not_show_what_was_bound(warehouse: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError) as caught, subject.engine("loader").begin() as connection:
        connection.execute(sa.text("select :one from raw.nowhere"), {"one": "ada@x.example"})
    assert "ada@x.example" not in str(caught.value)
