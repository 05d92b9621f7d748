"""Fields written to the CRM's account records: planned only on change, and never from an unfit source."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from include.decide.touches import store as touches
from include.outbox.store import Delivery
from tests.fixtures.decisions import OVERLAY, at
from tests.fixtures.renewal_rows import NOW
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

FIELDS = "{crm: {p_risk: risk_band, p_risks: open_risks, p_next: next_decision_on, p_told: last_alert_on, p_arr: arr}}"
HEALTHY = {"p_risk": "none", "p_risks": "", "p_next": "2027-03-01", "p_told": None, "p_arr": 12000.0}


def turn_on(overlay: Path, dry_run: bool = False) -> None:
    is_dry = str(dry_run).lower()
    text = f"{OVERLAY['channels.yaml']}crm_field: {{dry_run: {is_dry}, fields: {FIELDS}}}\n"
    (overlay / "config" / "channels.yaml").write_text(text)


def planned(signal_book: SignalBook, *rows: dict[str, Any], day: int = 0, name: str = "") -> list[Delivery]:  # noqa: F811
    """Decide on some customers. Return the planned writes."""
    signal_book.set_clock(at(day))
    signal_book.set_subjects("account", *rows)
    signal_book.book.decide(decision_id=name or f"day {day}")
    return signal_book.book.outbox(channel="crm_field", state="planned")


def settle(signal_book: SignalBook, state: str = "sent") -> None:  # noqa: F811
    signal_book.book._execute(
        "update ops.outbox set state = :state, resolved_at = :now where state = 'planned'",
        state=state,
        now=signal_book.book.now,
    )


def test_only_changed_fields_are_planned(
    signal_book: SignalBook,  # noqa: F811
    overlay: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(touches, "last_of_accounts")  # no field is a touch
    one, other = account(1), account(2)
    assert planned(signal_book, one, other, name="off") == []
    turn_on(overlay, dry_run=True)
    assert planned(signal_book, one, other, name="dry") == []
    assert planned(signal_book, one, other, name="dry again") == []
    assert len(signal_book.book.outbox(channel="crm_field", state="suppressed")) == 2
    turn_on(overlay)
    first, _ = planned(signal_book, one, other, name="on")
    assert (first.body, first.episode_no) == ({"record": "1", "fields": HEALTHY}, 2)
    assert set(first.reads) == {"crm", "support", "product_db"}
    # Unsent writes are updated, and sent ones are not repeated.
    assert len(planned(signal_book, one, other, name="again")) == 2
    settle(signal_book)
    assert planned(signal_book, one, other, name="sent") == []
    (changed,) = planned(signal_book, one, account(2, n_bad_ratings_30d=2, next_decision_date=date(2027, 4, 1)), day=1)
    assert changed.body["fields"] == {
        **HEALTHY,
        "p_risk": "some",
        "p_risks": "Bad support rating",
        "p_next": "2027-04-01",
    }
    assert changed.episode_no == 3
    settle(signal_book, "uncertain")
    assert planned(signal_book, one, account(2), day=2) == []  # the record's current value is unknown
    signal_book.book._execute("update ops.outbox set state = 'sent' where state = 'uncertain'")
    # Yesterday's alert was sent meanwhile, and its risk has ended.
    (changed,) = planned(signal_book, one, account(2), day=2, name="known")
    assert changed.body["fields"] == {**HEALTHY, "p_told": "2026-11-17"}
    settle(signal_book, "expired")
    assert [row.episode_no for row in planned(signal_book, one, account(2), day=2, name="expired")] == [5]


def test_no_field_is_written_from_an_unfit_source(signal_book: SignalBook, overlay: Path) -> None:  # noqa: F811
    turn_on(overlay)
    bad = account(1, n_bad_ratings_30d=2)
    planned(signal_book, bad)
    settle(signal_book)
    signal_book.book.verdict("product_db", "product", "red", NOW, "x")
    # The risk field depends on product data too, the date fields do not.
    signal_book.set_subjects("account", account(1, next_decision_date=date(2027, 4, 1)))
    signal_book.book.decide(decision_id="red product")
    (row,) = signal_book.book.outbox(channel="crm_field", state="planned")
    assert row.body["fields"] == {"p_next": "2027-04-01", "p_told": "2026-11-16", "p_arr": 12000.0}
    assert row.reads == ("crm",)
    settle(signal_book)
    signal_book.book.verdict("crm", "crm", "red", NOW, "x")
    signal_book.set_subjects("account", account(1, next_decision_date=date(2027, 5, 1)))
    assert signal_book.book.decide(decision_id="red crm").n_on_hold >= 1
    assert signal_book.book.outbox(channel="crm_field", state="planned") == []
