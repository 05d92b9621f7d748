"""The shipped playbook end to end: start, planned tasks and end."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from include.common.errors import ConfigError
from tests.decide.playbooks.test_load import BY_FIGURES
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import NOW, TODAY, renewal

AT_RISK = renewal(1, days=80, usage_ratio=0.5, usage_28d=500)


def tasks(book: Book, **wanted: object) -> list:
    return book.outbox(channel="crm_task", **wanted)


def test_three_tasks_with_owners_and_due_dates(book: Book) -> None:
    book.renewals(AT_RISK)
    assert book.decide().n_planned == 3
    found = {row.step: row for row in tasks(book)}
    assert {step: (row.recipient, row.body["due_at"], row.body["owner_id"]) for step, row in found.items()} == {
        # Wed 18, Mon 23 and Thu 26 November, 17:00 in Berlin
        "find_the_cause": ("ada@vendor.example", "2026-11-18T16:00:00.000Z", "77"),
        "meet_the_decision_maker": ("ada@vendor.example", "2026-11-23T16:00:00.000Z", "77"),
        "agree_the_plan": ("lead@vendor.example", "2026-11-26T16:00:00.000Z", ""),
    }
    first = found["find_the_cause"]
    assert first.subject == "Customer 1: find out why the renewal of 4 Feb 2027 is at risk"
    assert "Usage is at 50% of its baseline" in first.body["html"]
    assert (first.rule, first.version, first.body["company_id"]) == ("renewal_at_risk", "renewal_at_risk 1", "1001")
    assert first.not_after == at(15, hour=0)
    assert book.decide(decision_id="again").n_planned == 0


def test_hostile_name_is_plain_text_in_a_task(book: Book) -> None:
    hostile = "<script>alert(1)</script>"
    book.renewals(
        dataclasses.replace(
            AT_RISK,
            account_name=hostile,
            owner_name=hostile,
            owner_is_active=False,
            n_open_urgent_tickets=1,
            decision_maker_name=hostile,
        )
    )
    book.decide()
    assert len(tasks(book)) == 3
    for row in tasks(book):
        assert "<script>" not in row.body["html"]
        assert "&lt;script&gt;" in row.body["html"]


def test_due_dates_follow_regional_holidays(book: Book) -> None:
    book.renewals(dataclasses.replace(AT_RISK, region="elsewhere"))
    book.set_clock(at(7))  # Monday 23 November; Thursday 26 is Thanksgiving in the United States
    book.renewals(dataclasses.replace(AT_RISK, region="elsewhere"))
    book.decide()
    (row,) = tasks(book, step="meet_the_decision_maker")
    assert row.body["due_at"] == "2026-12-01T22:00:00.000Z"


def test_playbook_ends_only_when_the_risk_is_gone(book: Book) -> None:
    book.renewals(AT_RISK)
    book.decide()
    book.renewals(dataclasses.replace(AT_RISK, usage_ratio=0.75))
    assert book.decide(decision_id="better").n_closed == 0
    book.renewals(dataclasses.replace(AT_RISK, usage_ratio=0.9))
    assert book.decide(decision_id="good").n_closed == 1
    (episode,) = book.episodes("renewal_at_risk")
    assert episode["close_reason"].startswith("the risk is gone: usage_ratio >= 0.85")
    book.renewals(AT_RISK)
    assert book.decide(decision_id="worse again").n_planned == 3
    assert [row["episode_no"] for row in book.episodes("renewal_at_risk")] == [1, 2]


def test_playbook_ends_with_the_renewal(book: Book) -> None:
    book.renewals(AT_RISK)
    book.decide()
    book.renewals()
    assert book.decide(decision_id="won").n_closed == 1


def test_unfit_usage_neither_starts_nor_ends_a_playbook(book: Book) -> None:
    book.verdict("product_db", "product", "red", NOW, "x")
    book.renewals(AT_RISK)
    assert book.decide().n_planned == 0
    book.verdict("product_db", "product", "green", NOW)
    assert book.decide(decision_id="green").n_planned == 3
    book.verdict("product_db", "product", "red", NOW, "x")
    book.renewals(dataclasses.replace(AT_RISK, usage_ratio=0.99))
    assert book.decide(decision_id="red").n_closed == 0


def test_unfit_crm_starts_no_playbook(book: Book) -> None:
    book.verdict("crm", "crm", "red", NOW, "x")
    book.renewals(AT_RISK)
    result = book.decide()
    assert (result.n_planned, result.n_on_hold, result.n_opened) == (0, 1, 0)


def test_quarantined_account_starts_no_playbook(book: Book) -> None:
    book.quarantine("1001")
    book.renewals(AT_RISK)
    assert book.decide().n_planned == 0


def put(overlay: Path, *changes: tuple[str, str]) -> None:
    text = BY_FIGURES.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (overlay / "playbooks" / "renewal_at_risk.yaml").write_text(text)


def test_draft_playbook_starts_nothing_and_retired_one_ends_its_runs(book: Book, overlay: Path) -> None:
    book.renewals(AT_RISK)
    put(overlay, ("status: live", "status: draft"))
    assert book.decide().n_planned == 0
    put(overlay, ("status: live", "status: live"))
    book.decide(decision_id="live")
    put(overlay, ("status: live", "status: retired"))
    book.renewals(dataclasses.replace(AT_RISK, usage_ratio=0.9), dataclasses.replace(AT_RISK, renewal_id="C-9#1"))
    result = book.decide(decision_id="retired")
    assert (result.n_opened, result.n_closed) == (0, 1)


def test_audience_limits_a_playbook(book: Book, overlay: Path) -> None:
    put(overlay, ("status: live", "status: live\naudience: {tiers: [key account], regions: [Germany]}"))
    book.renewals(
        dataclasses.replace(AT_RISK, renewal_id="a#1"),
        dataclasses.replace(AT_RISK, renewal_id="b#1", tier="key account"),
        dataclasses.replace(AT_RISK, renewal_id="c#1", tier="key account", region="France"),
    )
    book.decide()
    assert {row.entity_id for row in tasks(book)} == {"b#1"}


def test_running_playbook_keeps_its_version(book: Book, overlay: Path) -> None:
    book.renewals(AT_RISK)
    book.decide()
    book._execute("update ops.outbox set state = 'sent' where step = 'find_the_cause'")
    extra = BY_FIGURES.read_text().partition("steps:\n")[2].partition("  - id: meet")[0].replace("find_the", "name_the")
    put(
        overlay,
        ("version: 1", "version: 2"),
        ("meet the person who decides", "meet who decides"),
        ("steps:\n", f"steps:\n{extra}"),
    )
    other = dataclasses.replace(AT_RISK, renewal_id="C-9#1")
    book.renewals(dataclasses.replace(AT_RISK, account_name="Renamed"), other)
    result = book.decide(decision_id="v2")
    assert (result.n_planned, result.n_refreshed) == (4, 2)
    mine = {row.step: (row.version, row.subject) for row in tasks(book, entity_id=AT_RISK.renewal_id)}
    assert {version for version, _ in mine.values()} == {"renewal_at_risk 1"}
    assert mine["meet_the_decision_maker"][1] == "Renamed: meet the person who decides"
    assert "name_the_cause" not in mine
    begun = {row.step: row.version for row in tasks(book, entity_id="C-9#1")}
    assert begun["name_the_cause"] == "renewal_at_risk 2"


def test_edit_without_a_version_bump_starts_nothing_and_is_reported(book: Book, overlay: Path) -> None:
    book.renewals(AT_RISK)
    book.decide()
    put(overlay, ("meet the person who decides", "meet who decides"))
    book.renewals(AT_RISK, dataclasses.replace(AT_RISK, renewal_id="C-9#1"))
    result = book.decide(decision_id="changed")
    assert (result.n_planned, result.n_refreshed) == (0, 0)
    assert "raise the version" in result.problems[0]


def test_running_playbook_ends_after_its_file_is_deleted(book: Book, overlay: Path) -> None:
    book.renewals(AT_RISK)
    book.decide()
    (overlay / "playbooks" / "renewal_at_risk.yaml").write_text("disabled: true\n")
    book.renewals(dataclasses.replace(AT_RISK, usage_ratio=0.9))
    assert book.decide(decision_id="gone").n_closed == 1


def test_open_tasks_are_closed_with_a_note_when_the_risk_ends(book: Book) -> None:
    book.renewals(AT_RISK)
    book.decide()
    book._execute("update ops.outbox set state = 'sent' where step <> 'agree_the_plan'")
    book.renewals(dataclasses.replace(AT_RISK, usage_ratio=0.9))
    book.decide(decision_id="good")
    closing = {row.step: row for row in tasks(book) if "closes" in row.body}
    assert closing.keys() == {"close:find_the_cause", "close:meet_the_decision_maker"}
    for step, row in closing.items():
        assert row.body["closes"] == next(task.key for task in tasks(book, step=step.removeprefix("close:")))
        assert row.body["note"] == (
            "Closed by Perennial on 16 Nov 2026: the risk is gone: usage_ratio >= 0.85\nand n_open_urgent_tickets = 0\n"
            "and decision_maker_known"
        ).replace("\n", " ")
        assert (row.state, row.reads) == ("planned", ("crm",))
    assert book.decide(decision_id="again").n_planned == 0


def test_broken_trigger_is_reported_after_the_other_decisions(book: Book, overlay: Path) -> None:
    put(overlay, ("usage_ratio < 0.7\n", "tier < 5\n"))
    book.renewals(dataclasses.replace(AT_RISK, decision_date=TODAY + timedelta(days=30)))
    (problem,) = book.decide().problems
    assert "renewal_at_risk" in problem
    assert {row.rule for row in book.outbox()} == {"renewal"}


def test_invalid_playbook_file_blocks_the_decision(book: Book, overlay: Path) -> None:
    put(overlay, ("usage_ratio < 0.7", "usage_rate < 0.7"))
    book.renewals(AT_RISK)
    with pytest.raises(ConfigError, match=r"renewal_at_risk\.yaml:\d+"):
        book.decide()
    assert book.outbox() == []
