"""What is kept in the CRM's account records: planned where it has changed, and never from a source in trouble."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from include.outbox.store import Delivery
from tests.fixtures.decisions import OVERLAY, at
from tests.fixtures.renewal_rows import NOW
from tests.fixtures.signals import Ward, ward  # noqa: F401
from tests.fixtures.subjects_store import account

FIELDS = "{crm: {p_risk: risk_band, p_risks: open_risks, p_next: next_decision_on, p_told: last_alert_on, p_arr: arr}}"
HEALTHY = {"p_risk": "none", "p_risks": "", "p_next": "2027-03-01", "p_told": None, "p_arr": 12000.0}


def turn_on(overlay: Path, dry_run: bool = False) -> None:
    is_dry = str(dry_run).lower()
    text = f"{OVERLAY['channels.yaml']}crm_field: {{dry_run: {is_dry}, fields: {FIELDS}}}\n"
    (overlay / "config" / "channels.yaml").write_text(text)


def planned(ward: Ward, *rows: dict[str, Any], day: int = 0, name: str = "") -> list[Delivery]:  # noqa: F811
    """Decide on some customers; return the writes that are planned then."""
    ward.set_clock(at(day))
    ward.give("account", *rows)
    ward.house.decide(decision_id=name or f"day {day}")
    return ward.house.outbox(channel="crm_field", state="planned")


def settle(ward: Ward, state: str = "sent") -> None:  # noqa: F811
    ward.house._execute(
        "update ops.outbox set state = :state, resolved_at = :now where state = 'planned'",
        state=state,
        now=ward.house.now,
    )


def test_only_what_has_changed_is_planned(ward: Ward, overlay: Path) -> None:  # noqa: F811
    one, other = account(1), account(2)
    assert planned(ward, one, other, name="off") == []
    turn_on(overlay, dry_run=True)
    assert planned(ward, one, other, name="dry") == []
    assert planned(ward, one, other, name="dry again") == []
    assert len(ward.house.outbox(channel="crm_field", state="suppressed")) == 2
    turn_on(overlay)
    first, _ = planned(ward, one, other, name="on")
    assert (first.body, first.episode_no) == ({"record": "1", "fields": HEALTHY}, 2)
    assert set(first.reads) == {"crm", "support", "product_db"}
    # What has not left is brought up to date, and what has left is not written again.
    assert len(planned(ward, one, other, name="again")) == 2
    settle(ward)
    assert planned(ward, one, other, name="sent") == []
    (changed,) = planned(ward, one, account(2, n_bad_ratings_30d=2, next_decision_date=date(2027, 4, 1)), day=1)
    assert changed.body["fields"] == {
        **HEALTHY,
        "p_risk": "some",
        "p_risks": "Bad support rating",
        "p_next": "2027-04-01",
    }
    assert changed.episode_no == 3
    settle(ward, "uncertain")
    assert planned(ward, one, account(2), day=2) == []  # what the record holds is not known
    ward.house._execute("update ops.outbox set state = 'sent' where state = 'uncertain'")
    # The alert of the day before has left meanwhile; what it was about is over.
    (changed,) = planned(ward, one, account(2), day=2, name="known")
    assert changed.body["fields"] == {**HEALTHY, "p_told": "2026-11-17"}
    settle(ward, "expired")
    assert [row.episode_no for row in planned(ward, one, account(2), day=2, name="expired")] == [5]


def test_nothing_is_written_from_a_source_in_trouble(ward: Ward, overlay: Path) -> None:  # noqa: F811
    turn_on(overlay)
    bad = account(1, n_bad_ratings_30d=2)
    planned(ward, bad)
    settle(ward)
    ward.house.verdict("product_db", "product", "red", NOW, "x")
    # Whether a risk is open rests on the product too; the dates do not.
    ward.give("account", account(1, next_decision_date=date(2027, 4, 1)))
    ward.house.decide(decision_id="red product")
    (row,) = ward.house.outbox(channel="crm_field", state="planned")
    assert row.body["fields"] == {"p_next": "2027-04-01", "p_told": "2026-11-16", "p_arr": 12000.0}
    assert row.reads == ("crm",)
    settle(ward)
    ward.house.verdict("crm", "crm", "red", NOW, "x")
    ward.give("account", account(1, next_decision_date=date(2027, 5, 1)))
    assert ward.house.decide(decision_id="red crm").n_on_hold >= 1
    assert ward.house.outbox(channel="crm_field", state="planned") == []
