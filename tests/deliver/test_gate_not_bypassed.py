"""The gate cannot be bypassed by manual, repeated or late runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import Unavailable
from include.deliver import deliver
from include.warehouse.engine import engine
from tests.fixtures.decision_world import Book
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW, renewal

AT_RISK = renewal(1, days=30, usage_ratio=0.5)


def _run(book: Book, minutes: int = 1) -> deliver.Delivered:
    return deliver.deliver(now=book.now + timedelta(minutes=minutes))


def _loader(statement: str, **values: object) -> None:
    with engine("loader").begin() as connection:
        connection.execute(sa.text(statement), values)


def _red(book: Book) -> None:
    book.verdict("crm", "crm", "red", NOW, "batch 7 is held")


def _quarantined(book: Book) -> None:
    book.quarantine("1001")


def _expired_waiver(book: Book) -> None:
    book.quarantine("1001")
    _loader("update quarantine.record set state = 'waived', waived_until = :at", at=NOW - timedelta(minutes=1))


def _dropped_batch(book: Book) -> None:
    book.quarantine("1001")
    _loader("update quarantine.record set state = 'requeued'")


def _old_tables(book: Book) -> None:
    book.built_up_to(NOW - timedelta(hours=40), "crm")


def _old_reading(book: Book) -> None:
    book.verdict("crm", "crm", "stale", NOW - timedelta(hours=40), "not read since")


def _other_tables(book: Book) -> None:
    book._execute("update meta.build set watermarks = watermarks - 'crm'")


def _unmeasured(book: Book) -> None:
    _loader(
        "insert into meta.feature_hold values ('product_db', 'reports', :day, 40, 30, :now, :now)",
        day=NOW.date(),
        now=NOW,
    )


SHUT: list[Callable[[Book], None]] = [
    _red,
    _quarantined,
    _expired_waiver,
    _dropped_batch,
    _old_tables,
    _old_reading,
    _other_tables,
    _unmeasured,
]


@pytest.mark.parametrize("shut", SHUT)
def test_decided_deliveries_are_held_when_the_gate_closes(
    live_book: Book, receivers: Receivers, shut: Callable[[Book], None]
) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide()
    planned = {row.key for row in live_book.outbox()}
    shut(live_book)
    # Manually, by the command, and repeated: every run is checked.
    assert _run(live_book).n_sent == 0
    assert main(["deliver"]) == 0
    assert _run(live_book, 30).n_sent == 0
    assert receivers.received() == []
    assert {row.key for row in live_book.outbox(state="planned")} == planned


@pytest.mark.parametrize("shut", [_red, _quarantined, _old_tables, _old_reading, _other_tables])
def test_manual_decision_plans_no_figures_while_the_gate_is_closed(
    live_book: Book, receivers: Receivers, shut: Callable[[Book], None]
) -> None:
    live_book.renewals(AT_RISK, renewal(2, days=60))
    shut(live_book)
    for number in range(2):
        assert main(["decide"]) == 0
        live_book.decide(decision_id=f"by hand {number}")
    assert all("120,000" not in str(row.body) for row in live_book.outbox(account_key="crm:1001"))
    _run(live_book)
    assert not any(
        "120,000" in str(message) for message in receivers.workspace.messages if "Customer 1:" in str(message)
    )


def test_retry_checks_the_gate_again(live_book: Book, receivers: Receivers) -> None:
    receivers.mail.answers = {"MAIL": ""}
    live_book.renewals(AT_RISK)
    live_book.decide()
    with pytest.raises(Unavailable):
        _run(live_book)
    (delivery,) = live_book.outbox(channel="email")
    assert delivery.state == "planned"
    receivers.mail.answers = {}
    _red(live_book)
    before = receivers.received()
    assert _run(live_book, 60).n_sent == 0 and receivers.received() == before
    assert live_book.outbox(channel="email")[0].state == "planned"


def test_late_approved_message_is_sent_only_if_the_gate_is_open(live_book: Book, receivers: Receivers) -> None:
    """Releasing a channel's hold does not bypass the gate: waiting deliveries are checked again."""
    from include.deliver import holds

    holds.hold("slack", "not yet", "ada", live_book.now)
    live_book.renewals(AT_RISK)
    live_book.decide()
    _run(live_book)
    _red(live_book)
    holds.release("slack", "approved", "ada", live_book.now)
    _run(live_book, 60)
    assert not receivers.workspace.messages
    live_book.verdict("crm", "crm", "green", NOW)
    _run(live_book, 90)
    assert len(receivers.workspace.messages) == 1


def test_backfill_decides_and_sends_nothing(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK)
    _red(live_book)
    with engine("builder").begin() as connection:
        # A rebuild of past days that has just ended, newer than every forward build, on fit sources.
        connection.execute(
            sa.text(
                "insert into meta.build (build_id, kind, state, window_start, window_end, newest_day, first_day,"
                " trigger, known_at, started_at, finished_at, watermarks)"
                " select 'backfill', 'rebuild', 'done', window_start, window_end, newest_day, first_day,"
                " 'rebuild', known_at,"
                " started_at + interval '1 hour', started_at + interval '1 hour', watermarks from meta.build limit 1"
            )
        )
    assert live_book.decide().n_planned == 0 and _run(live_book).n_sent == 0 and receivers.received() == []
    _old_tables(live_book)
    live_book.verdict("crm", "crm", "green", NOW)
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text(
                "update meta.build set watermarks = jsonb_build_object('crm', cast(:now as text))"
                " where kind = 'rebuild'"
            ),
            {"now": NOW.isoformat()},
        )
    # The backfill's data does not make the newest day's tables newer.
    assert live_book.decide(decision_id="after").n_planned == 0
