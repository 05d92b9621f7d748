"""Episodes of signals, and the alerts that CSMs receive."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.outbox.message import Message
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.signals import SignalBook, note_entities
from tests.fixtures.subjects_store import account, contact

BAD = {"n_bad_ratings_30d": 2}
DOWN = {"user_days_28d": 60, "user_days_ratio_14d_ago": 0.5, "usage_ratio": 0.5}


def slack_rows(book: Book, **wanted: Any) -> list[tuple[str, str, str]]:
    """Return the Slack rows of the outbox: rule, subject, step."""
    return [(row.rule, row.entity_id, row.step) for row in book.outbox(channel="slack", **wanted)]


FELL = {"health": Decimal(64), "health_band": "yellow", "health_band_before": "green", "health_before": Decimal(74),
        "health_band_days": 1}  # fmt: skip


def states(book: Book, signal: str) -> list[tuple[str, str, str]]:
    return [(row["entity_id"], row["state"], row["notified_as"]) for row in book.episodes(signal)]


def test_opened_episode_is_reported_once_with_its_figures(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD), account(2))
    result = signal_book.book.decide()
    assert (result.n_opened, result.n_planned) == (1, 3)
    assert slack_rows(signal_book.book) == [("bad_rating", "crm:1", "opened")]
    (row,) = signal_book.book.outbox(channel="email")
    message = Message.model_validate(row.body)
    assert message.subject == "Customer 1 (USD 12,000): 2 bad support ratings in 30 days"
    assert "support desk, complete up to" in message.evidence[0].source
    assert message.links[0].url == "https://crm.example/companies/1"
    assert (row.recipient, row.owner_key, row.reads) == ("ada@vendor.example", "crm:77", ("crm", "support"))
    (episode,) = signal_book.book.episodes("bad_rating")
    assert episode["evidence"]["n_bad_ratings_30d"] == 2
    assert episode["evidence"]["thresholds"] == {"one": 1.0, "several": 2.0, "many": 3.0}
    before = signal_book.book.scalar("select jsonb_agg(o order by key) from ops.outbox o")
    again = signal_book.book.decide(decision_id="again")
    assert (again.n_opened, again.n_planned, again.n_refreshed) == (0, 0, 0)
    assert signal_book.book.scalar("select jsonb_agg(o order by key) from ops.outbox o") == before
    for day in range(1, 5):
        signal_book.set_clock(at(day))
        assert signal_book.book.decide().n_planned == 0


def test_disabled_signal_leaves_no_open_episode(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "signals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bad_rating.yaml").write_text("disabled: true\n")
    signal_book.set_clock(at(1))
    assert signal_book.book.decide().n_closed == 1
    (episode,) = signal_book.book.episodes("bad_rating")
    assert (episode["state"], episode["close_reason"]) == ("closed", "the signal was disabled")


def test_one_cause_gives_one_alert(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **FELL), account(2, **FELL, **BAD))
    assert signal_book.book.decide().n_opened == 2
    assert sorted(slack_rows(signal_book.book)) == [
        ("bad_rating", "crm:2", "opened"),
        ("health_fell", "crm:1", "opened"),
    ]
    # Once the other risk ends, the remaining one is reported.
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", account(1, **FELL), account(2, **FELL))
    signal_book.book.decide()
    signal_book.set_clock(at(2))
    signal_book.book.decide()
    assert ("crm:2", "open", "alert") in states(signal_book.book, "health_fell")


def test_first_scan_of_a_rule_is_silent(book: Book) -> None:
    book.renewals()
    signal_book = SignalBook(book)
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.set_clock(book.now)
    result = book.decide()
    assert (result.n_opened, result.n_planned) == (1, 0)
    assert states(book, "bad_rating") == [("crm:1", "open", "silent")]
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", account(1, **BAD), account(2, **BAD))
    assert book.decide().n_planned == 3
    assert slack_rows(book) == [("bad_rating", "crm:2", "opened")]


def test_rule_can_opt_into_alerts_at_its_first_scan(book: Book, overlay: Path) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/bad_rating.yaml").read_text()
    (overlay / "config" / "signals").mkdir()
    (overlay / "config" / "signals" / "bad_rating.yaml").write_text(shipped + "first_scan: notify\n")
    book.renewals()
    signal_book = SignalBook(book)
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.set_clock(book.now)
    assert book.decide().n_planned == 3


def test_episode_closes_with_its_cause_and_cools_down_before_reopening(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", account(1))
    assert signal_book.book.decide().n_closed == 1
    (episode,) = signal_book.book.episodes("bad_rating")
    assert (episode["state"], episode["close_reason"]) == (
        "closed",
        "its closing condition is true: n_bad_ratings_30d = 0",
    )
    for day, opened in ((2, 0), (14, 0), (15, 1)):
        signal_book.set_clock(at(day))
        signal_book.set_subjects("account", account(1, **BAD))
        assert signal_book.book.decide().n_opened == opened, day
    assert slack_rows(signal_book.book) == [("bad_rating", "crm:1", "opened")] * 2
    assert [row["episode_no"] for row in signal_book.book.episodes("bad_rating")] == [1, 2]


def test_worsening_is_reported_exactly_once(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    for day in (1, 2):
        signal_book.set_clock(at(day))
        signal_book.set_subjects("account", account(1, n_bad_ratings_30d=3))
        signal_book.book.decide()
    assert slack_rows(signal_book.book) == [("bad_rating", "crm:1", "opened"), ("bad_rating", "crm:1", "worse")]
    assert signal_book.book.episodes("bad_rating")[0]["severity"] == "high"


def test_top_alerts_are_sent_at_once_and_the_rest_in_one_digest(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", *(account(number, arr=Decimal(1000 * number), **BAD) for number in range(1, 9)))
    signal_book.book.decide()
    alerts = slack_rows(signal_book.book, rule="bad_rating")
    assert {subject for _, subject, _ in alerts} == {f"crm:{number}" for number in range(4, 9)}
    (row,) = signal_book.book.outbox(channel="email", rule="signal_digest")
    message = Message.model_validate(row.body)
    assert [line.text.partition(":")[0] for line in message.evidence] == ["Customer 3", "Customer 2", "Customer 1"]
    assert message.summary.startswith("They affect USD 6,000 a year")
    assert row.recipient == "ada@vendor.example"
    # A rerun of the day changes nothing, and the next day repeats nothing.
    assert signal_book.book.decide(decision_id="again").n_planned == 0
    signal_book.set_clock(at(1))
    assert signal_book.book.decide().n_planned == 0


def test_alert_after_the_digest_was_sent_waits_for_the_next(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", *(account(number, **BAD) for number in range(1, 8)))
    signal_book.book.decide()
    signal_book.book._execute("update ops.outbox set state = 'sent'")
    signal_book.set_subjects("account", *(account(number, **BAD) for number in range(1, 9)))
    signal_book.book.decide(decision_id="later")
    assert ("crm:8", "open", "waiting") in states(signal_book.book, "bad_rating")
    signal_book.set_clock(at(1))
    signal_book.book.decide()
    (row,) = signal_book.book.outbox(channel="slack", rule="signal_digest", step="2026-11-17")
    assert [line["text"].partition(":")[0] for line in row.body["evidence"]] == ["Customer 8"]
    assert ("crm:8", "open", "digest") in states(signal_book.book, "bad_rating")


def test_alert_at_night_or_on_a_holiday_waits_for_working_hours(signal_book: SignalBook) -> None:
    signal_book.set_clock(at(4, hour=19))  # a Friday evening in Berlin
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    (row,) = signal_book.book.outbox(channel="slack")
    assert row.not_before
    assert row.not_before.isoformat() == "2026-11-23T07:00:00+00:00"


def test_red_support_desk_holds_only_the_rules_that_read_it(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD), account(2, **DOWN))
    signal_book.book.verdict("support", "support", "red", None, "credentials")
    note_entities(signal_book.book.now)
    result = signal_book.book.decide()
    assert slack_rows(signal_book.book) == [("usage_down", "crm:2", "opened")]
    assert result.n_on_hold == 1
    assert states(signal_book.book, "bad_rating") == []


def test_quarantined_account_keeps_its_state(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    signal_book.set_clock(at(1))
    signal_book.book.quarantine("1")
    signal_book.set_subjects("account", account(1), account(2, **BAD))
    signal_book.book.decide()
    assert states(signal_book.book, "bad_rating") == [("crm:1", "open", "alert"), ("crm:2", "open", "alert")]


def test_churned_customer_closes_open_episodes(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.set_subjects("contact", contact(1, is_gone=True, days_gone=1))
    signal_book.book.decide()
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account")
    signal_book.set_subjects("contact")
    assert signal_book.book.decide().n_closed == 2
    assert signal_book.book.episodes("key_contact_left")[0]["close_reason"].startswith("it is no longer listed")


@pytest.mark.parametrize(
    ("change", "why"),
    [("min_days_as_customer: 900\n", "too young"), ("audience: {tiers: [key_account]}\n", "not for this tier"),
     ("quiet: [{first: 11-01, last: 11-30}]\n", "a quiet month"), ("status: retired\n", "retired")],
)  # fmt: skip
def test_accounts_excluded_by_a_rule(signal_book: SignalBook, overlay: Path, change: str, why: str) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/bad_rating.yaml").read_text()
    (overlay / "config" / "signals").mkdir()
    key = change.partition(":")[0]
    kept = "".join(line for line in shipped.splitlines(keepends=True) if not line.startswith(f"{key}:"))
    (overlay / "config" / "signals" / "bad_rating.yaml").write_text(kept + change)
    signal_book.set_subjects("account", account(1, **BAD))
    assert signal_book.book.decide().n_opened == 0, why


def test_rule_without_a_source_for_its_entity_is_unavailable(book: Book) -> None:
    book.renewals()
    result = book.decide()
    assert result.unavailable["invoice_overdue"] == "not available: needs invoice"
    assert result.problems == []


def test_failing_rule_does_not_block_other_rules(signal_book: SignalBook, overlay: Path) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/no_touch.yaml").read_text()
    (overlay / "config" / "signals").mkdir()
    broken = shipped.replace("days_since_contact > touch_cadence_days", "account_name > touch_cadence_days")
    (overlay / "config" / "signals" / "no_touch.yaml").write_text(broken)
    signal_book.set_subjects("account", account(1, **BAD))
    result = signal_book.book.decide()
    assert slack_rows(signal_book.book) == [("bad_rating", "crm:1", "opened")]
    assert "signal no_touch cannot be evaluated" in result.problems[0]


def test_alert_without_an_owner_goes_to_the_queue_with_the_reason(signal_book: SignalBook) -> None:
    signal_book.set_subjects(
        "account", account(1, owner_key=None, owner_name=None, owner_email=None, owner_team=None, **BAD)
    )
    signal_book.book.decide()
    (row,) = signal_book.book.outbox(channel="email")
    assert row.recipient == "queue@vendor.example"
    assert "has no owner" in row.body["notes"][0]


def test_seasonal_quiet_period_can_span_new_year() -> None:
    from include.decide.signals.schema import Quiet

    quiet = Quiet(first="12-20", last="01-05")
    assert [quiet.includes(date(2026, month, day)) for month, day in ((12, 19), (12, 20), (1, 5), (1, 6))] == [
        False, True, True, False,
    ]  # fmt: skip
