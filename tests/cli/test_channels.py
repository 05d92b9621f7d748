"""The commands ``decide``, ``deliver``, ``channel`` and ``playbook``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.cli.main import main
from include.deliver.channels.robots import ROBOTS
from tests.fixtures.decision_world import Book
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import renewal


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(list(arguments)) == status
    shown = capsys.readouterr()
    return shown.out if status == 0 else shown.err


def test_from_decision_to_inbox(book: Book, receivers: Receivers, capsys: pytest.CaptureFixture[str]) -> None:
    book.renewals(renewal(1, days=30))
    shown = run(capsys, "decide", "--dry-run")
    assert "3 actions planned" in shown and "dry run: nothing was written" in shown
    assert "Customer 1, USD 120,000" in shown
    assert "3 actions planned" in run(capsys, "decide")
    assert "0 actions planned" in run(capsys, "decide")
    shown = run(capsys, "deliver", "--dry-run")
    assert shown == "slack: 1 due; email: 1 due; crm_task: 1 due (dry run: nothing was sent)\n"
    assert run(capsys, "deliver") == "crm_task: 1 sent; slack: 1 sent; email: 1 waiting\n"
    listed = {row["channel"]: row for row in json.loads(run(capsys, "channel", "list", "--json"))}
    assert {name: row["sends"] for name, row in listed.items()} == {
        "slack": "yes",
        "email": "no: on hold",
        **dict.fromkeys(ROBOTS, "no: dry run"),
        "crm_field": "no: dry run",
        "crm_task": "yes",
    }
    assert "no reason" in run(capsys, "channel", "release", "email", status=2)
    run(capsys, "channel", "release", "email", "--reason", "a new store")
    assert run(capsys, "deliver") == "email: 1 sent\n"
    assert run(capsys, "deliver") == "nothing is due\n"
    (row,) = json.loads(run(capsys, "channel", "show", "email", "--state", "sent", "--json"))
    assert (row["recipient"], row["step"]) == ("ada@vendor.example", "30")
    run(capsys, "channel", "hold", "slack", "--reason", "moving")
    assert "no: on hold" in run(capsys, "channel", "list")


def test_channel_command_mistakes_are_one_line(book: Book, overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown channel 'fax'" in run(capsys, "channel", "release", "fax", "--reason", "x", status=2)
    assert "unknown channel 'fax'" in run(capsys, "channel", "show", "fax", status=2)
    (overlay / "playbooks" / "broken.yaml").write_text("name: broken\nversion: 1\n")
    for command in (["decide"], ["playbook", "list"]):
        shown = run(capsys, *command, status=2)
        assert "broken.yaml:1" in shown and shown.count("\n") <= 2


def test_playbooks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {row["name"]: row for row in json.loads(run(capsys, "playbook", "list", "--json"))}
    row = listed["renewal_at_risk"]
    assert (row["status"], row["steps"], row["file"]) == ("live", 3, "include/defaults/playbooks/renewal_at_risk.yaml")


def test_missing_build_is_reported(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book._execute("delete from meta.build")
    assert run(capsys, "decide") == "nothing was decided: no tables have been built yet\n"


def test_why_shows_the_reason_a_signal_did_not_open(book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.renewals(renewal(1, days=30))
    assert "no decision yet" in run(capsys, "decide", "explain", "crm:1001", status=2)
    run(capsys, "decide")
    shown = run(capsys, "decide", "explain", "crm:1001", "--signal", "renewal")
    assert shown.startswith("crm:1001, decided on 2026-11-16") and "not_due" in shown and "due on 2 Dec 2026" in shown
    found = json.loads(run(capsys, "decide", "explain", "crm:1001", "--day", "2026-11-16", "--json"))
    of_ladder = {line["rule"]: line["reasons"] for line in found["lines"] if line["type"] == "ladder"}
    assert of_ladder["renewal 30"] == "opened,planned" and of_ladder["renewal 14"] == "not_due"
    assert {line["rule"] for line in found["lines"]} >= {"usage_down", "renewal_at_risk"}
    assert "was not evaluated" in run(capsys, "decide", "explain", "crm:7", status=2)
    assert "must come after `explain`" in run(capsys, "decide", "--dry-run", "explain", "crm:1001", status=2)
