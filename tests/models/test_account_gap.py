"""Columns of incompletely read contracts, contacts and tickets are null, never 0."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from include.decide.readiness import Readiness, SourceState
from include.metrics.summary import summarize
from include.models import build, unread
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

NOW = datetime.fromisoformat(world.FIRST)
_TODAY = (
    "select arr, kept_arr, is_customer, n_contacts, n_decision_makers, n_open_tickets from marts.account_day"
    " where account_key = 'crm:1' and day = '2026-06-10'"
)


@pytest.mark.parametrize("is_begun", [True, False], ids=["half way", "nothing yet"])
def test_incompletely_read_values_are_not_0(
    raw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_begun: bool
) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", world.FIRST)
    world.use_short_history(monkeypatch, tmp_path)
    world.load_all()
    waiting = ("contract_line", "contact", "ticket")
    with world.engine("owner").begin() as connection:
        for entity in waiting:
            if is_begun:
                connection.exec_driver_sql(f"update meta.cursor set read_until = null where entity = '{entity}'")
            else:
                connection.exec_driver_sql(f"delete from meta.cursor where entity = '{entity}'")
    assert build.run("first")
    assert rows(_TODAY) == [(None,) * 6]
    found = summarize()
    assert found
    assert found.renewals_due is None
    assert value("select count(*) from marts.account_month where arr_end is not null or new_arr is not null") == 0
    world.load("contract_line", world.line("l1", "d1", 1200, date(2025, 9, 15), date(2026, 9, 15)))
    world.load("contact", world.contact("c1", "1"))
    world.load("ticket", world.ticket("t1", "o1"))
    assert build.run("through")
    assert rows(_TODAY) == [(1200, 1200, True, 1, 1, 1)]
    world.assert_equals_scratch(monkeypatch)


def test_lagging_support_desk_is_unknown_not_unlinked(
    built: pytest.MonkeyPatch,
) -> None:
    # 30 hours late, across two midnights: validated, but the newest day is not read.
    with world.engine("owner").begin() as connection:
        connection.exec_driver_sql("update meta.cursor set read_until = '2026-06-10 20:00+00'")
        connection.exec_driver_sql("update meta.cursor set read_until = '2026-06-12 02:00+00' where source = 'crm'")
    built.setenv("PERENNIAL_NOW", "2026-06-12T02:00:00+00:00")
    assert build.run("behind")
    known = "select max(day) from marts.account_day where account_key = 'crm:1' and {} is not null"
    assert value(known.format("n_open_tickets")) == value(known.format("usage_28d")) == date(2026, 6, 11)
    with world.engine("reader").connect() as connection:
        behind = unread.behind(connection)
    assert behind == {"product": {"crm:1", "crm:3"}, "support": {"crm:1", "crm:2"}}
    product = SourceState("product_db", "product", (), NOW, behind=behind["product"])
    desk = SourceState("support", "support", (), NOW, behind=behind["support"])
    ready = Readiness((product, desk))
    assert ready.unfit == behind
    assert ready.why_unknown("product", "crm:1", NOW) == "the product database has not caught up yet"
    with world.engine("owner").begin() as connection:
        connection.exec_driver_sql("update meta.cursor set read_until = '2026-06-12 02:00+00'")
    assert build.run("caught up")
    assert value(known.format("n_open_tickets")) == date(2026, 6, 12)
    world.assert_equals_scratch(built)
