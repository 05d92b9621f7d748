"""Attempted deliveries that became obsolete: looked up, recalled, or reported as remaining."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from include.common.errors import PerennialError
from include.deliver import deliver, undo
from tests.fixtures.decision_world import Book
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW, renewal

AT_RISK = renewal(1, days=30, usage_ratio=0.5)


@pytest.mark.parametrize("is_undone", [False, True])
def test_task_with_a_lost_response_is_deleted_once_obsolete(
    live_book: Book, receivers: Receivers, is_undone: bool
) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide(decision_id="first")
    upsert = "/crm/v3/objects/tasks/batch/upsert"
    receivers.hubspot.faults[upsert] = ["drop"] * 99
    with pytest.raises(PerennialError, match="connection broke"):
        deliver.deliver(now=NOW)
    receivers.hubspot.faults.clear()
    written = {task["perennial_key"] for task in receivers.portal.tasks.values()}
    assert written and {row.state for row in live_book.outbox(channel="crm_task") if row.key in written} == {"planned"}
    if is_undone:
        undo.recall("first", "grace", "wrong", NOW)
    else:
        live_book.pass_time(NOW + timedelta(minutes=1))
        live_book.settled("C-1#2", "renewed", NOW.date())
        live_book.renewals()
        live_book.decide(decision_id="second")
    for minutes in (2, 10):
        deliver.deliver(now=NOW + timedelta(minutes=minutes))
    assert not written & {task["perennial_key"] for task in receivers.portal.tasks.values()}
    assert {row.state for row in live_book.outbox(channel="crm_task") if row.key in written} == {"suppressed"}


def test_recalled_task_of_an_unlisted_crm_stays_and_is_reported(
    live_book: Book, receivers: Receivers, overlay: Path
) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide(decision_id="first")
    deliver.deliver(now=NOW)
    undo.recall("first", "grace", "wrong", NOW)
    live_book._execute("update ops.outbox set account_key = replace(account_key, 'crm:', 'old:')")
    live_book._execute("update ops.outbox set state = 'planned' where channel = 'crm_task'")
    deliver.deliver(now=NOW + timedelta(minutes=9))
    tasks = [row for row in undo.listed("first") if row["channel"] == "crm_task"]
    assert {row["result"] for row in tasks} == {"stays"} and all(
        "not among the sources" in row["reason"] for row in tasks
    )


def test_delivery_suppressed_during_its_recall_is_settled(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide(decision_id="first")
    deliver.deliver(now=NOW)
    undo.recall("first", "grace", "wrong", NOW)
    live_book._execute("update ops.outbox set state = 'suppressed'")
    deliver.deliver(now=NOW + timedelta(minutes=9))
    assert {row["result"] for row in undo.listed("first")} == {"taken back", "never sent"}
