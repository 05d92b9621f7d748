"""Message, task and CRM field state the same risk for an account, and unknown values as unknown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from include.common import paths
from include.decide.risk import Band, OpenRisk, Risk
from include.outbox.store import Delivery
from include.sandbox.hubspot.schema import COMPANIES
from tests.fixtures.decisions import OVERLAY, at
from tests.fixtures.renewal_rows import NOW, renewal
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

FIELDS = "{crm: {p_risk: risk_band, p_risks: open_risks}}"
FALLEN = {"usage_28d": Decimal(200), "usage_ratio": 0.2, "user_days_28d": 30, "user_days_ratio_14d_ago": 0.5}
# Facts about an account on the second day -> its band, and the text of its messages.
ACCOUNTS: dict[int, tuple[dict[str, Any], str, str]] = {
    1: ({}, "none", "No risks found."),
    2: ({"n_bad_ratings_30d": 2}, "some", "At risk: Bad support rating."),
    3: (FALLEN, "high", "High risk: Usage is down."),
    4: (
        dict.fromkeys((*FALLEN, "usage_baseline", "user_days_usual")),
        "unknown",
        "Risk unknown. No data on usage.",
    ),
    5: (
        {"n_open_tickets": None, "n_open_urgent_tickets": None},
        "unknown",
        "Risk unknown. No data on tickets.",
    ),
    6: (
        {"n_bad_ratings_30d": 2, "usage_28d": None, "usage_ratio": None},
        "some",
        "At risk: Bad support rating. No data on usage.",
    ),
    # Low usage and a new urgent ticket are not a risk yet: no signal is open.
    7: ({"usage_28d": Decimal(700), "usage_ratio": 0.7, "n_open_urgent_tickets": 2}, "none", "No risks found."),
}
_SHARED = ("usage_28d", "usage_baseline", "usage_ratio", "n_open_tickets", "n_open_urgent_tickets")


def decided(signal_book: SignalBook, overlay: Path) -> dict[str, list[Delivery]]:  # noqa: F811
    """Decide on the accounts, each with a renewal due at a checkpoint. Return the planned deliveries by account."""
    text = f"{OVERLAY['channels.yaml']}crm_field: {{dry_run: false, fields: {FIELDS}}}\n"
    (overlay / "config" / "channels.yaml").write_text(text)
    shipped = paths.ROOT / "include" / "defaults" / "playbooks" / "renewal_at_risk.yaml"
    (overlay / "playbooks" / "renewal_at_risk.yaml").write_text(shipped.read_text())
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", *(account(number, **known) for number, (known, _, _) in ACCOUNTS.items()))
    signal_book.book.renewals(
        *(
            renewal(
                number,
                days=60,
                account_key=f"crm:{number}",
                crm_account_id=str(number),
                **{name: known[name] for name in _SHARED if name in known},
            )
            for number, (known, _, _) in ACCOUNTS.items()
        )
    )
    signal_book.book.decide(decision_id="day 1")
    found: dict[str, list[Delivery]] = {}
    for row in signal_book.book.outbox(state="planned"):
        found.setdefault(row.account_key, []).append(row)
    return found


def test_message_task_and_crm_field_agree_for_every_account(signal_book: SignalBook, overlay: Path) -> None:  # noqa: F811
    planned = decided(signal_book, overlay)
    for number, (_, band, says) in ACCOUNTS.items():
        rows = planned[f"crm:{number}"]
        (field,) = (row for row in rows if row.channel == "crm_field")
        titles = (
            [one.strip() for one in says.partition(": ")[2].partition(".")[0].split(";")] if "isk: " in says else []
        )
        assert field.body["fields"] == {"p_risk": band, "p_risks": "; ".join(titles)}, number
        reminders = [row for row in rows if row.rule == "renewal"]
        assert {row.channel for row in reminders} == {"slack", "email", "crm_task"}
        for row in reminders:
            if row.channel == "crm_task":
                assert says in row.body["html"], number
                continue
            assert row.body["summary"].endswith(says), number
            marked = {line["level"] for line in row.body["evidence"]}
            assert ("risk" in marked) == bool(titles), number
            assert ("unknown" in marked) == ("No data" in says), number
        steps = [row for row in rows if row.rule == "renewal_at_risk"]
        assert bool(steps) == bool(titles), f"{number}: a playbook about the risk runs where there is one"
        first = [row.body["html"] for row in steps if row.step == "find_the_cause"]
        assert all(f"Open risks: {'; '.join(titles)}." in html for html in first)


def test_playbook_ends_when_the_risk_ends(signal_book: SignalBook, overlay: Path) -> None:  # noqa: F811
    decided(signal_book, overlay)
    assert {row["state"] for row in signal_book.book.episodes("renewal_at_risk")} == {"open"}
    signal_book.set_clock(at(2))
    signal_book.set_subjects("account", *(account(number) for number in ACCOUNTS))
    signal_book.book.renewals(*(renewal(number, days=60, account_key=f"crm:{number}") for number in ACCOUNTS))
    signal_book.book.decide(decision_id="day 2")
    assert {row["state"] for row in signal_book.book.episodes("usage_down")} == {"closed"}
    ended = {row["entity_id"]: row["close_reason"] for row in signal_book.book.episodes("renewal_at_risk")}
    assert ended["C-3#2"] == "the account has no open risk any more"


def test_no_value_is_called_good_while_a_source_is_held(signal_book: SignalBook, overlay: Path) -> None:  # noqa: F811
    signal_book.book.verdict("support", "support", "red", NOW, "held")
    text = f"{OVERLAY['channels.yaml']}crm_field: {{dry_run: false, fields: {FIELDS}}}\n"
    (overlay / "config" / "channels.yaml").write_text(text)
    signal_book.set_subjects("account", account(1))
    signal_book.book.renewals(renewal(1, days=60, account_key="crm:1", crm_account_id="1"))
    signal_book.book.decide(decision_id="held")
    (mail,) = signal_book.book.outbox(channel="email", rule="renewal")
    assert mail.body["summary"].endswith("Risk unknown. No data on tickets.")
    assert signal_book.book.outbox(channel="crm_field") == [], "the record keeps what it held"


@pytest.mark.parametrize(
    ("risk", "band"),
    [
        (Risk(), "none"),
        (Risk(unknown=("usage",)), "unknown"),
        (Risk((OpenRisk("a", "A", "normal", date(2026, 1, 1)),), ("usage",)), "some"),
        (Risk((OpenRisk("a", "A", "normal", date(2026, 1, 1)), OpenRisk("b", "B", "high", date(2026, 1, 1)))), "high"),
    ],
)
def test_risk_band(risk: Risk, band: str) -> None:
    assert risk.band == band


def test_sandbox_drop_down_accepts_every_band() -> None:
    """It rejects other values, as HubSpot does, and the demo would fail."""
    assert set(COMPANIES.properties["perennial_risk"].options) == set(get_args(Band))
