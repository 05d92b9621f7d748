"""The weekly digests: the lead's summary and the list of accounts without a manager."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.decide.digests import weekly
from include.scores.forecast.lines import Line
from include.warehouse.engine import engine
from tests.decide.test_task_feedback import sent_task, set_task_state
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import TODAY, renewal
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account
from tests.scores.test_forecast import line

BAD = {"n_bad_ratings_30d": 2}
GONE = {"owner_is_active": False}
NOBODY = {"owner_key": None, "owner_name": None, "owner_email": None, "owner_team": None, "owner_is_active": None}


def lists(signal_book: SignalBook, rule: str) -> list[tuple[str, str]]:  # noqa: F811
    return [(row.recipient, row.step) for row in signal_book.book.outbox(channel="email", rule=rule)]


def test_weekly_digest_reaches_the_lead_once_on_monday_morning(signal_book: SignalBook) -> None:  # noqa: F811
    rows = [renewal(1, days=30), renewal(2, days=60, tier="key_account"), renewal(3, days=120)]
    signal_book.book.renewals(*rows)
    signal_book.set_subjects(
        "account", account(1, **BAD), account(2, **BAD, **GONE), account(9, arr=Decimal(5), **NOBODY)
    )
    signal_book.book.decide()
    assert lists(signal_book, weekly.DIGEST) == []  # four in the morning in the lead's time zone
    task = sent_task(signal_book.book, rule="bad_rating", entity_id="crm:1")
    for day, hour, weeks in ((1, 9, 0), (7, 9, 0), (7, 14, 1), (7, 16, 1), (8, 15, 1)):
        signal_book.set_clock(at(day, hour=hour))
        signal_book.book.renewals(*rows)
        set_task_state(signal_book.book, task, "started")
        signal_book.book.decide(decision_id=f"{day} {hour}")
        assert len(lists(signal_book, weekly.DIGEST)) == weeks, (day, hour)
    assert lists(signal_book, weekly.DIGEST) == [("lead@vendor.example", "2026-W48")]
    (digest,) = signal_book.book.outbox(channel="slack", rule=weekly.DIGEST)
    assert digest.body["subject"] == "Your week: 2 decisions in 90 days, USD 240,000 a year"
    assert {fact["label"]: fact["value"] for fact in digest.body["facts"]}["key account"] == (
        "1 decision, USD 120,000 a year"
    )
    assert any(
        line["text"].startswith("Ada Lovelace:") and "1 overdue task" in line["text"]
        for line in digest.body["evidence"]
    )
    assert sorted(lists(signal_book, weekly.ORPHANS)) == [
        ("lead@vendor.example", "2026-W48"),
        ("queue@vendor.example", "2026-W48"),
    ]
    (orphans,) = signal_book.book.outbox(channel="slack", rule=weekly.ORPHANS, recipient="lead@vendor.example")
    assert [line["text"].partition(":")[0] for line in orphans.body["evidence"]] == ["Customer 2"]
    assert "is no longer active" in orphans.body["evidence"][0]["source"]
    assert task.body["due_on"] < TODAY.replace(day=23).isoformat()


def test_weekly_digest_is_sent_on_the_first_decided_morning_of_a_week(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.set_subjects("account", account(1, **BAD))
    for day, hour, weeks in ((2, 9, []), (2, 15, ["2026-W47"]), (3, 15, ["2026-W47"]), (5, 15, ["2026-W47"]),
                             (7, 15, ["2026-W47", "2026-W48"])):  # fmt: skip
        signal_book.set_clock(at(day, hour=hour))
        signal_book.book.renewals(renewal(1, days=30))
        signal_book.book.decide(decision_id=f"{day} {hour}")
        assert sorted(step for _, step in lists(signal_book, weekly.DIGEST)) == weeks, (day, hour)


def test_no_weekly_digest_while_the_crm_is_red(signal_book: SignalBook) -> None:  # noqa: F811
    signal_book.set_clock(at(7, hour=14))
    signal_book.book.renewals(renewal(1, days=30))
    signal_book.set_subjects("account", account(2, **GONE))
    signal_book.book.verdict("crm", "crm", "red", None, "x")
    signal_book.book.decide()
    assert lists(signal_book, weekly.DIGEST) == lists(signal_book, weekly.ORPHANS) == []


def test_lead_sees_calls_that_contradict_the_figures_90_days_before(
    signal_book: SignalBook,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monday = at(7, hour=14)
    given = {"category": "commit", "band": "red", "team": "East", "as_of": monday.date()}

    def disputed(account: str, days: int, **changes: Any) -> Line:
        return line(120_000, 0.6, account=account, decision_date=(monday + timedelta(days=days)).date(),
                    **{**given, **changes})  # fmt: skip

    with engine("owner").begin() as connection:
        connection.exec_driver_sql("create table if not exists marts.forecast_line (renewal_id text)")
        connection.exec_driver_sql("grant select on marts.forecast_line to perennial_reader")
    seen = [disputed("Near", 90), disputed("Far", 91), disputed("Passed", -1), disputed("Sure", 60, band="green"),
            disputed("Theirs", 60, team="West"), disputed("Old", 60, as_of=TODAY)]  # fmt: skip
    monkeypatch.setattr(weekly.lines, "read", lambda _: seen)
    signal_book.set_clock(monday)
    signal_book.book.renewals(renewal(1, days=30))
    signal_book.book.decide()
    (digest,) = signal_book.book.outbox(channel="slack", rule=weekly.DIGEST)
    (said,) = [row["text"] for row in digest.body["evidence"] if row["text"].startswith("Discuss")]
    assert said == ("Discuss Near: commit in the CRM, but health is red; USD 120,000 a year, decision by 21 Feb 2027")
