"""An answer takes effect with the next build for the affected accounts, and can be withdrawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli.main import app
from include.common.errors import ConfigError
from include.identity import answers, review
from include.models import build
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

KEY = "select account_key from core.account_bridge where source = 'support' and source_id = :id"
UNMATCHED = "select n_unmatched_organizations from marts.identity_period where period = 'day'"
TICKETS = "select account_key from core.ticket order by ticket_key"


def at(patch: pytest.MonkeyPatch, moment: str) -> None:
    patch.setenv("PERENNIAL_NOW", f"2026-06-10T{moment}:00+00:00")


def test_answer_changes_only_the_next_build(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    world.load("organization", world.record("o9", name="account two"))
    world.load("ticket", world.ticket("t9", "o9"))
    build.run("unmatched")
    assert value(KEY, id="o9") is None
    waiting = review.open_ids()
    assert [(one.source_id, one.n_records, one.reason) for one in waiting] == [
        ("o9", 1, "no id and no domain of its own")
    ]
    at(built, "14:00")
    answers.match("support", "o9", "crm:2", reason="the contact said so", by="ana")
    assert value(KEY, id="o9") is None
    planned = build.plan("answered")
    assert planned and planned.reason == "1 dirty ranges"
    build.run("answered")
    assert value(KEY, id="o9") == "crm:2"
    assert rows(TICKETS) == [("crm:1",), ("crm:2",), ("crm:2",)]
    scope = dict(rows("select model, scope from meta.build_model where build_id = 'answered'"))
    assert scope["core.ticket"].startswith("1 accounts,")
    at(built, "15:00")
    answers.match("support", "o9", "crm:3", reason="corrected", by="ana")
    build.run("corrected")
    assert rows(TICKETS) == [("crm:1",), ("crm:2",), ("crm:3",)]
    assert review.open_ids() == []
    at(built, "16:00")
    assert answers.withdraw("support", "o9") == 1
    build.run("withdrawn")
    assert value(KEY, id="o9") is None
    world.assert_equals_scratch(built)


def test_answer_in_a_file_wins_and_is_removed_with_the_file(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config" / "identity.yaml"
    at(built, "13:00")
    answers.unmatch("support", "o1", reason="a reseller's", by="ana")
    file.write_text('answers: [{source: support, id: o1, match: "crm:3", reason: moved, by: bo}]\n')
    build.run("file")
    assert value(KEY, id="o1") == "crm:3"
    with pytest.raises(ConfigError, match=r"answered in config/identity\.yaml"):
        answers.match("support", "o1", "crm:1", reason="x", by="ana")
    at(built, "14:00")
    file.write_text("answers: []\n")
    build.run("none")
    assert value(KEY, id="o1") == "crm:1"
    assert not build.plan("nothing new")
    world.assert_equals_scratch(built)


def test_rejected_accounts_are_not_suggested_again(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    world.load("organization", world.record("o9", name="Account 2 Ltd"))
    build.run("unmatched")
    assert next(one.account_key for one in review.open_ids()[0].suggestions) == "crm:2"
    answers.unmatch("support", "o9", "crm:2", reason="another firm", by="ana")
    assert "crm:2" not in [one.account_key for one in review.open_ids()[0].suggestions]
    assert value(UNMATCHED) == 1
    answers.unmatch("support", "o9", reason="a trial", by="ana")
    at(built, "14:00")
    build.run("nobody's")
    assert review.open_ids() == []
    # It still belongs to no account, but no longer waits for review.
    assert value(UNMATCHED) == 0
    world.assert_equals_scratch(built)


def test_answer_about_an_unknown_id_is_rejected(built: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no organisation or product account o77"):
        answers.match("support", "o77", "crm:1", reason="x", by="ana")
    with pytest.raises(ConfigError, match="unknown account crm:77"):
        answers.match("support", "o1", "crm:77", reason="x", by="ana")
    with pytest.raises(ConfigError, match="requires a reason"):
        answers.match("support", "o1", "crm:1", reason=" ", by="ana")


def test_status_reports_cycles_and_counts(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    world.load("account", world.account("1", parent_id="2", merged_ids="3"), world.account("2", parent_id="1"))
    at(built, "13:10")
    world.load("account", world.account("3", merged_ids="1"))
    build.run("circles")
    found = review.contradictions()
    assert found == [
        "crm: accounts 1, 3 form a cycle of merges; none of them is treated as merged",
        "crm:1, crm:2 form a cycle of parents; each is treated as an account without a parent",
    ]
    counted = {row["entity"]: row for row in review.counts()}
    assert (counted["organization"]["n_ids"], counted["organization"]["n_unmatched"]) == (2, 0)


def test_identity_commands(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    runner = CliRunner()
    for arguments in (
        ["match", "support", "o1", "crm:2", "--reason", "seen"],
        ["unmatch", "support", "o1", "--account", "crm:2", "--reason", "no"],
        ["withdraw", "support", "o1"],
        ["review"],
        ["status"],
    ):
        done = runner.invoke(app, ["identity", *arguments])
        assert done.exit_code == 0, done.output
    assert "every id is matched or has an answer" in runner.invoke(app, ["identity", "review"]).output


def test_merge_is_undone_when_the_survivor_drops_it_and_the_account_is_live(
    built: pytest.MonkeyPatch,
) -> None:
    at(built, "13:00")
    world.load("account", world.account("2", merged_ids="1"))
    at(built, "13:10")
    world.load("account", world.account("3", merged_ids="2"))
    build.run("chain")
    assert rows("select account_key from core.account order by 1") == [("crm:3",)]
    at(built, "14:00")
    world.load("account", world.account("3"))
    build.run("let go, but not there")
    assert rows("select account_key from core.account order by 1") == [("crm:3",)]
    at(built, "15:00")
    world.load("account", world.account("2", merged_ids="1"))
    build.run("back")
    assert rows("select account_key from core.account order by 1") == [("crm:2",), ("crm:3",)]
    assert value("select account_key from core.account_bridge where source = 'crm' and source_id = '1'") == "crm:2"
    world.assert_equals_scratch(built)
