"""Vendor history is stored once, page by page, and never replaces versions that we read ourselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.common.errors import Unavailable
from include.connectors.base import Page
from include.ingest import history
from include.warehouse.engine import engine
from tests.fixtures.landing import START, record, rows, store, value

STATES = "select id, tier, _source_at from raw.crm__account__history order by id, _source_at"


@pytest.fixture
def accounts(raw: str) -> None:
    """Two accounts, loaded a thousand seconds after their creation."""
    store(record("1", 1000, tier="key"), record("2", 1000, tier="small"))


def store_history(*states, is_last: bool = True, mark: str = "a") -> int:
    with history.storing("crm", "account") as connection:
        page = Page(list(states), {"mark": mark}, {"mark": mark} if is_last else None)
        return history.land(connection, "crm", "hubspot", "account", page)


def test_only_states_before_the_first_load_are_stored(accounts) -> None:
    assert (
        store_history(record("1", 10, tier="small"), record("1", 1000, tier="key"), record("1", 1001, tier="huge")) == 2
    )
    assert rows(STATES) == [
        ("1", "small", START + timedelta(seconds=10)),
        ("1", "key", START + timedelta(seconds=1000)),
    ]
    # Versions that we read ourselves are unchanged.
    assert value("select count(*) from raw.crm__account__version") == 2
    assert rows("select tier from raw.crm__account order by id") == [("key",), ("small",)]


def test_repeated_state_is_stored_once(accounts) -> None:
    assert store_history(record("1", 10, tier="small")) == 1
    assert store_history(record("1", 10, tier="small"), record("1", 10, tier="other")) == 0
    assert len(rows(STATES)) == 1


def test_days_of_affected_accounts_are_rebuilt(accounts) -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text("delete from meta.dirty_range"))
    store_history(record("1", 10, tier="small"), record("3", 10, tier="small"))
    assert rows("select account_ref, to_day from meta.dirty_range") == [("1", None)]
    store_history(record("1", 10, tier="small"))
    assert value("select count(*) from meta.dirty_range") == 1


def test_killed_history_load_resumes(accounts) -> None:
    store_history(record("1", 10, tier="small"), is_last=False, mark="page 1")
    with engine("loader").connect() as connection:
        (waiting,) = history.waiting(connection, "crm", ("account", "contact"))
        assert (waiting.entity, waiting.mark, waiting.n_states) == ("account", {"mark": "page 1"}, 1)
        connection.rollback()
        history.store_problem(connection, "crm", "account", Unavailable("is down"))
        assert history.progress(connection, "crm", "account").problem == "is down"
    store_history(record("2", 20, tier="key"))
    with engine("loader").connect() as connection:
        assert history.waiting(connection, "crm", ("account", "contact")) == []
        connection.rollback()
        done = history.progress(connection, "crm", "account")
    assert (done.n_states, done.problem, done.finished_at is None) == (2, "", False)


def test_history_values_that_fit_no_column_are_skipped(accounts) -> None:
    store_history(record("1", 10, tier="sm\x00all", name="\ud800x"))
    assert rows("select tier, name from raw.crm__account__history") == [("small", "x")]
