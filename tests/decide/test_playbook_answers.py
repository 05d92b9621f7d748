"""CSM changes to step tasks start, postpone or reassign the next step, or end the playbook."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

from include.decide.renewals.checkpoint import Checkpoint
from include.outbox.store import Delivery
from tests.decide.test_task_feedback import set_task_state
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import NOW, TODAY, renewal

# Monday 16 November; in Germany, 80 days before the decision.
RENEWAL = renewal(1, days=80, usage_ratio=0.5)
PLAYBOOK = """
name: three_steps
version: {version}
status: live
title: Three steps
why: One after the other.
trigger: {{rung: 90, when: usage_ratio < 0.7}}
first_scan: start
outcome: [kept, lost]
steps:
  - {{id: ask, kind: crm_task, owner: csm, due_in_working_days: 5, subject: Ask, body: Ask}}
  - {{id: meet, kind: crm_task, owner: csm, due_in_working_days: 5, depends_on: [ask], subject: {meet}, body: Meet}}
  - {{id: agree, kind: crm_task, owner: lead, due_in_working_days: 5, depends_on: [meet], subject: Agree, body: Agree}}
"""


def start_playbook(book: Book, overlay: Path, *renewals: Checkpoint) -> dict[str, Delivery]:
    """Start the playbook and mark the tasks of its first step as sent. Return them by renewal."""
    (overlay / "playbooks" / "renewal_at_risk.yaml").write_text("disabled: true\n")
    write(overlay)
    book.renewals(*renewals)
    book.decide()
    return sent(book, "ask")


def write(overlay: Path, version: int = 1, meet: str = "Meet") -> None:
    (overlay / "playbooks" / "three_steps.yaml").write_text(PLAYBOOK.format(version=version, meet=meet))


def sent(book: Book, step: str) -> dict[str, Delivery]:
    book._execute(
        "update ops.outbox set state = 'sent', external_id = key, address = coalesce(body ->> 'owner_id', '')"
        " where state = 'planned'"
    )
    return {task.entity_id: task for task in book.outbox(channel="crm_task", step=step)}


def planned_steps(book: Book, day: int, *renewals: Checkpoint) -> dict[str, str]:
    """Decide some days later. Return the newly planned steps by renewal."""
    book.set_clock(at(day))
    book.renewals(*renewals)
    book.decide()
    return {row.entity_id: row.step for row in book.outbox(rule="three_steps", state="planned")}


def test_step_outcome_sets_start_and_owner_of_the_next_step(book: Book, overlay: Path) -> None:
    book.owners({"crm:78": "bob@vendor.example"})
    five = [dataclasses.replace(RENEWAL, renewal_id=name) for name in ("done", "thrown", "moved", "given", "untouched")]
    tasks = start_playbook(book, overlay, *five)
    set_task_state(book, tasks["done"], "done", outcome="They miss reports")
    set_task_state(book, tasks["thrown"], "deleted", due_on=None, owner_id="")
    set_task_state(book, tasks["moved"], due_on=(TODAY + timedelta(days=20)).isoformat())
    set_task_state(book, tasks["given"], "done", owner_id="78")
    write(overlay, version=2, meet="Meet them all")
    assert planned_steps(book, 1, *five) == {"done": "meet", "thrown": "meet", "given": "meet"}
    meet = sent(book, "meet")
    # Five working days after that Monday, with the text of the version that it started with.
    assert (meet["done"].body["due_on"], meet["done"].subject) == ("2026-11-23", "Meet")
    assert {task.version for task in meet.values()} == {"three_steps 1"}
    given = meet["given"]
    assert (given.recipient, given.owner_key, given.body["owner_id"]) == ("bob@vendor.example", "", "")
    assert "because an earlier task was assigned to you" in given.body["html"]
    # An untouched task ends on the day after its due date; a postponed one after its new date.
    set_task_state(book, given, "done")
    assert planned_steps(book, 8, *five) == {"done": "agree", "thrown": "agree", "given": "agree", "untouched": "meet"}
    assert sent(book, "agree")["given"].recipient == "lead@vendor.example"  # another role
    assert "moved" not in planned_steps(book, 20, *five)
    assert planned_steps(book, 21, *five)["moved"] == "meet"


def test_outcome_ends_the_playbook_and_closes_open_tasks(book: Book, overlay: Path) -> None:
    task = start_playbook(book, overlay, RENEWAL)[RENEWAL.renewal_id]
    set_task_state(book, task, "done")
    assert list(planned_steps(book, 1, RENEWAL).values()) == ["meet"]
    sent(book, "meet")
    set_task_state(book, task, "done", outcome=" Lost ")
    # CSM feedback counts even while the CRM's data is unfit.
    book.verdict("crm", "crm", "red", NOW, "x")
    book.renewals(RENEWAL)
    result = book.decide(decision_id="lost")
    assert (result.n_answered, result.n_closed) == (1, 0)
    (episode,) = book.episodes("three_steps")
    assert (episode["answer"], episode["close_reason"]) == ("lost", "completed in the CRM: lost")
    (closing,) = book.outbox(rule="three_steps", state="planned")
    assert closing.step == "close:meet"
    # The condition still holds, but the recorded outcome prevents a restart.
    assert list(planned_steps(book, 2, RENEWAL).values()) == ["close:meet"]


def test_playbook_ends_with_its_last_step(book: Book, overlay: Path) -> None:
    set_task_state(book, start_playbook(book, overlay, RENEWAL)[RENEWAL.renewal_id], "done")
    for day, step in ((1, "meet"), (2, "agree")):
        assert list(planned_steps(book, day, RENEWAL).values()) == [step]
        task = sent(book, step)[RENEWAL.renewal_id]
        set_task_state(book, task, "done", outcome="They signed" if step == "agree" else "")
    assert planned_steps(book, 3, RENEWAL) == {}
    (episode,) = book.episodes("three_steps")
    assert (episode["state"], episode["answer"]) == ("closed", "They signed")
    book.renewals(dataclasses.replace(RENEWAL, usage_ratio=0.4))
    assert book.decide(decision_id="still low").n_planned == 0
