"""Messages to rooms by a Slack webhook or a WeCom group robot, without personal data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from include.common.errors import AuthError, ConfigError
from include.config import load
from include.deliver.channels import open_channel
from include.deliver.channels.base import message_of
from include.deliver.channels.email import EmailChannel
from include.deliver.channels.robots.wecom import MAX_BYTES, WeCom
from include.deliver.channels.slack_webhook import SlackWebhook
from include.outbox import personal_data
from include.outbox.message import Evidence
from include.sandbox.wecom import GROUP
from tests.deliver.letters import MESSAGE, delivery
from tests.fixtures.receivers import skip_retry_waits
from tests.fixtures.sandbox import SandboxProcess
from tests.fixtures.vendor_server import Answer, Call, Stub, serve

SECRET = "T1/B1/verysecret"


@dataclass
class Rooms:
    """A webhook and a robot. ``answers`` replaces the next responses."""

    posted: list[Any] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def answer(self, call: Call) -> Answer:
        """Respond to a call."""
        if self.answers:
            return self.answers.pop(0)
        if call.path.startswith("/services/"):
            if call.path != f"/services/{SECRET}":
                return 403, "invalid_token"
            self.posted.append(call.body)
            return 200, "ok"
        if call.query.get("key") != "verysecret":
            return 200, {"errcode": 93000, "errmsg": "invalid webhook url"}
        if len(call.body["markdown"]["content"].encode()) > 4096:
            return 200, {"errcode": 40058, "errmsg": "too long"}
        self.posted.append(call.body)
        return 200, {"errcode": 0, "errmsg": "ok"}


@pytest.fixture
def rooms(socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Rooms, Stub]]:
    made = Rooms()
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    skip_retry_waits(monkeypatch)
    with serve(made.answer) as stub:
        webhook = {"conn_type": "slack", "host": f"{stub.url}/services", "password": SECRET}
        robot = {"conn_type": "generic", "host": stub.url, "password": "verysecret"}
        monkeypatch.setenv("AIRFLOW_CONN_SLACK", json.dumps(webhook))
        monkeypatch.setenv("AIRFLOW_CONN_WECOM", json.dumps(robot))
        yield made, stub


def _delivery(**changes: Any) -> Any:
    named = MESSAGE.model_copy(
        update={
            "subject": f"{personal_data.personal('Bo Li')} of Customer 1 has left",
            "evidence": (Evidence(text=f"{personal_data.personal('Bo Li')} decided."), *MESSAGE.evidence),
        }
    )
    return delivery(body=named.model_dump(mode="json"), address="x", **changes)


@pytest.mark.parametrize(("name", "kind"), [("slack", SlackWebhook), ("wecom", WeCom)])
def test_room_message_names_its_addressee_and_no_personal_data(
    rooms: tuple[Rooms, Stub], name: str, kind: type[Any]
) -> None:
    channel = open_channel(name, load())
    assert isinstance(channel, kind)
    sent = _delivery(channel=name)
    assert channel.send([sent])[sent.key].state == "sent"
    (posted,) = rooms[0].posted
    assert "ada" in str(posted) and "Customer 1" in str(posted) and personal_data.HIDDEN in str(posted)
    assert "Bo Li" not in str(posted)
    assert message_of(sent).subject == "Bo Li of Customer 1 has left"
    # Rooms have no history API and no recall.
    assert channel.find("x", sent.sending_at) is None and channel.take_back([sent])[sent.key]
    channel.close()


@pytest.mark.parametrize("name", ["slack", "wecom"])
@pytest.mark.parametrize(("fault", "state"), [("drop", "uncertain"), ("hang", "uncertain"), (500, "uncertain")])
def test_broken_connection_leaves_the_delivery_uncertain(
    rooms: tuple[Rooms, Stub], name: str, fault: str | int, state: str
) -> None:
    path = f"/services/{SECRET}" if name == "slack" else "/cgi-bin/webhook/send"
    rooms[1].faults[path] = [fault]
    channel, sent = open_channel(name, load()), _delivery(channel=name)
    outcome = channel.send([sent])[sent.key]
    assert (outcome.state, "verysecret" in outcome.reason) == (state, False)
    channel.close()


@pytest.mark.parametrize(
    ("name", "answer", "state"),
    [
        ("slack", (400, "invalid_payload"), "refused"),
        ("wecom", (200, {"errcode": 45009, "errmsg": "api freq out of limit"}), "later"),
        ("wecom", (200, {"errcode": 40058, "errmsg": "too long"}), "refused"),
        ("wecom", (200, {"errcode": -1, "errmsg": "system busy"}), "uncertain"),
        ("wecom", (200, "nonsense"), "uncertain"),
    ],
)
def test_vendor_response_sets_the_outcome(rooms: tuple[Rooms, Stub], name: str, answer: Answer, state: str) -> None:
    rooms[0].answers = [answer]
    channel, sent = open_channel(name, load()), _delivery(channel=name)
    assert channel.send([sent])[sent.key].state == state
    channel.close()


@pytest.mark.parametrize("name", ["slack", "wecom"])
def test_wrong_secret_stops_the_channel_and_is_not_shown(
    rooms: tuple[Rooms, Stub], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {
        "conn_type": "slack" if name == "slack" else "generic",
        "password": "T1/B1/wrongsecret" if name == "slack" else "wrongsecret",
    }
    connection["host"] = f"{rooms[1].url}/services" if name == "slack" else rooms[1].url
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    channel, sent = open_channel(name, load()), _delivery(channel=name)
    with pytest.raises(AuthError) as caught:
        channel.send([sent])
    assert "wrongsecret" not in str(caught.value)
    rooms[0].answers = [(410, "channel_is_archived")]
    if name == "slack":
        with pytest.raises(ConfigError, match="no longer accepts"):
            channel.send([sent])
    channel.close()


def _long(evidence: tuple[Evidence, ...], **changes: Any) -> Any:
    body = MESSAGE.model_copy(update={"evidence": evidence, **changes}).model_dump(mode="json")
    return delivery(channel="wecom", address="group", body=body)


def test_long_messages_are_split_and_hostile_names_are_inert(rooms: tuple[Rooms, Stub]) -> None:
    name = "<@all> [click](http://evil.example) **x** \n# 张三 <font color='red'>"
    channel = open_channel("wecom", load())
    sent = _long(tuple(Evidence(text=f"{number}: {name}") for number in range(60)), subject=name * 9)
    assert channel.send([sent])[sent.key].state == "sent"
    parts = [posted["markdown"]["content"] for posted in rooms[0].posted]
    assert len(parts) > 1 and all(len(part.encode()) <= MAX_BYTES for part in parts)
    text = "\n".join(parts)
    assert all(f"{number}: " in text for number in range(60))
    assert "<@" not in text and "[click]" not in text and "<font" not in text and "\n# " not in text
    assert parts[0].startswith(f"**(1/{len(parts)}) ")
    sent = _long((), summary="é" * 9000)
    assert channel.send([sent])[sent.key].state == "sent"
    assert any("é…" in posted["markdown"]["content"] for posted in rooms[0].posted[len(parts) :])
    channel.close()


@pytest.mark.parametrize("answer", [{"errcode": 40058, "errmsg": "too long"}, {"errcode": 93000, "errmsg": "wrong"}])
def test_failed_second_part_leaves_the_message_uncertain(rooms: tuple[Rooms, Stub], answer: Any) -> None:
    sent = _long(tuple(Evidence(text=f"{number} {'x' * 200}") for number in range(40)))
    channel = open_channel("wecom", load())
    rooms[0].answers = [(200, {"errcode": 0, "errmsg": "ok"}), (200, answer)]
    outcome = channel.send([sent])[sent.key]
    assert outcome.state == "uncertain" and outcome.reason.startswith("part 2 of")
    channel.close()


def test_robot_limit_of_20_messages_a_minute(
    sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    sandbox.control("limits", **{"wecom.robot": [20, 60]})
    channel = open_channel("wecom", load())
    assert isinstance(channel, WeCom)
    limiter, clock = channel.client.limiter, [1000.0]
    limiter.clock, limiter.sleep = lambda: clock[0], lambda seconds: clock.append(clock.pop() + seconds)
    deliveries = [delivery(channel="wecom", step=str(number), address="group") for number in range(22)]

    def send(number: int) -> tuple[str, float]:
        """Send a message. Return its outcome and the seconds waited."""
        began = clock[0]
        return channel.send([deliveries[number]])[deliveries[number].key].state, clock[0] - began

    assert [send(number) for number in range(20)] == [("sent", 0.0)] * 20
    # Our limiter waits a minute on a fake clock; the sandbox counts in real time and reports one too many.
    state, waited = send(20)
    assert state == "later" and 59 < waited < 66
    sandbox.control("limits", lift=True)
    state, waited = send(20)
    assert state == "sent" and 59 < waited < 66
    too_long = channel._post(channel.content("", ["x" * 5000]))
    assert too_long.reason.startswith("WeCom answered 40058: markdown.content exceed max length")
    assert len([one for one in sandbox.inbox()["messages"] if one["channel"] == GROUP]) == 21
    channel.key = "another"
    with pytest.raises(AuthError, match="93000"):
        channel.send([deliveries[21]])
    channel.close()


def test_no_email_to_a_person_who_opted_out() -> None:
    from include.common.connections import Connection
    from include.deliver.channels.base import Undeliverable

    channel = EmailChannel(Connection("smtp", host="127.0.0.1"), "P", "p@vendor.example", ("ADA@vendor.example",))
    with pytest.raises(Undeliverable, match="has unsubscribed"):
        channel.address(delivery(channel="email"))
    assert channel.address(delivery(channel="email", recipient="bo@vendor.example")) == "bo@vendor.example"


def test_marker_characters_in_a_hostile_name_are_inert() -> None:
    marked = personal_data.personal("Bo\ue001 Li\ue000")
    assert personal_data.shown(f"a {marked} b", True) == f"a {personal_data.HIDDEN} b"
    assert personal_data.shown({"x": [f"{marked}", 1, None]}, False) == {"x": ["Bo Li", 1, None]}
    assert personal_data.personal(None) is None
