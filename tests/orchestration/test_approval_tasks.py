"""Approval of actions above the caps in Airflow: the question and the handling of the answer."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.configuration import conf
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import TaskAwaitingInput

from include.orchestration import approval_tasks
from include.outbox import approvals

FOUND = approvals.Approval(
    approval_id="20261116-090000-abc",
    run_id="manual__1",
    state="open",
    reason="the cap of 4 actions per run",
    authors=("mallory",),
    asked_at=datetime(2026, 11, 16, 9, tzinfo=UTC),
    expires_at=datetime(2026, 11, 18, 9, tzinfo=UTC),
    answered_by="",
    note="",
    n_actions=2,
    n_accounts=1,
)
ROW = {
    "channel": "slack",
    "rule": "renewal",
    "step": "30",
    "account_key": "crm:1",
    "recipient": "ada@vendor.example",
    "subject": "<script>x</script> | [free](http://evil.example) *x*",
    "deadline": None,
    "state": "parked",
}


class Room:
    """Fakes of the warehouse's approvals and of Airflow around the operator."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found = FOUND
        self.answers: list[tuple[Any, ...]] = []
        self.put: list[dict[str, Any]] = []
        monkeypatch.setattr(approvals, "get", self.get)
        monkeypatch.setattr(approvals, "listed", lambda approval_id: [ROW] * 1200)
        monkeypatch.setattr(approvals, "answer", self.answer)
        monkeypatch.setattr(approvals, "refuse", self.refuse)
        monkeypatch.setattr(approvals, "approvers", lambda: ("ada", "7"))
        monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **detail: self.put.append(detail))
        self.operator = approval_tasks.ask()

    def get(self, approval_id: str) -> approvals.Approval:
        assert approval_id == FOUND.approval_id
        return self.found

    def answer(self, approval_id: str, said: str, by: Any, note: str) -> approvals.Approval:
        if "mallory" in by:
            raise approvals.Refused("it is hers", cure="ask somebody else")
        self.answers.append((approval_id, said, by))
        return replace(self.found, state=said)

    def refuse(self, approval_id: str, by: str, reason: str) -> None:
        refusal = {"by": by, "at": "2026-11-16T10:00:00+00:00", "reason": reason}
        self.found = replace(self.found, refusals=(*self.found.refusals, refusal))

    def context(self, **changes: Any) -> Any:
        class Instance:
            id = "ti"

            def xcom_pull(self, *_: Any, **__: Any) -> None:
                raise AssertionError("an XCom, which many may edit, was read")

        run = SimpleNamespace(conf={"approval_id": "another"}, run_id=f"approval_{FOUND.approval_id}")
        return {"task_instance": Instance(), "ti": Instance(), "dag_run": run} | changes

    def respond(self, option: str, user: dict[str, str] | None) -> Any:
        event = {"chosen_options": [option], "params_input": {}, "responded_at": FOUND.asked_at}
        return self.operator.execute_complete(self.context(), event | {"responded_by_user": user})


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def test_approval_run_id_matches_the_allowed_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "find", lambda: [FOUND])
    (run,) = approval_tasks.list_open.function()
    allowed = conf.get_mandatory_value("scheduler", "allowed_run_id_pattern")
    assert re.fullmatch(allowed, run["trigger_run_id"])
    assert approval_tasks._approval_id(SimpleNamespace(run_id=run["trigger_run_id"])) == FOUND.approval_id


def test_question_has_a_summary_and_list_without_personal_data(room: Room) -> None:
    with pytest.raises(TaskAwaitingInput):
        room.operator.execute(room.context())
    (told,) = room.put
    assert told["subject"] == "2 actions on 1 accounts are above the cap of 4 actions per run"
    assert "| renewal | slack | 1200 |" in told["body"] and "mallory" in told["body"]
    assert "Run **manual\\_\\_1** planned" in told["body"]  # between backticks the backslashes would be shown
    assert told["body"].count("crm:1") == 1000 and "and 200 more" in told["body"]
    # Airflow stores it permanently, so recipients are shown only by a command.
    assert "script" not in told["body"] and "ada@vendor.example" not in told["body"]
    assert [user["id"] for user in told["assigned_users"]] == ["ada", "7"]
    assert "xcom" not in f"{room.operator.subject} {room.operator.body}"


def test_only_named_approvers_are_asked_if_authors_are_unknown(room: Room) -> None:
    room.found = replace(FOUND, is_author_known=False)
    with pytest.raises(TaskAwaitingInput):
        room.operator.execute(room.context())
    assert [user["id"] for user in room.put[0]["assigned_users"]] == ["ada", "7"]
    assert "May approve: ada, 7" in room.put[0]["body"]


def test_fab_users_are_assigned_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW__CORE__AUTH_MANAGER", "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
    )
    assert [user["id"] for user in approval_tasks._assigned(("ada", "7"))] == ["7"]


@pytest.mark.parametrize(("chosen", "said"), [("Approve", "approved"), ("Reject", "rejected")])
def test_answer_is_recorded_with_its_author(room: Room, chosen: str, said: str) -> None:
    assert room.respond(chosen, {"id": "7", "name": "grace"}) == f"{FOUND.approval_id} is {said}"
    assert room.answers == [(FOUND.approval_id, said, ("grace", "7"))]


def test_user_id_as_a_username_does_not_make_an_approver(room: Room) -> None:
    room.respond("Approve", {"id": "12", "name": "7"})
    assert room.answers == [(FOUND.approval_id, "approved", ("12", "12"))]


def test_timeout_is_not_an_answer(room: Room) -> None:
    assert "nobody answered" in room.respond("Reject", None) and not room.answers


def test_invalid_answer_is_rejected_and_the_question_asked_again(room: Room) -> None:
    run = room.context()["dag_run"]
    assert approval_tasks.list_again.function(dag_run=run) == []  # `ask` failed for another reason
    with pytest.raises(approvals.Refused, match="was refused, and Airflow asks again"):
        room.respond("Approve", {"id": "1", "name": "mallory"})
    assert not room.answers
    (again,) = approval_tasks.list_again.function(dag_run=run)
    assert again == {"trigger_run_id": f"{run.run_id}_2"}
    assert approval_tasks._approval_id(SimpleNamespace(run_id=f"{run.run_id}_2")) == FOUND.approval_id
    with pytest.raises(TaskAwaitingInput):
        room.operator.execute(room.context())
    assert "The answer of **mallory**" in room.put[-1]["body"] and "it is hers" in room.put[-1]["body"]


def test_answered_question_is_not_asked_or_answered_again(room: Room) -> None:
    room.found = replace(FOUND, state="approved")
    assert "is already approved" in room.operator.execute(room.context()) and not room.put
    assert "is already approved" in room.respond("Reject", {"id": "7", "name": "grace"}) and not room.answers
    assert approval_tasks.list_again.function(dag_run=room.context()["dag_run"]) == []


@pytest.mark.parametrize("name", ["manual__1", "approval", "approval_", "", f"x_approval_{FOUND.approval_id}"])
def test_run_with_another_name_asks_nothing(name: str) -> None:
    run = SimpleNamespace(run_id=name, conf={"approval_id": FOUND.approval_id})
    assert approval_tasks._approval_id(run) == ""


def test_report_ignores_input_from_others(room: Room) -> None:
    room.found = replace(FOUND, state="rejected", answered_by="grace")
    assert approval_tasks.record.function(dag_run=room.context()["dag_run"]).endswith("is rejected by grace")
