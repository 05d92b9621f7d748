"""CSM changes to an alert's task are feedback: completed, postponed or reassigned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from include.outbox.store import Delivery
from include.warehouse.engine import engine
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import TODAY, renewal
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

BAD = {"n_bad_ratings_30d": 2}


def sent_task(book: Book, **wanted: Any) -> Delivery:
    """Mark all planned deliveries as sent. Return the alert's task."""
    book._execute(
        "update ops.outbox set state = 'sent', resolved_at = :now, external_id = '9001',"
        " address = coalesce(body ->> 'owner_id', '') where state = 'planned'",
        now=book.now,
    )
    (task,) = book.outbox(channel="crm_task", step="task", **wanted)
    return task


def set_task_state(book: Book, task: Delivery, state: str = "open", **changes: Any) -> None:
    """Store the current state of a task in the CRM."""
    shown = {"due_on": task.body["due_on"], "owner_id": task.address, "outcome": "", **changes}
    book._execute(
        "insert into ops.task (key, state, due_on, owner_id, outcome, read_at)"
        " values (:key, :state, cast(:due_on as date), :owner_id, :outcome, :now)"
        " on conflict (key) do update set state = excluded.state, due_on = excluded.due_on,"
        " owner_id = excluded.owner_id, outcome = excluded.outcome, read_at = excluded.read_at",
        key=task.key,
        state=state,
        now=book.now,
        **shown,
    )


def test_untouched_task_changes_nothing(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    set_task_state(signal_book.book, sent_task(signal_book.book))
    before = signal_book.book.scalar("select jsonb_agg(e order by signal) from ops.episode e")
    assert signal_book.book.decide(decision_id="again").n_answered == 0
    assert signal_book.book.scalar("select jsonb_agg(e order by signal) from ops.episode e") == before


@pytest.mark.parametrize(
    ("state", "outcome", "kept", "reason"),
    [
        (
            "done",
            "A test:\nno risk",
            "A test: no risk",
            "completed in the CRM: A test: no risk",
        ),
        ("done", "", "done", "completed in the CRM"),
        ("deleted", "", "deleted", "its task was deleted in the CRM"),
    ],
)
def test_completed_task_closes_its_episode_for_good(
    signal_book: SignalBook,  # noqa: F811
    state: str,
    outcome: str,
    kept: str,
    reason: str,
) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    set_task_state(signal_book.book, sent_task(signal_book.book), state, outcome=outcome)
    assert signal_book.book.decide(decision_id="next").n_answered == 1
    (episode,) = signal_book.book.episodes("bad_rating")
    assert (episode["state"], episode["answer"], episode["close_reason"]) == ("closed", kept, reason)
    # The rule's cool-down is 14 days, but a CSM has closed it as dealt with.
    signal_book.set_clock(at(29))
    assert signal_book.book.decide().n_opened == 0
    signal_book.set_clock(at(30))
    assert signal_book.book.decide().n_opened == 1
    assert [row["episode_no"] for row in signal_book.book.episodes("bad_rating")] == [1, 2]


def test_postponed_task_snoozes_its_episode_until_the_new_due_date(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    task = sent_task(signal_book.book)
    set_task_state(signal_book.book, task, due_on=(TODAY + timedelta(days=9)).isoformat())
    for day in (1, 8):
        signal_book.set_clock(at(day))
        signal_book.set_subjects("account", account(1, n_bad_ratings_30d=5))  # worse meanwhile: it stays snoozed
        assert signal_book.book.decide().n_planned == 0, day
    signal_book.set_clock(at(9))
    assert signal_book.book.decide().n_planned == 2
    (row,) = signal_book.book.outbox(channel="slack", state="planned")
    assert row.step == "due:2026-11-25"
    assert "Your snooze ended today" in row.body["why_now"]
    sent_task(signal_book.book)
    signal_book.set_clock(at(10))
    assert signal_book.book.decide().n_planned == 0
    assert len(signal_book.book.outbox(channel="crm_task")) == 1


def test_snooze_also_holds_pending_deliveries(signal_book: SignalBook) -> None:  # noqa: F811
    from include.deliver.recheck import Gate, check

    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    (delivery,) = signal_book.book.outbox(channel="email")
    signal_book.book._execute("update ops.episode set snoozed_until = :day", day=TODAY + timedelta(days=2))
    with engine("builder").connect() as connection:
        assert check(connection, delivery, Gate(), at(1)).reason == "the CSM snoozed it until 2026-11-18"
        assert "snoozed" not in check(connection, delivery, Gate(), at(2)).reason


def test_new_task_assignee_receives_later_messages(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.book.owners({"crm:78": "bob@vendor.example", "crm:79": ""})
    signal_book.set_subjects("account", account(1, **BAD), account(2, **BAD))
    signal_book.book.decide()
    first, second = sent_task(signal_book.book, entity_id="crm:1"), sent_task(signal_book.book, entity_id="crm:2")
    set_task_state(signal_book.book, first, owner_id="78")
    set_task_state(signal_book.book, second, owner_id="79")
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", account(1, n_bad_ratings_30d=4), account(2, n_bad_ratings_30d=4))
    signal_book.book.decide()
    (row,) = signal_book.book.outbox(channel="email", step="worse", entity_id="crm:1")
    assert (row.recipient, row.owner_key) == ("bob@vendor.example", "")
    assert "was assigned to you" in row.body["notes"][0]
    (row,) = signal_book.book.outbox(channel="email", step="worse", entity_id="crm:2")
    assert row.recipient == "ada@vendor.example"


def test_answered_renewal_is_silent_until_its_next_checkpoint(book: Book) -> None:
    row = renewal(1, days=60)
    book.renewals(row)
    book.decide()
    set_task_state(book, sent_task(book), "done", outcome="They will sign")
    for day in (0, 3):
        book.set_clock(at(day))
        book.renewals(row)
        assert book.decide(decision_id=f"day {day}").n_planned == 0, day
    book.set_clock(at(30))
    book.renewals(row)
    assert book.decide().n_planned == 3  # two messages, and a new task
    assert [episode["answer"] for episode in book.episodes()] == ["They will sign", ""]


def test_snoozed_renewal_gets_the_checkpoint_due_at_its_end(book: Book) -> None:
    row = renewal(1, days=60)
    book.renewals(row)
    book.decide()
    set_task_state(book, sent_task(book), due_on=(TODAY + timedelta(days=32)).isoformat())
    for day, planned in ((30, 0), (31, 0), (32, 2)):
        book.set_clock(at(day))
        book.renewals(row)
        assert book.decide().n_planned == planned, day
    assert {delivery.step for delivery in book.outbox(state="planned")} == {"30"}


def test_messages_render_and_task_due_dates_follow_the_region(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.set_subjects("account", account(1, **BAD), account(2, region="Japan", n_bad_ratings_30d=3))
    signal_book.book.decide()
    tasks = {row.entity_id: row.body for row in signal_book.book.outbox(channel="crm_task")}
    assert (tasks["crm:1"]["due_on"], tasks["crm:1"]["zone"]) == ("2026-11-19", "Europe/Berlin")
    assert tasks["crm:1"]["due_at"] == "2026-11-19T16:00:00.000Z"
    assert (tasks["crm:2"]["due_on"], tasks["crm:2"]["priority"]) == ("2026-11-17", "HIGH")
    assert "2 bad support ratings" in tasks["crm:1"]["subject"]
    assert "Move the due date to snooze the alert" in tasks["crm:1"]["html"]


def test_obsolete_task_is_closed_with_a_note(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.set_subjects("account", account(1, **BAD), account(2, **BAD))
    signal_book.book.decide()
    signal_book.book._execute("update ops.outbox set state = 'sent' where entity_id = 'crm:1'")
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", account(1), account(2))
    assert signal_book.book.decide().n_closed == 2
    (ends,) = signal_book.book.outbox(channel="crm_task", step="close:task")
    (task,) = signal_book.book.outbox(channel="crm_task", step="task", entity_id="crm:1")
    assert ends.body == {
        "closes": task.key,
        "note": "Closed by Perennial on 17 Nov 2026: its closing condition is true: n_bad_ratings_30d = 0",
    }
    assert signal_book.book.decide(decision_id="again").n_planned == 0
