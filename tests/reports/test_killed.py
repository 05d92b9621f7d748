"""Killed anywhere between the figures and the mailbox, each report arrives once or is marked uncertain."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.deliver import deliver, holds, recheck
from include.outbox import store
from include.reports import archive, document, publish
from include.warehouse.engine import engine
from tests.fixtures.children import Child
from tests.fixtures.receivers import Receivers
from tests.reports import book

NOW = datetime.fromisoformat("2026-06-10T12:00:00+00:00")


class Killed(BaseException):
    """Simulates a SIGKILL, since a new process per kill would take too long."""


@pytest.fixture
def open_book(built: pytest.MonkeyPatch, receivers: Receivers, tmp_path: Path) -> None:
    """The book, with e-mail enabled and one report with two recipients."""
    book.fill(tmp_path)
    (tmp_path / "config" / "channels.yaml").write_text(f"email: {{dry_run: false}}\n{book.CHANNELS}")
    holds.release("email", "a new store: nothing was sent before", "test", NOW)


def outbox() -> dict[str, str]:
    with engine("reader").connect() as connection:
        rows = connection.execute(sa.text("select key, state from ops.outbox where rule = 'report'"))
        return dict(rows.tuples().all())


def arrived(receivers: Receivers) -> list[str]:
    """Return the keys of the reports that arrived, without notices about uncertain ones."""
    return [key for key in receivers.received() if key in outbox()]


@pytest.mark.parametrize("place", [(document, "make"), (archive, "keep"), (store, "plan"), (publish, "_mails")])
def test_kill_while_a_report_is_made(
    open_book: None, receivers: Receivers, monkeypatch: pytest.MonkeyPatch, place
) -> None:
    module, name = place
    original = getattr(module, name)

    def before(*arguments: object, **named: object) -> object:
        raise Killed

    def after(*arguments: object, **named: object) -> object:
        original(*arguments, **named)
        raise Killed

    for death in (before, after):
        monkeypatch.setattr(module, name, death)
        with pytest.raises(Killed):
            publish.publish("germany")
        assert outbox() == {}
    monkeypatch.setattr(module, name, original)
    assert [one.n_planned for one in (*publish.publish("germany"), *publish.publish("germany"))] == [2, 0]
    deliver.deliver(now=NOW)
    publish.publish("germany")
    deliver.deliver(now=NOW + timedelta(minutes=5))
    assert list(outbox().values()) == ["sent", "sent"]
    assert arrived(receivers) == sorted(outbox())


@pytest.mark.parametrize(("point", "number"), [("claimed", 1), ("sent", 2)])
def test_kill_while_a_report_is_sent(open_book: None, receivers: Receivers, point: str, number: int) -> None:
    publish.publish("germany")
    status, printed = Child("tests.deliver.killed", "email", point).end()
    assert status == -9, printed
    for minutes in (2, 10, 20):
        publish.publish("germany")
        deliver.deliver(now=NOW + timedelta(minutes=minutes))
    assert sorted(outbox().values()) == ["sent", "uncertain"]
    assert len(arrived(receivers)) == len(set(arrived(receivers))) == number


def test_an_edition_that_was_not_sent_gives_way_to_its_correction(open_book: None, receivers: Receivers) -> None:
    publish.publish("germany")
    first = set(outbox())
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("update marts.kpi_value set value = value + 1")
    assert [one.edition for one in publish.publish("germany")] == [2]
    with engine("builder").connect() as connection:  # also if the correction may have arrived; rolled back
        connection.exec_driver_sql("update ops.outbox set state = 'uncertain' where episode_no = 2")
        for one in store.read(connection, "rule = 'report' and episode_no = 1"):
            assert recheck.check(connection, one, recheck.Gate(), NOW).action == "suppressed"
    deliver.deliver(now=NOW)
    states = outbox()
    assert {states[key] for key in first} == {"suppressed"}
    assert arrived(receivers) == sorted(set(states) - first)
    # A correction that comes too late is sent after it.
    with engine("owner").begin() as connection:
        connection.exec_driver_sql("update marts.kpi_value set value = value + 1")
    publish.publish("germany")
    deliver.deliver(now=NOW + timedelta(minutes=5))
    assert len(arrived(receivers)) == 4
