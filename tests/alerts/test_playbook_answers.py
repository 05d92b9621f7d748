"""What people do with the tasks of a playbook's steps: the next begins, waits, changes hands, or it all ends."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

from include.delivery.outbox import Letter
from tests.alerts.conftest import at
from tests.alerts.house import House
from tests.alerts.test_answers import answer
from tests.renewal_rows import NOW, TODAY, renewal

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


def begin(house: House, overlay: Path) -> Letter:
    """Start the playbook; return the task of its first step, which has left."""
    (overlay / "playbooks" / "renewal_at_risk.yaml").write_text("disabled: true\n")
    write(overlay)
    house.renewals(RENEWAL)
    house.decide()
    return sent(house, "ask")


def write(overlay: Path, version: int = 1, meet: str = "Meet") -> None:
    (overlay / "playbooks" / "three_steps.yaml").write_text(PLAYBOOK.format(version=version, meet=meet))


def sent(house: House, step: str) -> Letter:
    house._execute(
        "update ops.outbox set state = 'sent', external_id = key, address = coalesce(body ->> 'owner_id', '')"
        " where state = 'planned'"
    )
    (task,) = house.outbox(channel="crm_task", step=step)
    return task


def go_on(house: House, day: int) -> list[str]:
    """Decide some days later; return the steps that are given out then."""
    house.set_clock(at(day))
    house.renewals(RENEWAL)
    house.decide()
    return [row.step for row in house.outbox(rule="three_steps", state="planned")]


def test_a_completed_step_lets_the_next_begin_also_under_a_new_version(house: House, overlay: Path) -> None:
    task = begin(house, overlay)
    assert go_on(house, 1) == []
    answer(house, task, "done", outcome="They miss reports")
    write(overlay, version=2, meet="Meet them all")
    assert go_on(house, 1) == ["meet"]
    (meet,) = house.outbox(step="meet")
    # Five working days after that Tuesday, in the words of the version that it began with.
    assert (meet.body["due_on"], meet.subject, meet.version) == ("2026-11-24", "Meet", "three_steps 1")
    assert house.episodes("three_steps")[0]["state"] == "open"


def test_a_deleted_step_lets_the_next_begin_too(house: House, overlay: Path) -> None:
    answer(house, begin(house, overlay), "deleted", due_on=None, owner_id="")
    assert go_on(house, 1) == ["meet"]


def test_a_moved_step_moves_the_next(house: House, overlay: Path) -> None:
    task = begin(house, overlay)
    answer(house, task, due_on=(TODAY + timedelta(days=20)).isoformat())
    # Unmoved it was due on the 23rd, and the next would begin on the day after.
    assert [go_on(house, day) for day in (8, 20, 21)] == [[], [], ["meet"]]


def test_the_next_goes_to_whoever_was_given_the_one_before(house: House, overlay: Path) -> None:
    house.owners({"crm:78": "bob@vendor.example"})
    task = begin(house, overlay)
    answer(house, task, owner_id="78")
    answer(house, task, "done", owner_id="78")
    assert go_on(house, 1) == ["meet"]
    (meet,) = house.outbox(step="meet")
    assert (meet.recipient, meet.owner_key, meet.body["owner_id"]) == ("bob@vendor.example", "", "")
    assert "because the task before it was given to you" in meet.body["html"]
    answer(house, sent(house, "meet"), "done")
    assert go_on(house, 2) == ["agree"]
    assert house.outbox(step="agree")[0].recipient == "lead@vendor.example"  # another role


def test_an_outcome_ends_it_and_closes_what_is_open(house: House, overlay: Path) -> None:
    task = begin(house, overlay)
    answer(house, task, "done")
    assert go_on(house, 1) == ["meet"]
    sent(house, "meet")
    answer(house, task, "done", outcome=" Lost ")
    # What people say holds although the CRM's data is not fit to act on.
    house.verdict("crm", "crm", "red", NOW, "x")
    house.renewals(RENEWAL)
    result = house.decide(decision_id="lost")
    assert (result.n_answered, result.n_closed) == (1, 0)
    (episode,) = house.episodes("three_steps")
    assert (episode["answer"], episode["closed_because"]) == ("lost", "completed in the CRM: lost")
    (closing,) = house.outbox(rule="three_steps", state="planned")
    assert closing.step == "close:meet"
    # It would begin anew as long as the condition holds; but somebody has said how it ended.
    assert go_on(house, 2) == ["close:meet"]


def test_it_ends_with_its_last_step(house: House, overlay: Path) -> None:
    answer(house, begin(house, overlay), "done")
    for day, step in ((1, "meet"), (2, "agree")):
        assert go_on(house, day) == [step]
        answer(house, sent(house, step), "done", outcome="They signed" if step == "agree" else "")
    assert go_on(house, 3) == []
    (episode,) = house.episodes("three_steps")
    assert (episode["state"], episode["answer"]) == ("closed", "They signed")
    house.renewals(dataclasses.replace(RENEWAL, usage_ratio=0.4))
    assert house.decide(decision_id="still low").n_planned == 0
