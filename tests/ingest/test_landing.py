"""Pages land with their mark in one commit, even with hostile values."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from include.common import paths
from include.common.errors import Unavailable
from include.connectors.base import Page
from include.entities.catalog import ENTITIES
from include.ingest import batches, held_batches, landing
from include.warehouse import raw_tables
from include.warehouse.engine import engine
from tests.fixtures.landing import START, land, record, rows, store, tables, value


def test_raw_tables_exist_for_every_entity(raw: str) -> None:
    names = {name for (name,) in rows("select table_name from information_schema.tables where table_schema = 'raw'")}
    assert {"hubspot__account", "hubspot__account__version", "zendesk__ticket", "product__usage_day"} <= names
    assert "zendesk__ticket__version" not in names
    for entity in ENTITIES.values():
        assert any(name.endswith(f"__{entity.name}") for name in names)


def test_column_added_to_an_entity_is_added_to_its_tables(raw: str) -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text("alter table raw.hubspot__account drop column region cascade"))
        connection.execute(sa.text("alter table raw.hubspot__account__version drop column region cascade"))
    raw_tables.ensure_raw_tables()
    raw_tables.ensure_raw_tables()
    store(record("1", region="EU"))
    assert value("select region from raw.hubspot__account") == "EU"


def test_builder_and_reader_can_read_but_not_write_raw(raw: str) -> None:
    store(record("1", name="Acme"))
    for role in ("builder", "reader"):
        with engine(role).connect() as connection:
            assert connection.execute(sa.text("select count(*) from raw.hubspot__account")).scalar() == 1
    with pytest.raises(sa.exc.ProgrammingError), engine("builder").begin() as connection:
        connection.execute(sa.text("delete from raw.hubspot__account"))


def test_hostile_row_lands_next_to_good_ones(raw: str) -> None:
    hostile = record("2", name="a\x00\ud800b", domain="‮\U0001f4a9<script>=1+1" + "x" * 200_000)
    batch = land(record("1", name="good"), hostile, record("3", name="tab\tnew\nline\\."))
    assert (batch.n_rows, batch.n_cleaned) == (3, 1)
    assert rows(f"select name from raw.{batch.table_name} order by _row") == [
        ("good",),
        ("ab",),
        ("tab\tnew\nline\\.",),
    ]


def test_exact_numbers_and_long_ids_survive(raw: str) -> None:
    line = record("9223372036854775807", amount=Decimal("12345678901234567890.123456789"), opportunity_id="1" * 19)
    store(line, entity="contract_line")
    assert rows("select id, amount, opportunity_id from raw.hubspot__contract_line") == [
        ("9223372036854775807", Decimal("12345678901234567890.123456789"), "1" * 19)
    ]


def test_mark_and_rows_commit_together(raw: str) -> None:
    """A page that fails half-way leaves neither rows nor mark."""
    with batches.reading("crm", "account") as connection:
        batch = batches.open_or_resume(connection, "crm", "hubspot", "account", until=START)
        batch = landing.land_page(connection, batch, Page([record("1")], {"mark": 1}))
        broken = replace(record("2"), values=None)  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            landing.land_page(connection, batch, Page([record("3"), broken], {"mark": 2}))
    stored = rows("select read_mark, n_rows from meta.batch")
    assert stored == [({"mark": 1}, 1)]
    assert value("select count(*) from raw.batch_1") == 1


def test_killed_read_resumes_in_its_batch_with_its_own_clock(raw: str) -> None:
    first = land(record("1"), is_last=False, position=5)
    with batches.reading("crm", "account") as connection:
        resumed = batches.open_or_resume(
            connection, "crm", "hubspot", "account", until=START + timedelta(hours=1), full=True
        )
    assert resumed.batch_id == first.batch_id
    assert (resumed.read_mark, resumed.until, resumed.is_full, resumed.n_rows) == ({"mark": 5}, START, False, 1)


def test_long_read_continues_in_the_next_batch(raw: str) -> None:
    first = land(record("1"), is_last=False, position=5, full=True)
    with batches.reading("crm", "account") as connection:
        closed = landing.close_full(connection, first)
        second = batches.open_or_resume(connection, "crm", "hubspot", "account", until=START + timedelta(hours=1))
    assert (closed.state, closed.cursor_after) == ("closed", None)
    assert second.batch_id != first.batch_id
    assert (second.read_id, second.read_mark, second.until, second.is_full) == (
        first.batch_id,
        {"mark": 5},
        START,
        True,
    )
    assert second.is_first_load


def test_empty_read_creates_no_table(raw: str) -> None:
    batch = land(position=3)
    assert (batch.state, batch.table_name, batch.cursor_after) == ("closed", "", {"position": 3})
    assert tables() == set()


def test_oversized_account_reference_is_a_problem(raw: str) -> None:
    batch = land(record("1", account_id="x" * 9000), entity="contact")
    [(account, problems)] = rows(f"select account_id, _problems from raw.{batch.table_name}")
    assert account is None and problems[0].startswith("account_id=xxx")


def test_batch_dropped_during_the_read_stops_the_reader(raw: str) -> None:
    with batches.reading("crm", "account") as connection:
        batch = batches.open_or_resume(connection, "crm", "hubspot", "account", until=START)
        batch = landing.land_page(connection, batch, Page([record("1")], {"mark": 1}))
        held_batches.drop(batch.batch_id, reason="wrong portal", by="me")
        with pytest.raises(Unavailable, match="was dropped"):
            landing.land_page(connection, batch, Page([], {"mark": 2}))


def test_two_runs_never_read_one_entity_at_once(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with batches.reading("crm", "account"):
        with batches.reading("crm", "contact"), batches.reading("other_crm", "account"):
            pass
        with engine("loader").connect() as connection:
            taken = connection.execute(
                sa.text("select pg_try_advisory_lock(:a, :b)"), batches.lock_key(batches.READ_LOCK, "crm", "account")
            )
            assert taken.scalar() is False
    with batches.reading("crm", "account"):
        pass


def test_wait_for_another_run_ends_with_a_clear_error(raw: str) -> None:
    from sqlalchemy import event

    def impatient(dbapi_connection, *_: object) -> None:
        dbapi_connection.execute("set lock_timeout = '50ms'")

    event.listen(engine("loader"), "checkout", impatient)
    try:
        with (
            batches.reading("crm", "account"),
            pytest.raises(Unavailable, match=r"another run is reading crm\.account"),
            batches.reading("crm", "account"),
        ):
            pytest.fail("read twice")
    finally:
        event.remove(engine("loader"), "checkout", impatient)


@pytest.mark.parametrize(
    ("table", "column", "index"),
    [
        ("stg_support__ticket", "organization_id", "zendesk__ticket__by_organization_id"),
        ("stg_support__ticket_event", "ticket_id", "zendesk__ticket_event__by_ticket_id"),
        ("stg_product__usage_day", "product_account_id", "product__usage_day__by_account_id"),
    ],
)
def test_staging_lookup_uses_the_index(raw: str, table: str, column: str, index: str) -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text(f"drop index raw.{index}"))
    raw_tables.ensure_raw_tables()
    query = (paths.ROOT / "sql" / "staging" / table / "query.sql").read_text()
    with engine("reader").connect() as connection:
        connection.execute(sa.text("set enable_seqscan = off"))
        asked = sa.text(f"explain select * from (\n{query}\n) as q where source = 's' and {column} = '1'")
        plan = "\n".join(connection.execute(asked).scalars())
    assert index in plan, plan
