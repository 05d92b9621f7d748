"""Playbooks started by signals: once per reported episode, step by step, to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.common import paths
from include.warehouse.engine import engine
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.signals import SignalBook
from tests.fixtures.subjects_store import account

SHIPPED = paths.ROOT / "include" / "defaults" / "playbooks"
DOWN: dict[str, Any] = {"user_days_28d": 60, "user_days_ratio_14d_ago": 0.5, "usage_ratio": 0.5, "usage_28d": 500}


def use(overlay: Path, name: str, *changes: tuple[str, str]) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (overlay / "playbooks" / f"{name}.yaml").write_text(text)


@pytest.fixture
def recovery(overlay: Path, signal_book: SignalBook) -> SignalBook:
    use(overlay, "adoption_recovery")
    signal_book.book.decide(decision_id="playbook scanned")
    return signal_book


def steps(book: Book) -> dict[str, str]:
    return {row.step: row.state for row in book.outbox(channel="crm_task", rule="adoption_recovery")}


def test_playbook_starts_with_its_signal_and_continues_by_step(recovery: SignalBook) -> None:
    book = recovery.book
    recovery.set_subjects("account", account(1, **DOWN))
    book.decide(decision_id="down")
    assert steps(book) == {"find_who_stopped": "planned"}
    (row,) = book.outbox(channel="crm_task", rule="adoption_recovery")
    assert (row.entity_kind, row.entity_id, row.owner_key) == ("account", "crm:1", "crm:77")
    assert row.body["company_id"] == "1"
    for day, expected in ((3, 1), (4, 2), (18, 2), (19, 3)):
        recovery.set_clock(at(day))
        book.decide()
        assert len(steps(book)) == expected, day
    (episode,) = book.episodes("adoption_recovery")
    assert (episode["arm"], episode["evidence"]["started_by"]) == ("acted", "usage_down 1")


def test_step_with_a_false_condition_is_skipped_for_good(recovery: SignalBook) -> None:
    book = recovery.book
    recovery.set_subjects("account", account(1, **DOWN, days_to_decision=300))
    book.decide(decision_id="down")
    recovery.set_clock(at(19))
    book.decide()
    assert steps(book)["tell_the_sponsor"] == "suppressed"
    (row,) = book.outbox(step="tell_the_sponsor")
    assert row.reason == "left out: days_to_decision <= 180 is false"
    recovery.set_subjects("account", account(1, **DOWN, days_to_decision=100))
    assert book.decide(decision_id="now true").n_planned == 0


def test_playbook_ends_with_its_episode_and_restarts_only_with_the_next(recovery: SignalBook) -> None:
    book = recovery.book
    recovery.set_subjects("account", account(1, **DOWN))
    book.decide(decision_id="down")
    book._execute("update ops.outbox set state = 'sent'")
    recovery.set_subjects("account", account(1))
    book.decide(decision_id="well")
    (episode,) = book.episodes("adoption_recovery")
    assert episode["close_reason"] == "its signal closed: usage_down or seats_unused"
    assert steps(book)["close:find_who_stopped"] == "planned"
    recovery.set_clock(at(28))
    recovery.set_subjects("account", account(1, **DOWN))
    book.decide()
    assert [row["episode_no"] for row in book.episodes("adoption_recovery")] == [1, 2]


def test_expired_playbook_is_not_restarted_by_the_same_episode(recovery: SignalBook) -> None:
    book = recovery.book
    recovery.set_subjects("account", account(1, **DOWN))
    book.decide(decision_id="down")
    recovery.set_clock(at(121))
    recovery.set_subjects("account", account(1, **DOWN))
    book.decide()
    (episode,) = book.episodes("adoption_recovery")
    assert episode["close_reason"] == "its time limit of 120 days is reached"
    recovery.set_clock(at(122))
    book.decide()
    assert len(book.episodes("adoption_recovery")) == 1


def test_findings_of_the_first_scan_start_no_playbook(signal_book: SignalBook, overlay: Path) -> None:
    signal_book.set_subjects("account", account(1, **DOWN))
    signal_book.book.decide(decision_id="down before there was a playbook")
    signal_book.set_clock(at(1))
    use(overlay, "adoption_recovery")
    signal_book.book.decide()
    assert signal_book.book.episodes("adoption_recovery") == []
    use(overlay, "adoption_recovery", ("trigger:", "first_scan: start\ntrigger:"))
    signal_book.book.decide(decision_id="asked for")
    assert len(signal_book.book.episodes("adoption_recovery")) == 1


def test_silent_episode_starts_no_playbook(book: Book, overlay: Path) -> None:
    use(overlay, "adoption_recovery", ("trigger:", "first_scan: start\ntrigger:"))
    book.renewals()
    signal_book = SignalBook(book)
    signal_book.set_clock(book.now)
    signal_book.set_subjects("account", account(1, **DOWN))
    book.decide()
    assert book.episodes("usage_down")[0]["notified_as"] == "silent"
    assert book.episodes("adoption_recovery") == []


def test_hold_out_accounts_are_recorded_and_not_contacted(recovery: SignalBook, overlay: Path) -> None:
    book = recovery.book
    use(overlay, "adoption_recovery", ("trigger:", "hold_out: 0.5\ntrigger:"))
    with engine("owner").begin() as connection:
        connection.exec_driver_sql(
            "create table core.account_family (account_key text, ultimate_parent_key text);"
            "grant select on core.account_family to perennial_builder"
        )
    recovery.set_subjects("account", *(account(number, **DOWN) for number in range(1, 21)))
    book.decide(decision_id="down")
    arms = {row["entity_id"]: row["arm"] for row in book.episodes("adoption_recovery")}
    held = {entity_id for entity_id, arm in arms.items() if arm == "held_out"}
    assert len(arms) == 20 and 3 <= len(held) <= 17
    assert {row.entity_id for row in book.outbox(rule="adoption_recovery")} == arms.keys() - held
    recovery.set_clock(at(4))
    book.decide()
    assert {row.entity_id for row in book.outbox(rule="adoption_recovery")} == arms.keys() - held
    recovery.set_subjects("account", *(account(number) for number in range(1, 21)))
    book.decide(decision_id="well")
    assert {row["state"] for row in book.episodes("adoption_recovery")} == {"closed"}
