"""The product database on a real PostgreSQL, and SQLite for other dialects: no lost rows and no writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from include.common.connections import make
from include.common.errors import AuthError, ConfigError, Unavailable
from include.config import load
from include.connectors.base import Page
from include.connectors.database import snapshot
from include.connectors.database import source as database
from include.connectors.database.source import Database

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
LAG = timedelta(minutes=5)
USAGE = """-- usage
select id, account_id, feature, day, n as n_events, updated_at, gone as is_deleted
from usage where updated_at <= :until and (:since::timestamptz is null or updated_at > :since) order by day
"""
TABLE = """create table usage (
    id {id} primary key, account_id text, feature text, day date, n integer, updated_at {moment}, gone boolean
)"""
Sql = Callable[[str], None]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The customer's SQL folder, with a query for usage."""
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    folder = tmp_path / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    (folder / "usage_day.sql").write_text(USAGE)
    return folder


@pytest.fixture
def engine(empty_database: str, files: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(empty_database, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE.format(id="bigint", moment="timestamptz"))
    yield engine
    engine.dispose()


def source_of(url: sa.URL, **changes: object) -> Database:
    extra = {"sqlalchemy_url": url.set(**changes).render_as_string(hide_password=False)}
    return Database(make("product_db", conn_type="generic", extra=extra), load())


def put(engine: sa.Engine, one: object, at: datetime | None = NOW - timedelta(hours=1), **values: object) -> None:
    row = {"id": one, "account_id": "a", "feature": "reports", "day": date(2026, 1, 1), "n": 1, "gone": False, "at": at}
    statement = (
        "insert into usage values (:id, :account_id, :feature, :day, :n, :at, :gone) on conflict (id) do update set "
        "n = excluded.n, updated_at = excluded.updated_at, gone = excluded.gone"
    )
    with engine.begin() as connection:
        connection.execute(sa.text(statement), row | values)


def read(source: Database, position: dict | None = None, until: datetime = NOW, **options) -> list[Page]:
    pages = list(source.read("usage_day", position=position, until=until, **options))
    for page in pages:
        assert orjson.loads(orjson.dumps(page.mark)) == page.mark
    assert [page.next_position is None for page in pages] == [True] * (len(pages) - 1) + [False]
    return pages


def ids(pages: list[Page]) -> list[str]:
    return [record.id for page in pages for record in page.records]


def test_rows_become_records(engine: sa.Engine) -> None:
    put(engine, 7, n=3)
    put(engine, 8, gone=True)
    pages = read(source_of(engine.url))
    first, second = pages[0].records
    assert first.values == {
        "account_id": "a",
        "feature": "reports",
        "day": date(2026, 1, 1),
        "n_events": 3,
        "updated_at": NOW - timedelta(hours=1),
    }
    assert (first.id, first.source_at, first.is_deleted, first.problems) == ("7", NOW - timedelta(hours=1), False, {})
    assert second.is_deleted
    assert pages[-1].read_until == NOW - LAG


def test_rows_within_the_lag_are_deferred_and_none_is_skipped(engine: sa.Engine) -> None:
    put(engine, 1, NOW - LAG)
    put(engine, 2, NOW - LAG - timedelta(microseconds=1))
    source = source_of(engine.url)
    pages = read(source)
    assert ids(pages) == ["2"]
    assert "1" in ids(read(source, pages[-1].next_position, NOW + timedelta(minutes=15)))


def test_case_50_late_commit_with_an_old_time_is_caught_by_the_overlap(engine: sa.Engine) -> None:
    source = source_of(engine.url)
    position = read(source)[-1].next_position
    put(engine, 1, NOW - timedelta(minutes=50))
    assert ids(read(source, position, NOW + timedelta(minutes=15))) == ["1"]
    assert ids(read(source, position, NOW + timedelta(minutes=90))) == ["1"]


# Stand-ins for PostgreSQL's status functions, first on the search path.
STAND_INS = """
create schema told;
create function told.pg_is_in_recovery() returns boolean language sql as 'select {is_replica}';
create function told.pg_last_wal_receive_lsn() returns pg_lsn language sql as $$ select '0/2'::pg_lsn $$;
create function told.pg_last_wal_replay_lsn() returns pg_lsn language sql as $$ select '0/{replayed}'::pg_lsn $$;
create function told.pg_last_xact_replay_timestamp() returns timestamptz language sql
    as $$ select clock_timestamp() - interval '3 hours' $$;
create view told.pg_stat_wal_receiver as select 1 as pid {receives};
create view told.pg_stat_activity as
    select current_database() as datname, '1'::xid as backend_xid, -1 as pid,
           clock_timestamp() - interval '{open_for}' as xact_start;
grant usage on schema told to public;
"""


def stand_in(engine: sa.Engine, **told: object) -> Database:
    facts = {"is_replica": "false", "replayed": 2, "receives": "", "open_for": "0 seconds"} | told
    with engine.begin() as connection:
        connection.exec_driver_sql(STAND_INS.format(**facts))
        connection.exec_driver_sql(f'alter database "{engine.url.database}" set search_path = told, pg_catalog, public')
    return source_of(engine.url)


def test_case_50_long_open_transaction_holds_the_upper_bound_back(engine: sa.Engine) -> None:
    source = stand_in(engine, open_for="5 hours")
    put(engine, 1, NOW - timedelta(hours=6))
    put(engine, 2, NOW - timedelta(hours=4))
    pages = read(source)
    assert ids(pages) == ["1"]
    assert pages[-1].read_until is not None
    assert timedelta(hours=5) <= NOW - pages[-1].read_until < timedelta(hours=5, minutes=1)
    # Rows committed later, stamped with the transaction's start, are after the bound.
    put(engine, 3, NOW - timedelta(hours=5))
    assert "3" in ids(read(source_of(engine.url), pages[-1].next_position, NOW + timedelta(hours=6)))


def test_case_50_forgotten_transaction_does_not_block_reads_forever(engine: sa.Engine) -> None:
    pages = read(stand_in(engine, open_for="9 days"))
    assert pages[-1].read_until == NOW - timedelta(days=1)


def test_case_50_open_transaction_is_detected_on_a_real_server(engine: sa.Engine) -> None:
    with engine.connect() as other:
        other.exec_driver_sql("insert into usage (id, updated_at) values (9, now())")
        other.exec_driver_sql("select pg_sleep(1.1)")
        with snapshot.snapshot(engine, "product_db") as connection:
            bound = snapshot.complete_until(connection, NOW, timedelta(0))
    assert timedelta(seconds=1) < NOW - bound < timedelta(hours=1)


@pytest.mark.parametrize(
    ("told", "hours"),
    [
        ({"replayed": 1}, 3),  # received but not yet replayed
        ({"receives": "where false"}, 3),  # all replayed, but the primary is lost
        ({}, 0),  # all replayed: no writes for three hours
    ],
)
def test_case_51_lagging_replica_is_read_up_to_its_replay_point(engine: sa.Engine, told: dict, hours: int) -> None:
    pages = read(stand_in(engine, is_replica="true", **told))
    assert pages[-1].read_until is not None
    behind = NOW - LAG - pages[-1].read_until
    assert timedelta(hours=hours) <= behind < timedelta(hours=hours, minutes=1)


def test_case_51_all_pages_share_one_snapshot(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAGE_ROWS", 2)
    for one in range(1, 6):
        put(engine, one)
    seen = []
    for page in source_of(engine.url).read("usage_day", position=None, until=NOW):
        put(engine, 5, n=99)
        seen += [(record.id, record.values["n_events"]) for record in page.records]
    assert seen == [(str(one), 1) for one in range(1, 6)]


def test_ties_across_pages_and_kills_lose_nothing(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAGE_ROWS", 3)
    for one in range(1, 10):
        put(engine, one, NOW - timedelta(hours=2))
    source, found, mark = source_of(engine.url), [], None
    for _ in range(20):
        page = next(iter(source.read("usage_day", position=None, mark=mark, until=NOW)))
        found += ids([page])
        mark = page.mark
    assert found == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]


def test_rows_without_a_time_are_read_every_time(engine: sa.Engine, files: Path) -> None:
    (files / "usage_day.sql").write_text("select id, n as n_events, updated_at from usage")
    put(engine, 1, None)
    put(engine, 2, NOW - timedelta(days=1))
    source = source_of(engine.url)
    pages = read(source)
    assert ids(pages) == ["2", "1"]
    assert ids(read(source, pages[-1].next_position, NOW + timedelta(hours=3))) == ["1"]


def test_first_load_starts_at_the_history_start_and_full_load_has_no_start(engine: sa.Engine) -> None:
    put(engine, 1, NOW - timedelta(days=600))
    put(engine, 2, NOW - timedelta(days=500))
    source = source_of(engine.url)
    pages = read(source)
    assert ids(pages) == ["2"]
    assert ids(read(source, pages[-1].next_position, full=True)) == ["1", "2"]
    assert ids(read(source, pages[-1].next_position, since=NOW - timedelta(days=550))) == ["2"]


def test_values_that_do_not_fit_are_noted(engine: sa.Engine, files: Path) -> None:
    (files / "usage_day.sql").write_text(
        "select id, '1,000' as n_events, updated_at, 'maybe' as is_deleted from usage"
        " union all select null, '2', now(), 'no'"
    )
    put(engine, 1)
    first, second = read(source_of(engine.url), until=datetime.now(UTC) + timedelta(days=1))[0].records
    assert first.problems == {"n_events": "1,000", "is_deleted": "maybe"} and not first.is_deleted
    assert (second.id, second.problems) == ("", {"id": "null"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select id,\n  nn as n_events, updated_at\nfrom usage", r'usage_day.sql:2:3: .*column "nn" does not exist'),
        ("select id, updated_at\nfrom usages", r'usage_day.sql:2:6: .*relation "usages" does not exist'),
        ("select id, updated_at,\n  1 as n_event from usage", r"usage_day.sql:2:8: .*has no column n_event.*n_events"),
        ("select id from usage", "returns no column updated_at"),
        ("select id, updated_at, m as n_events from counted", r"usage_day.sql: .*read-only"),
        ("select id, updated_at, n / 0 as n_events from usage", "division by zero"),
        ("select id, updated_at, setval('s', 1) as n_events from usage", r"usage_day.sql: calls setval"),
    ],
)
def test_broken_query_is_reported_with_its_position(engine: sa.Engine, files: Path, text: str, said: str) -> None:
    put(engine, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql("create sequence s")
        connection.exec_driver_sql("create view counted as select id, updated_at, nextval('s') as m from usage")
    (files / "usage_day.sql").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read(source_of(engine.url))


def test_credential_and_address_errors_are_distinct_and_hide_secrets(engine: sa.Engine) -> None:
    with pytest.raises(AuthError, match="rejects the login") as caught:
        read(source_of(engine.url, password="s3cret"))
    assert "s3cret" not in str(caught.value)
    with pytest.raises(Unavailable, match="does not respond"):
        read(source_of(engine.url, port=1))
    with pytest.raises(ConfigError, match="does not exist"):
        read(source_of(engine.url, database="nowhere"))


def test_unreadable_table_is_a_permission_error(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"create role {engine.url.database}_r login password 'x'")
    try:
        with pytest.raises(AuthError, match=r"usage_day.sql: .*permission denied"):
            read(source_of(engine.url, username=f"{engine.url.database}_r", password="x"))
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"drop role {engine.url.database}_r")


def test_connection_without_a_database_is_rejected() -> None:
    with pytest.raises(ConfigError, match=r"product_db: its database type \(none\) is not one of"):
        Database(make("product_db", conn_type="generic"), load())
    with pytest.raises(ConfigError, match="is not a database URL"):
        Database(make("product_db", extra={"sqlalchemy_url": "nonsense"}), load())
    source = Database(make("product_db", extra={"sqlalchemy_url": "oracle+nothing://h/d"}), load())
    with pytest.raises(ConfigError, match="has no dialect oracle"):
        source._engine


def test_missing_driver_is_reported_with_the_install_command() -> None:
    for kind, package in (("oracle", "oracledb"), ("mssql", "pyodbc")):
        source = Database(make("product_db", conn_type=kind, host="h"), load())
        with pytest.raises(ConfigError, match=f"needs the Python package {package}") as caught:
            source._engine
        assert f"pip install {package}" in caught.value.cure


def test_mysql_uses_a_pure_python_driver() -> None:
    extra = {"charset": "utf8mb4", "ssl_ca": "/etc/ca.pem"}
    fields = {"host": "db.internal", "port": 3307, "login": "reader", "password": "s3 cr@t", "schema": "app"}
    connection = make("product_db", conn_type="mysql", extra=extra, **fields)
    engine = Database(connection, load())._engine
    (_, arguments) = engine.dialect.create_connect_args(engine.url)
    wanted = {"host": "db.internal", "port": 3307, "user": "reader", "password": "s3 cr@t", "database": "app"}
    assert arguments | wanted == arguments
    assert (arguments["charset"], arguments["ssl"]) == ("utf8mb4", {"ca": "/etc/ca.pem"})
    assert engine.dialect.driver == "pymysql"
    assert "s3 cr@t" not in repr(engine)


def test_unresponsive_mysql_is_unavailable(files: Path, socket_enabled: None) -> None:
    with pytest.raises(Unavailable, match=r"mysql\+pymysql://127.0.0.1:1 does not respond"):
        read(Database(make("product_db", conn_type="mysql", host="127.0.0.1", port=1), load()))


@pytest.mark.parametrize("backend", ["mysql", "mariadb"])
def test_mysql_reads_in_a_read_only_snapshot_with_a_time_limit(backend: str) -> None:
    statements = snapshot._SESSION[backend]
    assert statements[-1] == "start transaction with consistent snapshot, read only"
    assert any("max_" in one for one in statements)


def test_other_dialects_work(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAGE_ROWS", 2)
    url = sa.URL.create("sqlite", database=str(tmp_path / "product.db"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE.format(id="text", moment="text"))
    for one in range(5):
        put(engine, f"k{one}", (NOW - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S"), day="2026-01-01")
    (files / "usage_day.sql").write_text(
        "select id, n as n_events, day, updated_at from usage where updated_at < :until"
    )
    source = Database(make("product_db", conn_type="sqlite", host=str(tmp_path / "product.db")), load())
    first = next(iter(source.read("usage_day", position=None, until=NOW)))
    rest = read(source, mark=first.mark)
    assert set(ids([first, *rest])) == {f"k{one}" for one in range(5)}
    assert next(iter(first.records)).values["day"] == date(2026, 1, 1)
    (files / "usage_day.sql").write_text("select id, updated_at, n as n_events\n, nn as feature from usage")
    with pytest.raises(ConfigError, match=r"usage_day.sql:2:3: .*no such column: nn"):
        read(Database(make("product_db", conn_type="sqlite", host=str(tmp_path / "product.db")), load()))


@settings(max_examples=25)
@given(data=st.data())
def test_rows_equal_the_source_once_quiet(engine: sa.Engine, data: st.DataObject) -> None:
    """Edits between pages, ties and kills: finally all rows equal the source."""
    with engine.begin() as connection:
        connection.exec_driver_sql("truncate usage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "PAGE_ROWS", data.draw(st.integers(1, 4), "page"))
        for one in range(1, data.draw(st.integers(0, 9), "rows") + 1):
            put(engine, one, NOW - timedelta(minutes=10 + one // 3))
        source, rows, position, mark, at = source_of(engine.url), {}, None, None, NOW
        edits = iter(data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 12)), max_size=15), "edits"))
        for run in range(6):
            at += timedelta(minutes=15)
            for page in source.read("usage_day", position=position, mark=mark, until=at):
                rows |= {record.id: record.values["n_events"] for record in page.records}
                mark, position = (None, page.next_position) if page.next_position else (page.mark, position)
                action, one = next(edits, (6, 0)) if run < 4 else (6, 0)
                if action < 4:
                    put(engine, one, at - timedelta(seconds=action), n=run + 2)
                elif action == 4:
                    break
        with engine.connect() as connection:
            expected = connection.execute(sa.text("select cast(id as text), n from usage")).all()
        assert rows == dict(row._tuple() for row in expected)


@pytest.mark.parametrize("names_until", [True, False])
def test_full_read_includes_rows_edited_within_the_lag(engine: sa.Engine, files: Path, names_until: bool) -> None:
    """The merge marks records missing from a full read as deleted."""
    if not names_until:
        (files / "usage_day.sql").write_text("select id, account_id, updated_at from usage")
    put(engine, 1, NOW - timedelta(minutes=2))
    put(engine, 2, NOW - timedelta(days=1))
    put(engine, 3, None)
    source = source_of(engine.url)
    assert "1" not in ids(read(source))
    pages = read(source, full=True)
    assert {"1", "2"} <= set(ids(pages))
    assert pages[-1].read_until == NOW - LAG, "a transaction under way is read again by the next run"
    assert "1" in ids(read(source, pages[-1].next_position, NOW + LAG))


def test_resumed_full_read_is_still_full(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAGE_ROWS", 1)
    put(engine, 1, NOW - timedelta(days=1))
    put(engine, 2, NOW - timedelta(minutes=2))
    source = source_of(engine.url)
    first = next(iter(source.read("usage_day", position=None, until=NOW, full=True)))
    assert ids(read(source, mark=first.mark, full=True)) == ["2"]


def test_full_read_ignores_an_unknown_position(engine: sa.Engine) -> None:
    put(engine, 1)
    source = source_of(engine.url)
    with pytest.raises(ConfigError, match="version 99"):
        read(source, {"v": 99})
    assert ids(read(source, {"v": 99}, full=True)) == ["1"]
