"""Uncertain messages that cannot be looked up: reported once by the second channel or a digest, never resent."""

from __future__ import annotations

from pathlib import Path

from include.deliver import holds, uncertain
from include.outbox.message import Message
from tests.deliver.example_messages import action
from tests.deliver.test_deliver import POST, plan, run, states
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import at
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import renewal


def lose_a_mail(book: Book, receivers: Receivers, **changes: object) -> None:
    receivers.mail.answers = {"CONTENT": ""}
    plan(action("email", entity_kind="other", reads=(), **changes))
    run(book)
    receivers.mail.answers = {}
    assert states(book, channel="email", step="30") == {"uncertain": 1}


def test_uncertain_mail_near_the_deadline_is_reported_on_slack(live_book: Book, receivers: Receivers) -> None:
    lose_a_mail(live_book, receivers, deadline=at(13).date())
    (posted,) = receivers.workspace.messages
    assert "This may be a duplicate: it was sent to you by e-mail" in posted["blocks"][1]["text"]["text"]
    run(live_book, 500)
    assert len(receivers.workspace.messages) == 1 and len(receivers.mail.mails) == 1
    assert live_book.outbox(channel="email")[0].state == "uncertain"


def test_uncertain_mail_far_from_the_deadline_is_reported_in_a_digest(live_book: Book, receivers: Receivers) -> None:
    lose_a_mail(live_book, receivers)
    (digest,) = live_book.outbox(rule=uncertain.DIGEST)
    assert (digest.channel, digest.recipient, digest.state) == ("slack", "ada@vendor.example", "sent")
    said = Message.model_validate(digest.body)
    assert said.subject == "1 message may not have reached you"
    assert "Customer 1: 30 days to the renewal date (decision by 16 Dec 2026)" in said.evidence[0].text
    run(live_book, 500)
    assert len(receivers.workspace.messages) == 1 and len(receivers.mail.mails) == 1


def test_uncertain_digest_is_sent_daily(live_book: Book, receivers: Receivers) -> None:
    lose_a_mail(live_book, receivers)
    receivers.mail.answers = {"CONTENT": ""}
    plan(action("email", step="14", entity_kind="other", reads=()))
    run(live_book, 10)
    receivers.mail.answers = {}
    assert len(live_book.outbox(rule=uncertain.DIGEST)) == 1
    run(live_book, 60 * 24)
    assert len(live_book.outbox(rule=uncertain.DIGEST)) == 2
    run(live_book, 60 * 24 + 5)
    assert len(receivers.workspace.messages) == 2


def test_no_report_when_the_message_also_went_to_slack(live_book: Book, receivers: Receivers) -> None:
    receivers.mail.answers = {"CONTENT": ""}
    live_book.renewals(renewal(1, days=13))
    live_book.decide()
    run(live_book)
    receivers.mail.answers = {}
    run(live_book, 100)
    (mail,), (posted,) = live_book.outbox(channel="email"), live_book.outbox(channel="slack")
    assert (mail.state, mail.notified_by, posted.state) == ("uncertain", posted.key, "sent")
    assert len(receivers.workspace.messages) == 1 and len(receivers.mail.mails) == 1


def test_uncertain_digest_is_a_mail_without_a_second_channel(
    live_book: Book, receivers: Receivers, overlay: Path
) -> None:
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("slack: {dry_run: false}", "slack: {dry_run: true}"))
    lose_a_mail(live_book, receivers, deadline=at(5).date())
    assert live_book.outbox(rule=uncertain.DIGEST)[0].channel == "email"
    assert len(receivers.mail.mails) == 2


def test_uncertain_slack_post_without_history_is_reported_by_mail(live_book: Book, receivers: Receivers) -> None:
    holds.release("slack", "new", "me", live_book.now)
    receivers.workspace.may_read_history = False
    receivers.slack.faults[POST] = ["drop"]
    plan(action("slack", entity_kind="other", reads=(), deadline=at(3).date()))
    run(live_book)
    assert {row.channel: row.state for row in live_book.outbox()} == {"slack": "uncertain", "email": "sent"}
    assert b"may be a duplicate" in receivers.mail.mails[0].replace(b"=\r\n", b"")
    run(live_book, 100)
    assert len(receivers.workspace.messages) == 1 and len(receivers.mail.mails) == 1
