"""Episodes of signals and what managers are told of them."""

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


def told(book: Book, **wanted: Any) -> list[tuple[str, str, str]]:
    """Return what is in the outbox for Slack: rule, subject, step."""
    return [(row.rule, row.entity_id, row.step) for row in book.outbox(channel="slack", **wanted)]


FELL = {"health": Decimal(64), "health_band": "yellow", "health_band_before": "green", "health_before": Decimal(74),
        "health_band_days": 1}  # fmt: skip


def states(book: Book, signal: str) -> list[tuple[str, str, str]]:
    return [(row["entity_id"], row["state"], row["notified_as"]) for row in book.episodes(signal)]


def test_what_opens_is_told_once_with_its_figures(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD), account(2))
    result = signal_book.book.decide()
    assert (result.n_opened, result.n_planned) == (1, 3)
    assert told(signal_book.book) == [("bad_rating", "crm:1", "opened")]
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


def test_a_signal_that_is_switched_off_leaves_nothing_open(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    folder = Path(os.environ["PERENNIAL_CONFIG_DIR"]) / "config" / "signals"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bad_rating.yaml").write_text("disabled: true\n")
    signal_book.set_clock(at(1))
    assert signal_book.book.decide().n_closed == 1
    (episode,) = signal_book.book.episodes("bad_rating")
    assert (episode["state"], episode["close_reason"]) == ("closed", "the signal was disabled")


def test_one_cause_is_one_alert(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **FELL), account(2, **FELL, **BAD))
    assert signal_book.book.decide().n_opened == 2
    assert sorted(told(signal_book.book)) == [("bad_rating", "crm:2", "opened"), ("health_fell", "crm:1", "opened")]
    # Once the other risk is over, what still holds is told.
    signal_book.set_clock(at(1))
    signal_book.set_subjects("account", account(1, **FELL), account(2, **FELL))
    signal_book.book.decide()
    signal_book.set_clock(at(2))
    signal_book.book.decide()
    assert ("crm:2", "open", "alert") in states(signal_book.book, "health_fell")


def test_the_first_scan_of_a_rule_is_silent(book: Book) -> None:
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
    assert told(book) == [("bad_rating", "crm:2", "opened")]


def test_a_rule_may_ask_to_tell_at_its_first_scan(book: Book, overlay: Path) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/bad_rating.yaml").read_text()
    (overlay / "config" / "signals").mkdir()
    (overlay / "config" / "signals" / "bad_rating.yaml").write_text(shipped + "first_scan: notify\n")
    book.renewals()
    signal_book = SignalBook(book)
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.set_clock(book.now)
    assert book.decide().n_planned == 3


def test_it_closes_with_its_reason_and_rests_before_it_opens_again(signal_book: SignalBook) -> None:
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
    assert told(signal_book.book) == [("bad_rating", "crm:1", "opened")] * 2
    assert [row["episode_no"] for row in signal_book.book.episodes("bad_rating")] == [1, 2]


def test_worse_is_told_once_more_and_only_once(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    for day in (1, 2):
        signal_book.set_clock(at(day))
        signal_book.set_subjects("account", account(1, n_bad_ratings_30d=3))
        signal_book.book.decide()
    assert told(signal_book.book) == [("bad_rating", "crm:1", "opened"), ("bad_rating", "crm:1", "worse")]
    assert signal_book.book.episodes("bad_rating")[0]["severity"] == "high"


def test_a_few_alerts_a_day_and_the_rest_as_one_list_the_weightiest_first(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", *(account(number, arr=Decimal(1000 * number), **BAD) for number in range(1, 9)))
    signal_book.book.decide()
    alerts = told(signal_book.book, rule="bad_rating")
    assert {subject for _, subject, _ in alerts} == {f"crm:{number}" for number in range(4, 9)}
    (row,) = signal_book.book.outbox(channel="email", rule="signal_digest")
    message = Message.model_validate(row.body)
    assert [line.text.partition(":")[0] for line in message.evidence] == ["Customer 3", "Customer 2", "Customer 1"]
    assert message.summary.startswith("They affect USD 6,000 a year")
    assert row.recipient == "ada@vendor.example"
    # The same day again says the same; the next day tells nothing again.
    assert signal_book.book.decide(decision_id="again").n_planned == 0
    signal_book.set_clock(at(1))
    assert signal_book.book.decide().n_planned == 0


def test_what_comes_after_the_list_has_left_waits_for_the_next_one(signal_book: SignalBook) -> None:
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


def test_at_night_and_on_holidays_it_waits_for_the_next_working_hour(signal_book: SignalBook) -> None:
    signal_book.set_clock(at(4, hour=19))  # a Friday evening in Berlin
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    (row,) = signal_book.book.outbox(channel="slack")
    assert row.not_before
    assert row.not_before.isoformat() == "2026-11-23T07:00:00+00:00"


def test_a_red_desk_holds_what_reads_it_and_nothing_else(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD), account(2, **DOWN))
    signal_book.book.verdict("support", "support", "red", None, "credentials")
    note_entities(signal_book.book.now)
    result = signal_book.book.decide()
    assert told(signal_book.book) == [("usage_down", "crm:2", "opened")]
    assert result.n_on_hold == 1
    assert states(signal_book.book, "bad_rating") == []


def test_an_account_with_a_record_in_quarantine_is_left_as_it_is(signal_book: SignalBook) -> None:
    signal_book.set_subjects("account", account(1, **BAD))
    signal_book.book.decide()
    signal_book.set_clock(at(1))
    signal_book.book.quarantine("1")
    signal_book.set_subjects("account", account(1), account(2, **BAD))
    signal_book.book.decide()
    assert states(signal_book.book, "bad_rating") == [("crm:1", "open", "alert"), ("crm:2", "open", "alert")]


def test_a_customer_who_is_gone_closes_what_was_open(signal_book: SignalBook) -> None:
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
def test_whom_a_rule_leaves_alone(signal_book: SignalBook, overlay: Path, change: str, why: str) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/bad_rating.yaml").read_text()
    (overlay / "config" / "signals").mkdir()
    key = change.partition(":")[0]
    kept = "".join(line for line in shipped.splitlines(keepends=True) if not line.startswith(f"{key}:"))
    (overlay / "config" / "signals" / "bad_rating.yaml").write_text(kept + change)
    signal_book.set_subjects("account", account(1, **BAD))
    assert signal_book.book.decide().n_opened == 0, why


def test_a_rule_whose_entity_nobody_gives_is_not_available(book: Book) -> None:
    book.renewals()
    result = book.decide()
    assert result.unavailable["invoice_overdue"] == "not available: needs invoice"
    assert result.problems == []


def test_a_rule_that_cannot_be_evaluated_hinders_no_other(signal_book: SignalBook, overlay: Path) -> None:
    shipped = (Path(__file__).parents[3] / "include/defaults/config/signals/no_touch.yaml").read_text()
    (overlay / "config" / "signals").mkdir()
    broken = shipped.replace("days_since_contact > touch_cadence_days", "account_name > touch_cadence_days")
    (overlay / "config" / "signals" / "no_touch.yaml").write_text(broken)
    signal_book.set_subjects("account", account(1, **BAD))
    result = signal_book.book.decide()
    assert told(signal_book.book) == [("bad_rating", "crm:1", "opened")]
    assert "signal no_touch cannot be evaluated" in result.problems[0]


def test_nobody_owns_it_then_the_queue_reads_why(signal_book: SignalBook) -> None:
    signal_book.set_subjects(
        "account", account(1, owner_key=None, owner_name=None, owner_email=None, owner_team=None, **BAD)
    )
    signal_book.book.decide()
    (row,) = signal_book.book.outbox(channel="email")
    assert row.recipient == "queue@vendor.example"
    assert "has no owner" in row.body["notes"][0]


def test_the_clock_of_quiet_days_may_run_over_new_year() -> None:
    from include.decide.signals.schema import Quiet

    quiet = Quiet(first="12-20", last="01-05")
    assert [quiet.includes(date(2026, month, day)) for month, day in ((12, 19), (12, 20), (1, 5), (1, 6))] == [
        False, True, True, False,
    ]  # fmt: skip
