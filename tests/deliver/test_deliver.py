"""Delivery as a whole: once, or visibly uncertain; never on a hold, a closed signal or bad data."""

from __future__ import annotations

import dataclasses
import traceback
from datetime import timedelta
from pathlib import Path

import pytest

from include.common.errors import AuthError, ConfigError, PerennialError, Unavailable
from include.deliver import deliver, holds
from include.deliver.render import slack as render_slack
from include.outbox.message import Message
from include.warehouse.engine import engine
from tests.deliver.letters import action
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW, renewal

POST = "/chat.postMessage"
AT_RISK = renewal(1, days=30, usage_ratio=0.5)


def run(book: Book, minutes: int = 1) -> deliver.Delivered:
    """Deliver, some minutes after the decision."""
    return deliver.deliver(now=book.now + timedelta(minutes=minutes))


def states(book: Book, **wanted: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in book.outbox(**wanted):
        found[row.state] = found.get(row.state, 0) + 1
    return found


def plan(*actions: object) -> None:
    from include.outbox import store

    with engine("builder").begin() as connection:
        store.plan(connection, actions, "d", NOW)  # type: ignore[arg-type]


def test_everything_arrives_once(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK, renewal(2, days=14))
    live_book.decide()
    result = run(live_book)
    assert result.n_sent == 9
    assert states(live_book) == {"sent": 9}
    assert receivers.received() == sorted(row.key for row in live_book.outbox())
    assert set().union(*receivers.portal.links.values()) == {"1001", "1002"}
    again = run(live_book, 2)
    assert (again.n_sent, again.channels) == (0, {})
    assert live_book.decide(decision_id="again").n_planned == 0
    assert run(live_book, 3).n_sent == 0
    assert len(receivers.received()) == 9


def test_a_dry_run_of_the_command_sends_nothing(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide()
    result = deliver.deliver(dry_run=True, now=live_book.now)
    assert result.channels == {"slack": {"due": 1}, "email": {"due": 1}, "crm_task": {"due": 4}}
    assert receivers.received() == []


# Holds.


def test_a_new_store_holds_mails_until_a_person_releases_them(book: Book, receivers: Receivers) -> None:
    book.renewals(AT_RISK)
    book.decide()
    run(book)
    assert states(book, channel="email") == {"planned": 1}
    assert states(book, channel="slack") == {"sent": 1} and states(book, channel="crm_task") == {"sent": 4}
    (email,) = [state for state in holds.states(book.now) if state.channel == "email"]
    assert email.is_on_hold and "not yet compared" in email.reason
    with pytest.raises(ConfigError, match="no reason"):
        holds.release("email", " ", "me")
    holds.release("email", "nothing was sent before", "me", book.now)
    run(book, 2)
    assert states(book, channel="email") == {"sent": 1}


def test_a_restored_store_sends_nothing_that_people_have_already(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide()
    run(live_book)
    before = receivers.received()
    # What a backup from before the decision, restored on another server, knows:
    for table in ("outbox", "episode", "decision", "compared_address", "found_outside"):
        live_book._execute(f"delete from ops.{table}")
    live_book._execute("update ops.channel set store_mark = 'the other server'")
    live_book.decide(decision_id="restored")
    result = run(live_book, 60)
    assert result.channels["slack"]["found_outside"] == 1
    assert receivers.received() == before
    assert states(live_book, channel="slack") == {"sent": 1} and states(live_book, channel="crm_task") == {"sent": 4}
    assert states(live_book, channel="email") == {"planned": 1}  # held until a person says
    # What is planned only now, and people had before, is known too.
    assert live_book.outbox(channel="slack")[0].reason == "found in the outside system"


def test_a_history_that_cannot_be_read_keeps_slack_on_hold_until_released(
    live_book: Book, receivers: Receivers
) -> None:
    receivers.workspace.may_read_history = False
    live_book.renewals(renewal(1))
    live_book.decide()
    run(live_book)
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "planned" and "channel release slack" in row.reason
    holds.release("slack", "a new workspace", "me", live_book.now)
    run(live_book, 2)
    assert states(live_book, channel="slack") == {"sent": 1}


def test_a_hold_by_a_person_ends_by_a_person(live_book: Book, receivers: Receivers) -> None:
    holds.hold("slack", "the workspace moves", "me", live_book.now)
    live_book.renewals(renewal(1))
    live_book.decide()
    assert run(live_book).channels["slack"] == {"waiting": 1}
    assert receivers.workspace.messages == []
    live_book.set_clock(at(8))
    run(live_book)
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "expired" and "on hold" in row.reason


def test_a_channel_switched_back_to_dry_run_sends_nothing(live_book: Book, receivers: Receivers, overlay: Path) -> None:
    live_book.renewals(renewal(1))
    live_book.decide()
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("slack: {dry_run: false}", "slack: {dry_run: true}"))
    assert run(live_book).channels["slack"] == {"waiting": 1}
    assert receivers.workspace.messages == []


# The last look.


def test_a_source_that_turned_red_since_holds_what_reads_it(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1))
    live_book.decide()
    live_book.verdict("support", "support", "red", NOW, "broken")
    assert run(live_book).n_sent == 0
    assert "broken" in live_book.outbox(channel="slack")[0].reason
    # The next decision writes it without what is red, and it goes.
    assert live_book.decide(decision_id="next").n_refreshed == 3
    assert run(live_book, 2).n_sent == 3


def test_a_plain_notice_goes_although_the_crm_is_red(live_book: Book, receivers: Receivers) -> None:
    live_book.verdict("crm", "crm", "red", NOW, "x")
    live_book.renewals(renewal(1, days=13))
    live_book.decide()
    assert run(live_book).n_sent == 4
    assert len({message["channel"] for message in receivers.workspace.messages}) == 2


def test_what_changed_since_the_decision(live_book: Book, receivers: Receivers) -> None:
    rows = [renewal(number) for number in range(1, 6)]
    live_book.renewals(*rows)
    live_book.decide()
    live_book.quarantine("1001")
    live_book._execute("update ops.episode set state = 'closed', close_reason = 'won' where entity_id = 'C-2#2'")
    live_book.renewals(
        rows[0],
        rows[1],
        dataclasses.replace(rows[2], owner_key="crm:99"),
        dataclasses.replace(rows[3], decision_date=rows[3].decision_date + timedelta(days=90)),
        rows[4],
    )
    run(live_book)
    found = {row.entity_id: (row.state, row.reason) for row in live_book.outbox(channel="slack")}
    assert {entity: state for entity, (state, _) in found.items()} == {
        "C-1#2": "planned",
        "C-2#2": "suppressed",
        "C-3#2": "planned",
        "C-4#2": "planned",
        "C-5#2": "sent",
    }
    assert "is quarantined by crm.account.x" in found["C-1#2"][1] and "won" in found["C-2#2"][1]
    assert "a new owner" in found["C-3#2"][1] and "2027-03-16" in found["C-4#2"][1]


def test_what_comes_too_late_expires(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1))
    live_book.decide()
    live_book.pass_time(at(8))
    run(live_book)
    assert states(live_book) == {"expired": 3}
    assert receivers.received() == []


# Failures.


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(
    live_book: Book, receivers: Receivers, fault: str
) -> None:
    receivers.slack.faults[POST] = [fault]
    live_book.renewals(renewal(1))
    live_book.decide()
    result = run(live_book)
    assert result.channels["slack"]["resolved as sent"] == 1
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "sent" and row.external_id.startswith("DU1/")
    assert len(receivers.workspace.messages) == 1


def test_a_post_that_never_arrived_is_sent_again_once_that_is_certain(live_book: Book, receivers: Receivers) -> None:
    receivers.slack.faults[POST] = ["refuse"]
    live_book.renewals(renewal(1))
    live_book.decide()
    run(live_book)
    assert states(live_book, channel="slack") == {"uncertain": 1}
    run(live_book, 2)  # too soon: it may still come in
    assert states(live_book, channel="slack") == {"uncertain": 1}
    run(live_book, 5)
    assert states(live_book, channel="slack") == {"sent": 1}
    assert len(receivers.workspace.messages) == 1


def test_a_wrong_token_stops_its_channel_only(live_book: Book, receivers: Receivers) -> None:
    receivers.workspace.next_error = "token_revoked"
    live_book.renewals(renewal(1))
    live_book.decide()
    with pytest.raises(AuthError, match="token_revoked"):
        run(live_book)
    assert states(live_book, channel="email") == {"sent": 1}
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "planned" and "token_revoked" in row.reason
    run(live_book, 60)
    assert states(live_book, channel="slack") == {"sent": 1}
    assert len(receivers.workspace.messages) == 1


def test_a_missing_connection_stops_its_channel_only(
    live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SLACK")
    live_book.renewals(renewal(1))
    live_book.decide()
    with pytest.raises(ConfigError, match="connection slack"):
        run(live_book)
    assert states(live_book, channel="email") == {"sent": 1}


def test_a_mail_server_that_is_down_is_tried_again_later(live_book: Book, receivers: Receivers) -> None:
    receivers.mail.answers = {"MAIL": ""}
    live_book.renewals(renewal(1))
    live_book.decide()
    with pytest.raises(Unavailable):
        run(live_book)
    receivers.mail.answers = {}
    run(live_book, 1)  # the pause is not over
    assert states(live_book, channel="email") == {"planned": 1}
    run(live_book, 5)
    assert states(live_book, channel="email") == {"sent": 1}


def test_whom_slack_does_not_know_gets_a_mail(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1, owner_email="stranger@vendor.example"))
    live_book.decide()
    run(live_book)
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "failed" and "same e-mail address" in row.reason
    assert states(live_book, channel="email") == {"sent": 1}


def test_a_refusal_goes_over_the_second_channel(live_book: Book, receivers: Receivers) -> None:
    receivers.workspace.next_error = "is_archived"
    plan(action("slack", entity_kind="other", reads=()))
    run(live_book)
    assert {row.channel: row.state for row in live_book.outbox()} == {"slack": "failed", "email": "sent"}


def test_case_54_one_refused_address_spoils_no_other(live_book: Book, receivers: Receivers) -> None:
    receivers.mail.answers = {"RCPT": "550 5.1.1 unknown user"}
    plan(action("email", entity_kind="other", reads=()))
    run(live_book)
    receivers.mail.answers = {}
    plan(action("email", step="14", entity_kind="other", reads=()))
    run(live_book, 2)
    assert {row.step: row.state for row in live_book.outbox(channel="email")} == {"30": "failed", "14": "sent"}


def test_a_letter_of_another_version_spoils_no_other(live_book: Book, receivers: Receivers) -> None:
    plan(action("slack", entity_kind="other", reads=(), body={"old": "form"}))
    plan(action("slack", step="14", entity_kind="other", reads=()))
    plan(action("crm_task", entity_kind="other", reads=(), body={"subject": "x"}))
    run(live_book)
    assert {(row.channel, row.step): row.state for row in live_book.outbox() if row.channel != "email"} == {
        ("slack", "30"): "failed",
        ("slack", "14"): "sent",
        ("crm_task", "30"): "failed",
    }


def test_a_defect_in_a_channel_sends_nothing_twice(
    live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    person = "ada@x.example"

    def breaks(message: Message) -> list:
        raise KeyError(person)

    with monkeypatch.context() as patched:
        patched.setattr(render_slack, "blocks", breaks)
        live_book.renewals(renewal(1))
        live_book.decide()
        with pytest.raises(PerennialError, match="unexpected KeyError") as caught:
            run(live_book)
    assert "in breaks" in caplog.text
    assert person not in caplog.text + "".join(traceback.format_exception(caught.value))
    assert states(live_book, channel="slack") == {"uncertain": 1}
    assert states(live_book, channel="email") == {"sent": 1}
    run(live_book, 10)
    assert states(live_book, channel="slack") == {"sent": 1}
    assert len(receivers.workspace.messages) == 1


def test_only_one_sender_at_a_time(live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "_LOCK_PATIENCE_SECONDS", 0.1)
    live_book.renewals(renewal(1))
    live_book.decide()
    with deliver._sender_lock() as alone:
        assert alone is not None
        assert run(live_book).is_busy
    assert receivers.received() == []
    assert run(live_book).n_sent == 3


def test_a_pass_whose_time_is_over_ends_in_order_and_the_next_goes_on(live_book: Book, receivers: Receivers) -> None:
    plan(
        *(
            action(channel, entity_kind="metric", entity_id=str(number), reads=(), deadline=None)
            for channel in ("slack", "email", "crm_task")
            for number in range(3)
        )
    )

    def one_pass(minutes: int) -> deliver.Delivered:
        return deliver.deliver(now=live_book.now + timedelta(minutes=minutes), seconds=0)

    # Each channel gets a turn, however short: one message, one mail, and tasks in one call.
    assert [(done.n_sent, done.n_left) for done in map(one_pass, range(1, 4))] == [(5, 4), (2, 2), (2, 0)]
    assert receivers.received() == sorted(row.key for row in live_book.outbox())


def test_channels_take_turns(live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "TURN_SECONDS", 0)
    order: list[str] = []
    add = deliver._Pass._add
    monkeypatch.setattr(deliver._Pass, "_add", lambda self, way, counts: order.append(way[0]) or add(self, way, counts))
    many = [action(name, step=str(n), entity_kind="o", reads=()) for name in ("slack", "email") for n in range(2)]
    plan(*many, action("slack", step="waits", entity_kind="o", reads=("nowhere",)))
    result = run(live_book)
    assert order == ["slack", "email", "slack", "email", "slack"]
    assert result.channels == {"slack": {"sent": 2, "waiting": 1}, "email": {"sent": 2}}
    assert result.n_left == 0


def test_who_wants_no_mails_gets_the_message_by_the_second_channel_alone(
    live_book: Book, receivers: Receivers, overlay: Path
) -> None:
    settings = overlay / "config" / "channels.yaml"
    both = settings.read_text()
    live_book.renewals(renewal(1))
    live_book.decide()
    settings.write_text(
        both.replace("email: {dry_run: false}", "email: {dry_run: false, unsubscribed: [ADA@vendor.example]}")
    )
    run(live_book)
    # What was planned before they said so does not go either, and Slack has it once.
    (mail,) = live_book.outbox(channel="email")
    assert (mail.state, mail.reason.partition(" |")[0]) == ("failed", "ada@vendor.example has unsubscribed from e-mail")
    assert (len(receivers.mail.mails), len(receivers.workspace.messages)) == (0, 1)
    run(live_book, 60)
    assert (len(receivers.mail.mails), len(receivers.workspace.messages)) == (0, 1)
