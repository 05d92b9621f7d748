"""Unanswered alerts escalate after working hours, once per level."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from include.common.working_days import calendar, worked
from include.decide.digests import escalation
from tests.decide.test_task_feedback import sent_task, set_task_state
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.renewal_rows import renewal
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401
from tests.fixtures.subjects_store import account

BAD = {"n_bad_ratings_30d": 2}
BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


def test_working_hours_skip_nights_weekends_holidays_and_count_make_up_days() -> None:
    def hours(country: str, zone: ZoneInfo, since: datetime, until: datetime) -> float:
        found = worked(since, until, zone, calendar(country), time(8), time(18))
        return found / timedelta(hours=1)

    friday = datetime(2026, 11, 20, 17, tzinfo=BERLIN)
    assert hours("DE", BERLIN, friday, datetime(2026, 11, 23, 9, tzinfo=BERLIN)) == 2
    assert hours("DE", BERLIN, datetime(2026, 12, 24, 8, tzinfo=BERLIN), datetime(2026, 12, 28, 8, tzinfo=BERLIN)) == 10
    # Saturday 14 February 2026 is a working day in China, and the following week is a holiday.
    start = datetime(2026, 2, 13, 18, tzinfo=SHANGHAI)
    assert hours("CN", SHANGHAI, start, datetime(2026, 2, 20, 8, tzinfo=SHANGHAI)) == 10
    # The clocks go back on the night of 25 October: a working day still has ten hours.
    day = datetime(2026, 10, 23, 18, tzinfo=BERLIN)
    assert hours("DE", BERLIN, day, datetime(2026, 10, 26, 18, tzinfo=BERLIN)) == 10
    assert hours("DE", BERLIN, friday, friday - timedelta(days=3)) == 0


def escalations(book: Book) -> list[tuple[str, str, int]]:
    return [
        (row.recipient, row.step.partition(":")[0], len(row.body["evidence"]))
        for row in book.outbox(channel="email", rule=escalation.RULE)
    ]


def test_escalation_goes_to_the_lead_then_the_head_once_each(signal_book: SignalBook, overlay: Path) -> None:  # noqa: F811
    people = overlay / "config" / "people.yaml"
    people.write_text(people.read_text() + "head: {name: Hedy, email: head@vendor.example}\n")
    signal_book.set_subjects("account", account(1, **BAD), account(2, **BAD))
    signal_book.book.decide()
    tasks = [sent_task(signal_book.book, entity_id=f"crm:{number}") for number in (1, 2)]
    expected: dict[int, list[tuple[str, str, int]]] = {
        1: [],
        2: [("lead@vendor.example", "lead", 2)],
        3: [("lead@vendor.example", "lead", 2)],
        # The fifth day is a Saturday; Friday is the fourth.
        4: [("lead@vendor.example", "lead", 2), ("head@vendor.example", "head", 1)],
        7: [("lead@vendor.example", "lead", 2), ("head@vendor.example", "head", 1)],
    }
    for day, wanted in expected.items():
        signal_book.set_clock(at(day))
        set_task_state(signal_book.book, tasks[0])
        set_task_state(signal_book.book, tasks[1], "started" if day > 2 else "open")
        signal_book.book.decide()
        assert escalations(signal_book.book) == wanted, day
        signal_book.book._execute("update ops.outbox set state = 'sent' where state = 'planned'")
    (lead,) = signal_book.book.outbox(channel="email", rule=escalation.RULE, recipient="lead@vendor.example")
    assert lead.subject == "2 alerts that nobody has answered"
    assert lead.body["evidence"][0]["source"] == "Ada Lovelace, since 16 Nov 2026"
    assert {row["escalated_to"] for row in signal_book.book.episodes("bad_rating")} == {"lead", "head"}


def test_no_escalation_while_the_crm_is_unreadable(book: Book) -> None:
    row = renewal(1, days=60)
    book.renewals(row)
    book.decide()
    task = sent_task(book)
    set_task_state(book, task)  # read back now and never again
    for day in (2, 4):
        book.set_clock(at(day))
        book.renewals(row)
        book.decide()
        assert escalations(book) == []
    set_task_state(book, task)
    book.decide(decision_id="read again")
    assert escalations(book) == [("lead@vendor.example", "lead", 1)]


def test_alert_owned_by_the_lead_escalates_to_the_head(book: Book) -> None:
    row = renewal(1, days=60, owner_is_active=False)
    book.renewals(row)
    book.decide()
    task = sent_task(book)
    assert task.recipient == "lead@vendor.example"
    book.set_clock(at(7))
    book.renewals(row)
    set_task_state(book, task)
    book.decide()
    assert escalations(book) == [("queue@vendor.example", "head", 1)]


@pytest.mark.parametrize("text", ["lead_after_hours: 40", "head_after_hours: 20"])
def test_head_is_notified_later_than_the_lead(overlay: Path, text: str) -> None:
    from include.common.errors import ConfigError
    from include.config import load

    (overlay / "config" / "attention.yaml").write_text(f"escalation: {{{text}}}\n")
    with pytest.raises(ConfigError, match="head_after_hours must be more"):
        load()
