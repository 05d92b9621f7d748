"""Locks: each has a unique number, and long operations do not block landing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from include.connectors.base import Page
from include.entities.catalog import ENTITIES
from include.ingest import suppression
from include.warehouse import locks
from include.warehouse.engine import engine


def test_each_lock_has_a_unique_number() -> None:
    numbers = [value for name, value in vars(locks).items() if name.endswith("_LOCK")]
    assert len(numbers) == len(set(numbers)) == 9


def test_delivery_pass_does_not_block_page_landing(warehouse: Any) -> None:
    hold = {"key": locks.SENDER_LOCK}
    with engine("builder").connect() as sending, engine("loader").begin() as landing:
        sending.execute(sa.text("select pg_advisory_lock(:key)"), hold)
        landing.exec_driver_sql("set local lock_timeout = '200ms'")
        page = Page(records=[], mark=None)
        assert suppression.keep(landing, "crm", ENTITIES["account"], page) is page
        sending.execute(sa.text("select pg_advisory_unlock(:key)"), hold)
