"""Uncertain messages that nobody can look up: notified once, by the second channel or a digest, never repeated."""

from __future__ import annotations

from pathlib import Path

from include.deliver import holds, uncertain
from include.outbox.message import Message
from tests.deliver.letters import action
from tests.deliver.test_deliver import POST, plan, run, states
from tests.fixtures.decision_world import House
from tests.fixtures.decisions import at
from tests.fixtures.outside import Outside
from tests.fixtures.renewal_rows import renewal


def lose_a_mail(house: House, outside: Outside, **changes: object) -> None:
    outside.mail.answers = {"CONTENT": ""}
    plan(action("email", entity_kind="other", reads=(), **changes))
    run(house)
    outside.mail.answers = {}
    assert states(house, channel="email", step="30") == {"uncertain": 1}


def test_a_mail_in_doubt_near_the_deadline_is_told_over_slack(open_house: House, outside: Outside) -> None:
    lose_a_mail(open_house, outside, deadline=at(13).date())
    (posted,) = outside.workspace.messages
    assert "This may be a repeat: it was sent to you by e-mail" in posted["blocks"][1]["text"]["text"]
    run(open_house, 500)
    assert len(outside.workspace.messages) == 1 and len(outside.mail.mails) == 1
    assert open_house.outbox(channel="email")[0].state == "uncertain"


def test_a_mail_in_doubt_far_from_the_deadline_is_told_in_a_digest(open_house: House, outside: Outside) -> None:
    lose_a_mail(open_house, outside)
    (digest,) = open_house.outbox(rule=uncertain.DIGEST)
    assert (digest.channel, digest.recipient, digest.state) == ("slack", "ada@vendor.example", "sent")
    said = Message.model_validate(digest.body)
    assert said.subject == "1 message may not have reached you"
    assert "Customer 1: 30 days to the renewal date (decision by 2026-12-16)" in said.evidence[0].text
    run(open_house, 500)
    assert len(outside.workspace.messages) == 1 and len(outside.mail.mails) == 1


def test_a_digest_a_day(open_house: House, outside: Outside) -> None:
    lose_a_mail(open_house, outside)
    outside.mail.answers = {"CONTENT": ""}
    plan(action("email", step="14", entity_kind="other", reads=()))
    run(open_house, 10)
    outside.mail.answers = {}
    assert len(open_house.outbox(rule=uncertain.DIGEST)) == 1
    run(open_house, 60 * 24)
    assert len(open_house.outbox(rule=uncertain.DIGEST)) == 2
    run(open_house, 60 * 24 + 5)
    assert len(outside.workspace.messages) == 2


def test_when_the_same_message_went_over_slack_nobody_is_told_a_third_time(open_house: House, outside: Outside) -> None:
    outside.mail.answers = {"CONTENT": ""}
    open_house.renewals(renewal(1, days=13))
    open_house.decide()
    run(open_house)
    outside.mail.answers = {}
    run(open_house, 100)
    (mail,), (posted,) = open_house.outbox(channel="email"), open_house.outbox(channel="slack")
    assert (mail.state, mail.notified_by, posted.state) == ("uncertain", posted.key, "sent")
    assert len(outside.workspace.messages) == 1 and len(outside.mail.mails) == 1


def test_without_a_second_channel_the_digest_is_a_mail(open_house: House, outside: Outside, overlay: Path) -> None:
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("slack: {dry_run: false}", "slack: {dry_run: true}"))
    lose_a_mail(open_house, outside, deadline=at(5).date())
    assert open_house.outbox(rule=uncertain.DIGEST)[0].channel == "email"
    assert len(outside.mail.mails) == 2


def test_a_slack_post_in_doubt_without_history_is_told_by_mail(open_house: House, outside: Outside) -> None:
    holds.release("slack", "new", "me", open_house.now)
    outside.workspace.may_read_history = False
    outside.slack.faults[POST] = ["drop"]
    plan(action("slack", entity_kind="other", reads=(), deadline=at(3).date()))
    run(open_house)
    assert {row.channel: row.state for row in open_house.outbox()} == {"slack": "uncertain", "email": "sent"}
    assert b"may be a repeat" in outside.mail.mails[0].replace(b"=\r\n", b"")
    run(open_house, 100)
    assert len(outside.workspace.messages) == 1 and len(outside.mail.mails) == 1
