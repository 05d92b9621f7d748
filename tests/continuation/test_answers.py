"""Links of deals to terms: uncertain ones are listed for review, answered, and can be withdrawn."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli.main import app
from include.common.errors import ConfigError
from include.continuation import answers, review
from include.deliver import notices as sender
from include.models import build
from include.orchestration import notices
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

OUTCOME = "select outcome from core.renewal where renewal_id = 'crm:old#1'"


def at(patch: pytest.MonkeyPatch, moment: str) -> None:
    patch.setenv("PERENNIAL_NOW", f"2026-06-10T{moment}:00+00:00")


def renewed_under_another_name(account: str = "1", other: str = "1") -> None:
    """A term ended in March, and a won deal for another product starts a month later."""
    old, new = date(2025, 3, 1), date(2026, 3, 1)
    world.load(
        "opportunity",
        world.deal("old", account, contract_number=None, close_date=old),
        world.deal("next", other, contract_number=None, close_date=new, opportunity_type="existing"),
    )
    world.load(
        "contract_line",
        world.line("old", "old", 1200, date(2025, 3, 20), date(2026, 3, 20), product="Basic"),
        world.line("next", "next", 1300, date(2026, 3, 20), date(2027, 3, 20), product="Premium"),
    )


def test_answer_links_a_deal_and_can_be_withdrawn(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    renewed_under_another_name()
    build.run("unsure")
    assert value(OUTCOME) == "lost"
    answers.link("crm:old#1", "crm:next", reason="renamed product", by="ana")
    assert value(OUTCOME) == "lost"
    at(built, "14:00")
    build.run("answered")
    assert value(OUTCOME) == "on_time"
    assert rows("select method, confidence from core.continuation where term_id = 'crm:old#1'") == [("answer", 1.0)]
    at(built, "15:00")
    assert answers.withdraw("crm:old#1") == 1
    build.run("withdrawn")
    assert value(OUTCOME) == "lost"
    assert [(row["known"], row["deal"], row["method"]) for row in review.links("crm:old#1")] == [
        ("restated", "crm:next", "answer")
    ]
    world.assert_equals_scratch(built)


def test_answer_in_a_file_wins_and_is_removed_with_the_file(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config" / "renewals.yaml"
    at(built, "13:00")
    renewed_under_another_name()
    file.write_text('answers: [{term: "crm:old#1", deal: "crm:next", reason: renamed, by: bo}]\n')
    build.run("file")
    assert value(OUTCOME) == "on_time"
    with pytest.raises(ConfigError, match=r"answered in config/renewals\.yaml"):
        answers.unlink("crm:old#1", reason="x", by="ana")
    at(built, "14:00")
    file.write_text("answers: []\n")
    build.run("none")
    assert value(OUTCOME) == "lost"
    world.assert_equals_scratch(built)


def test_file_can_answer_before_the_first_build(raw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", world.FIRST)
    world.use_short_history(monkeypatch, tmp_path)
    file = tmp_path / "config" / "renewals.yaml"
    file.write_text('answers: [{term: "crm:old#1", deal: "crm:next", reason: renamed, by: bo}]\n')
    world.load_all()
    renewed_under_another_name()
    build.run("first")
    assert value(OUTCOME) == "on_time"


def test_term_and_deal_requirements(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    renewed_under_another_name()
    world.load("opportunity", world.deal("other", "2", contract_number=None, close_date=date(2026, 3, 1)))
    build.run("there")
    with pytest.raises(ConfigError, match="unknown term crm:nowhere#1"):
        answers.link("crm:nowhere#1", "crm:next", reason="x", by="ana")
    with pytest.raises(ConfigError, match="unknown won deal crm:nowhere"):
        answers.link("crm:old#1", "crm:nowhere", reason="x", by="ana")
    with pytest.raises(ConfigError, match="an answer requires a reason"):
        answers.link("crm:old#1", "crm:next", reason=" ", by="ana")
    for term, deal, reason in (
        ("crm:old#1", "crm:old", "it is the deal that created the term"),
        ("crm:next#1", "crm:old", "its lines start on 2025-03-20, not after the start of the term on 2026-03-20"),
        ("crm:old#1", "crm:other", "an account outside the family"),
    ):
        with pytest.raises(ConfigError, match=reason):
            answers.link(term, deal, reason="x", by="ana")


def test_parent_renewal_rebuilds_the_child(built: pytest.MonkeyPatch) -> None:
    """The deal belongs to the parent. The term it continues belongs to the child, which has no new records."""
    at(built, "13:00")
    world.load("account", world.account("child", parent_id="3"))
    world.load("opportunity", world.deal("old", "child", contract_number="X-9", close_date=date(2025, 3, 1)))
    world.load("contract_line", world.line("old", "old", 1200, date(2025, 3, 20), date(2026, 3, 20)))
    build.run("child")
    assert value(OUTCOME) == "lost"
    at(built, "14:00")
    world.load(
        "opportunity",
        world.deal("next", "3", contract_number="x9", close_date=date(2026, 3, 1), opportunity_type="renewal"),
    )
    world.load("contract_line", world.line("next", "next", 1500, date(2026, 3, 20), date(2027, 3, 20)))
    build.run("parent")
    assert value(OUTCOME) == "on_time"
    assert rows(
        "select account_key, movement, transfer_arr from marts.arr_movement where day = '2026-03-20'"
        " and transfer_arr <> 0 order by account_key"
    ) == [("crm:3", "expansion", 1200), ("crm:child", "transfer", -1200)]
    world.assert_equals_scratch(built)


def test_owner_is_notified_once_of_incorrect_values(built: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    built.setattr(sender, "notify", lambda to, write: sent.append((write().subject, write().next_steps[0])))
    at(built, "13:00")
    world.load("opportunity", world.deal("nobody", "missing", contract_number=None, amount=4711))
    build.run("first")
    notices.notify_contracts()
    notices.notify_contracts()
    command = "To list them: python -m include.cli renewals review --kind no_account"
    assert [(subject.partition(",")[0], step) for subject, step in sent] == [
        ("crm: 1 new finding (no_account)", command)
    ]
    at(built, "14:00")
    world.load("opportunity", world.deal("another", "missing", contract_number=None, amount=815))
    build.run("second")
    notices.notify_contracts()
    assert len(sent) == 1, "of each kind at most once a day"
    built.setenv("PERENNIAL_NOW", "2026-06-11T06:00:00+00:00")
    notices.notify_contracts()
    assert [subject.partition(",")[0] for subject, _ in sent[1:]] == ["crm: 1 new finding (no_account)"]


def test_findings_concern_all_arr_while_none_is_counted(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    world.load("opportunity", world.deal("nobody", "missing", contract_number=None, amount=4711))
    build.run("first")
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("delete from core.arr_step")
        found = review.summary(connection)
    assert [(row["kind"], row["share_of_arr"]) for row in found] == [("no_account", "100.0%")]
    assert [(one.kind, one.share) for one in review.unreported("crm")] == [("no_account", 1.0)]


def test_list_shows_the_deal_and_its_candidate_terms(built: pytest.MonkeyPatch) -> None:
    at(built, "13:00")
    world.load("account", world.account("alone"))
    world.load("opportunity", world.deal("old", "alone", contract_number=None, close_date=date(2024, 9, 1)))
    world.load("contract_line", world.line("old", "old", 1200, date(2024, 9, 20), date(2025, 9, 20)))
    world.load(
        "opportunity",
        world.deal("late", "alone", contract_number=None, close_date=date(2026, 3, 1), opportunity_type="renewal"),
        world.deal("nobody", "missing", contract_number=None, close_date=date(2026, 3, 1), amount=4711),
        world.deal("of lines", "missing too", contract_number=None, close_date=date(2026, 3, 1)),
    )
    world.load(
        "contract_line",
        world.line("late", "late", 9900, date(2026, 3, 20), date(2027, 3, 20)),
        world.line("only", "of lines", 815, date(2026, 3, 20), date(2200, 3, 20)),
    )
    build.run("late")
    found = {one.kind: one for one in review.findings()}
    assert found["continues_nothing"].deal == "crm:late" and "crm:old#1" in found["continues_nothing"].suggestions
    nobodys = [(one.deal, one.arr) for one in review.findings("no_account")]
    assert nobodys == [("crm:nobody", 4711), ("crm:of lines", 815)]
    shown = CliRunner().invoke(app, ["renewals", "review", "--kind", "continues_nothing"])
    assert shown.exit_code == 0 and "crm:late" in shown.output
