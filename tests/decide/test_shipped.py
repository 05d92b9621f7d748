"""The task to tell an account of what has shipped: once per account and request, also after a merge."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.analyses import requests
from include.deliver.recheck import Gate, check
from include.models import registry, tables
from include.outbox.store import Delivery
from include.warehouse.engine import engine
from tests.fixtures.decisions import OVERLAY, at
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

TODAY = at(0).date()
MODELS = (
    "core.account", "core.account_bridge", "core.renewal", "core.ticket", "core.ticket_triage", "core.request_ask",
    "core.word_rule",
    "marts.request_demand",
)  # fmt: skip
SHIPPED = {"state": "shipped", "shipped_on": date(2026, 11, 11)}


@pytest.fixture
def asked(signal_book: SignalBook) -> SignalBook:  # noqa: F811
    """Customers 1 and 2 asked for two names of the same, 3 for something else, and 4 after it had shipped."""
    signal_book.set_clock(at(0))
    signal_book.set_subjects("account", *(account(n) for n in range(1, 5)))
    execute(signal_book, "drop table core.renewal")  # the fixture's has fewer columns
    with engine("builder").begin() as connection:
        for name in MODELS:
            tables.prepare(connection, registry.load()[name], None)
    for key, name, day in ((1, "dark mode", 1), (2, "themes", 1), (3, "sso", 1), (4, "dark mode", 12)):
        row = {"name": name, "key": f"crm:{key}", "day": date(2026, 11, day)}
        columns = "(request, account_key, asked_on, entered_by, known_from)"
        execute(signal_book, f"insert into meta.request_entry {columns} values (:name, :key, :day, 'ana', :now)", **row)
    return signal_book


def execute(book: SignalBook, statement: str, **values: Any) -> None:
    book.book._execute(statement, now=book.book.now, **values)


def change(book: SignalBook, request: str, **values: Any) -> None:
    row = {"merged_into": None, "state": None, "shipped_on": None, **values}
    execute(book, "insert into meta.request_change (request, merged_into, state, shipped_on, changed_by, known_from)"
        " values (:request, :merged_into, :state, :shipped_on, 'ana', :now)", request=request, **row)  # fmt: skip


def planned(book: SignalBook, name: str, state: str = "planned") -> list[Delivery]:
    book.book.decide(decision_id=name)
    return [row for row in book.book.outbox(channel="crm_task", state=state) if row.rule == "request_shipped"]


def send(book: SignalBook) -> None:
    execute(book, "update ops.outbox set state = 'sent', resolved_at = :now where rule = 'request_shipped'")


def end(book: SignalBook, state: str, reason: str = "") -> None:
    values = {"state": state, "reason": reason, "then": at(0)}
    execute(book, "update ops.outbox set state = :state, reason = :reason, resolved_at = :then", **values)


def verdict(delivery: Delivery) -> str:
    with engine("builder").connect() as connection:
        return check(connection, delivery, Gate(), at(1)).action


def test_who_asked_before_it_shipped_is_told_once(asked: SignalBook) -> None:
    assert planned(asked, "open") == []
    change(asked, "dark mode", **SHIPPED)
    (first,) = planned(asked, "shipped")
    assert (first.account_key, first.step, first.body["company_id"]) == ("crm:1", "dark mode", "1")
    assert first.body["owner_id"] and first.body["due_on"] and first.reads == ("crm",)
    send(asked)
    assert planned(asked, "again") == []
    # Nor is the account again that it was merged into.
    execute(asked, "insert into core.account_bridge (source, source_id, entity, account_key)"
        " values ('crm', '1', 'account', 'crm:2')")  # fmt: skip
    assert planned(asked, "merged account") == []
    execute(asked, "delete from core.account_bridge where account_key = 'crm:2'")
    # After a merge, only those are told who were not told of any of its names.
    change(asked, "dark mode", merged_into="look and feel")
    change(asked, "themes", merged_into="look and feel")
    change(asked, "look and feel", **SHIPPED)
    assert [row.account_key for row in planned(asked, "merged")] == ["crm:2"]
    send(asked)
    # Neither a second merge, nor taking it apart, nor an erasure that renames the request tells anybody again.
    for name in ("look and feel", "dark mode", "themes"):
        change(asked, name, merged_into="theming")
    change(asked, "theming", **SHIPPED)
    assert planned(asked, "merged again") == []
    change(asked, "dark mode", merged_into="", **SHIPPED)
    assert planned(asked, "apart") == []
    for column, table in (("request", "meta.request_entry"), ("request", "meta.request_change")):
        execute(asked, f"update {table} set {column} = '[erased] mode' where {column} = 'dark mode'")
    assert planned(asked, "erased") == []


def test_planned_task_is_refreshed_and_withdrawn(asked: SignalBook) -> None:
    change(asked, "sso", **SHIPPED)
    (first,) = planned(asked, "first")
    asked.set_clock(at(1))
    asked.set_subjects("account", *(account(n, owner_key="crm:78") for n in range(1, 5)))
    (again,) = planned(asked, "again")
    assert (again.key, again.owner_key) == (first.key, "crm:78") and again.not_after > first.not_after
    assert verdict(again) == "go"
    execute(asked, "insert into core.account_bridge (source, source_id, entity, account_key)"
        " values ('crm', '3', 'account', 'crm:2')")  # fmt: skip
    assert verdict(again) == "suppressed"  # the survivor is told
    assert [row.account_key for row in planned(asked, "survivor")] == ["crm:3", "crm:2"]
    execute(asked, "delete from core.account_bridge where account_key = 'crm:2'")
    execute(asked, "delete from ops.outbox where account_key = 'crm:2'")
    change(asked, "sso", state="open")
    assert verdict(again) == "suppressed"
    # What was withdrawn has told nobody.
    change(asked, "sso", **SHIPPED)
    end(asked, "suppressed", f"{requests.NOT_SHIPPED}; its owner has completed the task")
    assert planned(asked, "completed") == []
    end(asked, "suppressed", requests.NOT_SHIPPED)
    assert [row.episode_no for row in planned(asked, "shipped again")] == [2]


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_who_was_not_told_gets_another_task_on_another_day(asked: SignalBook, state: str) -> None:
    change(asked, "sso", **SHIPPED)
    planned(asked, "first")
    end(asked, state)
    assert planned(asked, "same day") == []
    asked.set_clock(at(1))
    assert [row.episode_no for row in planned(asked, "next day")] == [2]
    execute(asked, "delete from ops.outbox where episode_no = 2")
    execute(asked, "update ops.outbox set external_id = '7'")  # the task is there, without its company
    assert planned(asked, "written") == []


def test_dry_run_writes_nothing_outside(asked: SignalBook, overlay: Path) -> None:
    text = OVERLAY["channels.yaml"].replace("crm_task: {dry_run: false}", "crm_task: {dry_run: true}")
    (overlay / "config" / "channels.yaml").write_text(text)
    change(asked, "sso", **SHIPPED)
    assert planned(asked, "dry") == []
    assert [row.account_key for row in planned(asked, "dry again", "suppressed")] == ["crm:3"]


def test_old_and_later_days_of_shipping_tell_nobody(asked: SignalBook) -> None:
    change(asked, "sso", state="shipped", shipped_on=date(2026, 12, 24))
    change(asked, "themes", state="shipped", shipped_on=date(2026, 1, 2))
    assert planned(asked, "days") == []
