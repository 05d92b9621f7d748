"""Delivery end to end: once or marked uncertain, and never on a hold, a closed signal or bad data."""

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
from tests.deliver.example_messages import action
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


def test_every_delivery_arrives_once(live_book: Book, receivers: Receivers) -> None:
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


def test_command_dry_run_sends_nothing(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide()
    result = deliver.deliver(dry_run=True, now=live_book.now)
    assert result.channels == {"slack": {"due": 1}, "email": {"due": 1}, "crm_task": {"due": 4}}
    assert receivers.received() == []


# Holds.


def test_new_store_holds_mails_until_released(book: Book, receivers: Receivers) -> None:
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


def test_restored_store_sends_no_duplicates(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide()
    run(live_book)
    before = receivers.received()
    # The state of a backup from before the decision, restored on another server:
    for table in ("outbox", "episode", "decision", "compared_address", "found_outside"):
        live_book._execute(f"delete from ops.{table}")
    live_book._execute("update ops.channel set store_mark = 'the other server'")
    live_book.decide(decision_id="restored")
    result = run(live_book, 60)
    assert result.channels["slack"]["found_outside"] == 1
    assert receivers.received() == before
    assert states(live_book, channel="slack") == {"sent": 1} and states(live_book, channel="crm_task") == {"sent": 4}
    assert states(live_book, channel="email") == {"planned": 1}  # held until released manually
    # A delivery planned only now, but received before, is recognised too.
    assert live_book.outbox(channel="slack")[0].reason == "found in the outside system"


def test_unreadable_history_keeps_slack_on_hold_until_released(live_book: Book, receivers: Receivers) -> None:
    receivers.workspace.may_read_history = False
    live_book.renewals(renewal(1))
    live_book.decide()
    run(live_book)
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "planned" and "channel release slack" in row.reason
    holds.release("slack", "a new workspace", "me", live_book.now)
    run(live_book, 2)
    assert states(live_book, channel="slack") == {"sent": 1}


def test_manual_hold_ends_only_by_a_manual_release(live_book: Book, receivers: Receivers) -> None:
    holds.hold("slack", "the workspace moves", "me", live_book.now)
    live_book.renewals(renewal(1))
    live_book.decide()
    assert run(live_book).channels["slack"] == {"waiting": 1}
    assert receivers.workspace.messages == []
    live_book.set_clock(at(8))
    run(live_book)
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "expired" and "on hold" in row.reason


def test_channel_set_back_to_dry_run_sends_nothing(live_book: Book, receivers: Receivers, overlay: Path) -> None:
    live_book.renewals(renewal(1))
    live_book.decide()
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("slack: {dry_run: false}", "slack: {dry_run: true}"))
    assert run(live_book).channels["slack"] == {"waiting": 1}
    assert receivers.workspace.messages == []


# Checks just before sending.


def test_source_gone_red_since_holds_its_deliveries(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1))
    live_book.decide()
    live_book.verdict("support", "support", "red", NOW, "broken")
    assert run(live_book).n_sent == 0
    assert "broken" in live_book.outbox(channel="slack")[0].reason
    # The next decision renders it without the red source, and it is sent.
    assert live_book.decide(decision_id="next").n_refreshed == 3
    assert run(live_book, 2).n_sent == 3


def test_plain_notice_is_sent_while_the_crm_is_red(live_book: Book, receivers: Receivers) -> None:
    live_book.verdict("crm", "crm", "red", NOW, "x")
    live_book.renewals(renewal(1, days=13))
    live_book.decide()
    assert run(live_book).n_sent == 4
    assert len({message["channel"] for message in receivers.workspace.messages}) == 2


def test_changes_since_the_decision_are_rechecked(live_book: Book, receivers: Receivers) -> None:
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


def test_late_delivery_expires(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1))
    live_book.decide()
    live_book.pass_time(at(8))
    run(live_book)
    assert states(live_book) == {"expired": 3}
    assert receivers.received() == []


# Failures.


@pytest.mark.parametrize("fault", ["drop", "hang"])
def test_post_with_a_lost_response_is_found_and_not_repeated(live_book: Book, receivers: Receivers, fault: str) -> None:
    receivers.slack.faults[POST] = [fault]
    live_book.renewals(renewal(1))
    live_book.decide()
    result = run(live_book)
    assert result.channels["slack"]["resolved as sent"] == 1
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "sent" and row.external_id.startswith("DU1/")
    assert len(receivers.workspace.messages) == 1


def test_lost_post_is_resent_once_it_is_certain(live_book: Book, receivers: Receivers) -> None:
    receivers.slack.faults[POST] = ["refuse"]
    live_book.renewals(renewal(1))
    live_book.decide()
    run(live_book)
    assert states(live_book, channel="slack") == {"uncertain": 1}
    run(live_book, 2)  # too soon: it may still arrive
    assert states(live_book, channel="slack") == {"uncertain": 1}
    run(live_book, 5)
    assert states(live_book, channel="slack") == {"sent": 1}
    assert len(receivers.workspace.messages) == 1


def test_wrong_token_stops_only_its_channel(live_book: Book, receivers: Receivers) -> None:
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


def test_missing_connection_stops_only_its_channel(
    live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SLACK")
    live_book.renewals(renewal(1))
    live_book.decide()
    with pytest.raises(ConfigError, match="connection slack"):
        run(live_book)
    assert states(live_book, channel="email") == {"sent": 1}


def test_unavailable_mail_server_is_retried_later(live_book: Book, receivers: Receivers) -> None:
    receivers.mail.answers = {"MAIL": ""}
    live_book.renewals(renewal(1))
    live_book.decide()
    with pytest.raises(Unavailable):
        run(live_book)
    receivers.mail.answers = {}
    run(live_book, 1)  # the pause has not ended
    assert states(live_book, channel="email") == {"planned": 1}
    run(live_book, 5)
    assert states(live_book, channel="email") == {"sent": 1}


def test_recipient_unknown_to_slack_gets_a_mail(live_book: Book, receivers: Receivers) -> None:
    live_book.renewals(renewal(1, owner_email="stranger@vendor.example"))
    live_book.decide()
    run(live_book)
    (row,) = live_book.outbox(channel="slack")
    assert row.state == "failed" and "same e-mail address" in row.reason
    assert states(live_book, channel="email") == {"sent": 1}


def test_rejected_message_uses_the_second_channel(live_book: Book, receivers: Receivers) -> None:
    receivers.workspace.next_error = "is_archived"
    plan(action("slack", entity_kind="other", reads=()))
    run(live_book)
    assert {row.channel: row.state for row in live_book.outbox()} == {"slack": "failed", "email": "sent"}


def test_case_54_one_rejected_address_does_not_affect_others(live_book: Book, receivers: Receivers) -> None:
    receivers.mail.answers = {"RCPT": "550 5.1.1 unknown user"}
    plan(action("email", entity_kind="other", reads=()))
    run(live_book)
    receivers.mail.answers = {}
    plan(action("email", step="14", entity_kind="other", reads=()))
    run(live_book, 2)
    assert {row.step: row.state for row in live_book.outbox(channel="email")} == {"30": "failed", "14": "sent"}


def test_delivery_in_an_old_format_does_not_affect_others(live_book: Book, receivers: Receivers) -> None:
    plan(action("slack", entity_kind="other", reads=(), body={"old": "form"}))
    plan(action("slack", step="14", entity_kind="other", reads=()))
    plan(action("crm_task", entity_kind="other", reads=(), body={"subject": "x"}))
    run(live_book)
    assert {(row.channel, row.step): row.state for row in live_book.outbox() if row.channel != "email"} == {
        ("slack", "30"): "failed",
        ("slack", "14"): "sent",
        ("crm_task", "30"): "failed",
    }


def test_channel_defect_sends_nothing_twice(
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


def test_only_one_sender_runs_at_a_time(live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "_LOCK_PATIENCE_SECONDS", 0.1)
    live_book.renewals(renewal(1))
    live_book.decide()
    with deliver._sender_lock() as alone:
        assert alone is not None
        assert run(live_book).is_busy
    assert receivers.received() == []
    assert run(live_book).n_sent == 3


def test_pass_at_its_time_limit_exits_cleanly_and_the_next_continues(live_book: Book, receivers: Receivers) -> None:
    plan(
        *(
            action(channel, entity_kind="metric", entity_id=str(number), reads=(), deadline=None)
            for channel in ("slack", "email", "crm_task")
            for number in range(3)
        )
    )

    def one_pass(minutes: int) -> deliver.Delivered:
        return deliver.deliver(now=live_book.now + timedelta(minutes=minutes), seconds=0)

    # Each channel gets a turn: one message, one mail, and tasks in one call.
    assert [(done.n_sent, done.n_left) for done in map(one_pass, range(1, 4))] == [(5, 4), (2, 2), (2, 0)]
    assert receivers.received() == sorted(row.key for row in live_book.outbox())


def test_channels_are_served_in_turn(live_book: Book, receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_email_opt_out_gets_the_message_on_the_second_channel_only(
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
    # Mails planned before the opt-out are not sent either, and Slack gets the message once.
    (mail,) = live_book.outbox(channel="email")
    assert (mail.state, mail.reason.partition(" |")[0]) == ("failed", "ada@vendor.example has unsubscribed from e-mail")
    assert (len(receivers.mail.mails), len(receivers.workspace.messages)) == (0, 1)
    run(live_book, 60)
    assert (len(receivers.mail.mails), len(receivers.workspace.messages)) == (0, 1)
