"""What a person reads in Airflow about actions above the caps, and what becomes of the answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.configuration import conf

from include.delivery import approvals
from include.errors import ConfigError
from include.orchestration import approval_tasks

FOUND = approvals.Approval(
    approval_id="20261116-090000-abc",
    run_id="manual__1",
    state="open",
    reason="the cap of 4 actions per run",
    authors=("mallory",),
    asked_at=datetime(2026, 11, 16, 9, tzinfo=UTC),
    lapses_at=datetime(2026, 11, 18, 9, tzinfo=UTC),
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


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    given: list[tuple[Any, ...]] = []

    def answer(approval_id: str, said: str, by: Any, note: str) -> approvals.Approval:
        if "mallory" in by:
            raise ConfigError("changed it", cure="ask somebody else")
        given.append((approval_id, said, by))
        return FOUND

    monkeypatch.setattr(approvals, "get", lambda approval_id: FOUND)
    monkeypatch.setattr(approvals, "listed", lambda approval_id: [ROW] * 1200)
    monkeypatch.setattr(approvals, "answer", answer)
    return given


def test_airflow_takes_the_name_of_the_run_that_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "find", lambda: [FOUND])
    (run,) = approval_tasks.list_open.function()
    allowed = conf.get_mandatory_value("scheduler", "allowed_run_id_pattern")
    assert re.fullmatch(allowed, run["trigger_run_id"]) and run["conf"] == {"approval_id": FOUND.approval_id}


def test_the_question_has_a_summary_and_the_list_and_no_markup_of_a_customers(answers: list[Any]) -> None:
    told = approval_tasks.describe.function(params={"approval_id": FOUND.approval_id})
    assert told["subject"] == "2 actions on 1 accounts are above the cap of 4 actions per run"
    assert "| renewal | slack | 1200 |" in told["body"] and "mallory" in told["body"]
    assert "Run **manual\\_\\_1** planned" in told["body"]  # between back quotes the strokes would be shown
    assert told["body"].count("ada@vendor.example") == 1000 and "and 200 more" in told["body"]
    assert "<script>" not in told["body"] and "[free](" not in told["body"] and " | [" not in told["body"]


@pytest.mark.parametrize(("chosen", "said"), [("Approve", "approved"), ("Reject", "rejected")])
def test_an_answer_is_recorded_with_who_gave_it(answers: list[Any], chosen: str, said: str) -> None:
    user = {"id": "7", "name": "grace"}
    approval_tasks.record.function({"chosen_options": [chosen], "responded_by_user": user}, {"approval_id": "x"})
    assert answers == [("x", said, ("grace", "7"))]


def test_no_answer_in_time_is_no_answer(answers: list[Any]) -> None:
    said = approval_tasks.record.function(
        {"chosen_options": ["Reject"], "responded_by_user": None}, {"approval_id": "x"}
    )
    assert "nobody answered" in said and not answers


def test_an_answer_of_the_author_fails_and_says_how_to_ask_again(answers: list[Any]) -> None:
    answered = {"chosen_options": ["Approve"], "responded_by_user": {"id": "1", "name": "mallory"}}
    with pytest.raises(ConfigError, match="clear the task `ask`"):
        approval_tasks.record.function(answered, {"approval_id": "x"})
