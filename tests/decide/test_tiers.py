"""A lead approves a list of tier changes once a quarter. Approved changes are planned as CRM writes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import ConfigError
from include.outbox import approvals
from include.outbox.store import Delivery
from include.warehouse.engine import engine
from tests.fixtures.decisions import OVERLAY, at
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

BEFORE, QUARTER = date(2026, 9, 30), date(2026, 12, 31)
# Days after the fixture's day. A quarter and a month ended five days before.
JANUARY = 50


def _settle(overlay: Path, *, dry_run: bool = False, more: str = "") -> None:
    fields = f"{{dry_run: {str(dry_run).lower()}, fields: {{crm: {{customer_tier: tier}}}}}}"
    (overlay / "config" / "channels.yaml").write_text(f"{OVERLAY['channels.yaml']}crm_field: {fields}\n")
    (overlay / "config" / "tiers.yaml").write_text(f"crm_names: {{key_account: Key Account}}\n{more}")


def _score(*rows: tuple[int, date, float]) -> None:
    with engine("builder").begin() as connection:
        connection.exec_driver_sql(
            "create table if not exists marts.account_value (account_key text, as_of date, score numeric,"
            " is_covered boolean, is_preliminary boolean, kept_arr numeric, signed_on date)"
        )
        connection.exec_driver_sql("delete from marts.account_value")
        connection.execute(
            sa.text("insert into marts.account_value values (:account, :as_of, :score, true, false, 1, null)"),
            [{"account": f"crm:{number}", "as_of": end, "score": score} for number, end, score in rows],
        )


@pytest.fixture
def tier_candidates(signal_book: SignalBook, overlay: Path) -> SignalBook:  # noqa: F811
    """Three customers before any decision: one should move up, one has no tier, one is on hold."""
    _settle(overlay)
    signal_book.set_clock(at(JANUARY))
    _score(*((number, end, 82) for number in (1, 3) for end in (BEFORE, QUARTER)), (2, QUARTER, 45))
    signal_book.book.quarantine("3")
    signal_book.set_subjects("account", account(1), account(2, tier=None), account(3))
    return signal_book


def _rows(signal_book: SignalBook, **wanted: Any) -> list[Delivery]:  # noqa: F811
    return sorted(signal_book.book.outbox(rule="tier", **wanted), key=lambda row: row.account_key)


def test_tier_list_is_asked_once_and_written_after_approval(tier_candidates: SignalBook, overlay: Path) -> None:
    tier_candidates.book.decide(decision_id="january")
    asked = {found.approval_id: found for found in approvals.find()}
    assert {found.about for found in asked.values()} == {"tiers"}
    change, first = _rows(tier_candidates)
    assert {(row.account_key, row.step, row.state) for row in (change, first)} == {
        ("crm:1", "change", "parked"),
        ("crm:2", "first", "parked"),
    }
    assert change.body == {"record": "1", "fields": {"customer_tier": "Key Account"}}
    assert "standard -> key_account (82 and 82 at two quarter ends" in change.subject
    assert "days between contacts 30 -> 15" in change.subject
    assert first.body == {"record": "2", "fields": {"customer_tier": "standard"}}
    # The approval is open for ten working days, not two, and is asked once.
    lapses = {(found.expires_at - found.asked_at).days for found in asked.values()}
    assert min(lapses) >= 13
    tier_candidates.book.decide(decision_id="again")
    assert len(approvals.find()) == len(asked) == 2
    (of_change,) = [name for name in asked if approvals.listed(name)[0]["step"] == "change"]
    subject = "1 customer should change tier: changes by customer value on 2026-12-31"
    assert asked[of_change].subject == subject
    approvals.answer(of_change, "approved", ("ada",), now=tier_candidates.book.now)
    (of_first,) = set(asked) - {of_change}
    approvals.answer(of_first, "rejected", ("ada",), "not yet", now=tier_candidates.book.now)
    assert [(row.account_key, row.state) for row in _rows(tier_candidates)] == [
        ("crm:1", "planned"),
        ("crm:2", "suppressed"),
    ]
    # A rejected change is not asked again within a month.
    tier_candidates.book.decide(decision_id="later")
    assert approvals.find() == []


def test_one_account_can_be_excluded_from_a_list(tier_candidates: SignalBook) -> None:
    tier_candidates.set_subjects("account", account(1), account(4))
    _score(*((number, end, 82) for number in (1, 4) for end in (BEFORE, QUARTER)))
    tier_candidates.book.decide(decision_id="january")
    (asked,) = approvals.find()
    assert main(["approvals", "leave-out", asked.approval_id, "crm:4", "--note", "moves soon"]) == 0
    approvals.answer(asked.approval_id, "approved", ("ada",), now=tier_candidates.book.now)
    assert [(row.account_key, row.state) for row in _rows(tier_candidates)] == [
        ("crm:1", "planned"),
        ("crm:4", "suppressed"),
    ]
    assert _rows(tier_candidates)[1].reason.endswith("moves soon")
    with pytest.raises(ConfigError, match="has no waiting actions"):
        approvals.leave_out(asked.approval_id, "crm:4", "ada")


def test_no_approval_is_asked_in_dry_run_or_without_a_property(tier_candidates: SignalBook, overlay: Path) -> None:
    (overlay / "config" / "channels.yaml").write_text(OVERLAY["channels.yaml"])
    tier_candidates.book.decide(decision_id="off")
    assert _rows(tier_candidates) == []
    _settle(overlay, dry_run=True)
    tier_candidates.book.decide(decision_id="dry")
    assert {(row.state, row.reason) for row in _rows(tier_candidates)} == {("suppressed", "dry run")}
    assert approvals.find() == []


def test_tier_places_and_playbooks_are_respected(
    tier_candidates: SignalBook, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = f"{OVERLAY['people.yaml']}places: {{ada@vendor.example: 0}}\n"
    (overlay / "config" / "people.yaml").write_text(people)
    tier_candidates.book.decide(decision_id="full")
    assert [(row.account_key, row.step) for row in _rows(tier_candidates)] == [("crm:2", "first")]
    assert main(["score", "tiers"]) == 0
    assert "waiting" in capsys.readouterr().out


def test_quarter_long_past_is_not_judged(tier_candidates: SignalBook) -> None:
    tier_candidates.set_clock(at(JANUARY + 45))  # 19 February
    tier_candidates.book.decide(decision_id="late")
    assert [row.step for row in _rows(tier_candidates)] == ["first"]
