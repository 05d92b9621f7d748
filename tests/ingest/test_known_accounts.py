"""The account of a record, from landed or merged rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from include.connectors.base import Page, Record
from include.ingest import batches, landing
from include.ingest.known_accounts import accounts_of
from include.warehouse.engine import engine

AT = datetime(2026, 6, 30, 12, tzinfo=UTC)


def _deal(one: str, account: str | None, *, is_deleted: bool = False) -> Record:
    return Record(one, {"account_id": account}, {}, AT, is_deleted)


def test_latest_landed_account_counts_before_the_merge(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "_INDEXED_ROWS", 4)
    with batches.reading("crm", "opportunity") as connection:
        batch = batches.open_or_resume(
            connection, "crm", "hubspot", "opportunity", until=AT, since=None, full=False, run_id=""
        )
        page = Page([_deal("1", "10"), _deal("2", "20"), _deal("3", None), _deal("4", "40", is_deleted=True)], {"v": 2})
        batch = landing.land_page(connection, batch, page)
        landing.land_page(connection, batch, Page([_deal("2", "21")], {"v": 2}, {"v": 2}, AT))
    with engine("loader").begin() as connection:
        connection.exec_driver_sql(
            "insert into raw.hubspot__opportunity"
            " (source, id, account_id, _hash, _batch_id, _loaded_at, _first_loaded_at)"
            " select source, id, account_id, '', 0, now(), now() from (values"
            " ('crm', '5', '50'), ('crm', '1', '11'), ('crm_eu', '6', '60')) as given (source, id, account_id)"
        )
    known = accounts_of("crm", "hubspot", "opportunity", ["1", "2", "3", "4", "5", "6", "7"])
    assert known == {"1": "10", "2": "21", "5": "50"}
    with engine("loader").connect() as connection:
        indexes = "select count(*) from pg_indexes where tablename = 'batch_' || cast(:id as text)"
        assert connection.execute(sa.text(indexes), {"id": batch.batch_id}).scalar_one() == 1
