"""Messages to rooms by a Slack webhook or the robot of a group, without personal data."""

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
from include.deliver.channels.robots import ROBOTS
from include.outbox import personal_data
from include.outbox.message import Evidence, Link
from tests.deliver.example_messages import MESSAGE, delivery
from tests.fixtures.receivers import skip_retry_waits
from tests.fixtures.vendor_server import Answer, Call, Stub, serve

FLOW = "/workflows/f10w/triggers/manual/paths/invoke"
# Channel -> the path below its host, the password, and the path of the call.
ROOMS = {
    "slack": ("/services", "T1/B1/verysecret", "/services/T1/B1/verysecret"),
    "wecom": ("", "verysecret", "/cgi-bin/webhook/send"),
    "feishu": ("", "verysecret", "/open-apis/bot/v2/hook/verysecret"),
    "dingtalk": ("", "verysecret", "/robot/send"),
    "teams": ("", f"{FLOW}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sig=verysecret", FLOW),
}
OK: dict[str, Answer] = {
    "slack": (200, "ok"),
    "wecom": (200, {"errcode": 0, "errmsg": "ok"}),
    "feishu": (200, {"code": 0, "msg": "success", "data": {}}),
    "dingtalk": (200, {"errcode": 0, "errmsg": "ok"}),
    "teams": (202, None),
}
WRONG_KEY: dict[str, Answer] = {
    "slack": (403, "invalid_token"),
    "wecom": (200, {"errcode": 93000, "errmsg": "invalid webhook url"}),
    "feishu": (200, {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}),
    "dingtalk": (200, {"errcode": 300005, "errmsg": "token is not exist"}),
    "teams": (401, {"error": {"code": "DirectApiAuthorizationRequired", "message": "Shared Access scheme."}}),
}


@dataclass
class Rooms:
    """Rooms of all vendors. ``answers`` replaces the next responses."""

    posted: list[Any] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def answer(self, call: Call) -> Answer:
        """Respond to a call."""
        if self.answers:
            return self.answers.pop(0)
        name = next(name for name, (_, _, path) in ROOMS.items() if call.path[:9] == path[:9])
        key = "".join([call.path, *(call.query.get(given, "") for given in ("key", "access_token", "sig"))])
        if not key.endswith("verysecret"):
            return WRONG_KEY[name]
        self.posted.append(call.body)
        return OK[name]


def connect(monkeypatch: pytest.MonkeyPatch, name: str, url: str, password: str = "", **extra: str) -> None:
    path, right, _ = ROOMS[name]
    kind = "slack" if name == "slack" else "generic"
    connection = {"conn_type": kind, "host": f"{url}{path}", "password": password or right, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))


@pytest.fixture
def rooms(
    socket_enabled: None, no_waiting: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Rooms, Stub]]:
    made = Rooms()
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    skip_retry_waits(monkeypatch)
    with serve(made.answer) as stub:
        for name in ROOMS:
            connect(monkeypatch, name, stub.url)
        yield made, stub


def _delivery(**changes: Any) -> Any:
    named = MESSAGE.model_copy(
        update={
            "subject": f"{personal_data.personal('Bo Li')} of Customer 1 has left",
            "evidence": (Evidence(text=f"{personal_data.personal('Bo Li')} decided."), *MESSAGE.evidence),
        }
    )
    return delivery(body=named.model_dump(mode="json"), address="x", **changes)


def _long(name: str, evidence: tuple[Evidence, ...], **changes: Any) -> Any:
    body = MESSAGE.model_copy(update={"evidence": evidence, **changes}).model_dump(mode="json")
    return delivery(channel=name, address="group", body=body)


@pytest.mark.parametrize("name", ROOMS)
def test_room_message_names_its_addressee_and_no_personal_data(rooms: tuple[Rooms, Stub], name: str) -> None:
    channel = open_channel(name, load())
    sent = _delivery(channel=name)
    assert channel.send([sent])[sent.key].state == "sent"
    (posted,) = rooms[0].posted
    assert "ada" in str(posted) and "Customer 1" in str(posted) and "(name withheld)" in str(posted)
    assert "https://crm.example/company/1?a=1" in str(posted)
    assert "Bo Li" not in str(posted)
    assert message_of(sent).subject == "Bo Li of Customer 1 has left"
    # Rooms have no history API and no recall.
    assert channel.find("x", sent.sending_at) is None and channel.take_back([sent])[sent.key]
    channel.close()


@pytest.mark.parametrize("name", ROOMS)
@pytest.mark.parametrize(("fault", "state"), [("drop", "uncertain"), ("hang", "uncertain"), (500, "uncertain")])
def test_broken_connection_leaves_the_delivery_uncertain(
    rooms: tuple[Rooms, Stub], name: str, fault: str | int, state: str
) -> None:
    rooms[1].faults[ROOMS[name][2]] = [fault]
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
        ("feishu", (200, {"code": 11232, "msg": "frequency limited psm"}), "later"),
        ("feishu", (400, {"code": 9499, "msg": "too many request"}), "later"),
        ("feishu", (400, {"code": 9499, "msg": "Bad Request"}), "refused"),
        ("feishu", (200, ["nonsense"]), "uncertain"),
        ("dingtalk", (200, {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}), "later"),
        ("dingtalk", (200, {"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"}), "refused"),
        ("dingtalk", (200, {"errcode": -1, "errmsg": "系统繁忙"}), "uncertain"),
        ("teams", (200, "what the flow's author answers"), "sent"),
        ("teams", (400, {"error": {"code": "TriggerInputSchemaMismatch", "message": "no"}}), "refused"),
        ("teams", (400, "nonsense"), "refused"),
    ],
)
def test_vendor_response_sets_the_outcome(rooms: tuple[Rooms, Stub], name: str, answer: Answer, state: str) -> None:
    rooms[0].answers = [answer]
    channel, sent = open_channel(name, load()), _delivery(channel=name)
    assert channel.send([sent])[sent.key].state == state
    channel.close()


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("wecom", (404, "no such page")),
        ("feishu", (200, {"code": 19021, "msg": "sign match fail or timestamp is not within one hour"})),
        ("feishu", (200, {"code": 19022, "msg": "Ip Not Allowed"})),
        ("feishu", (200, {"code": 19024, "msg": "Key Words Not Found"})),
        ("dingtalk", (200, {"errcode": 310000, "errmsg": "keywords not in content"})),
        ("dingtalk", (200, {"errcode": 400102, "errmsg": "bot is stopped"})),
        ("teams", (400, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "state 'Deleted'"}})),
        ("teams", (403, {"error": {"code": "Forbidden"}})),
        ("teams", (404, {"error": {"code": "WorkflowNotFound"}})),
    ],
)
def test_closed_robot_stops_the_channel_with_a_cure(rooms: tuple[Rooms, Stub], name: str, answer: Answer) -> None:
    rooms[0].answers = [answer]
    channel, sent = open_channel(name, load()), _delivery(channel=name)
    with pytest.raises(AuthError) as caught:
        channel.send([sent])
    assert f"(connection {name})" in caught.value.cure
    channel.close()


@pytest.mark.parametrize("name", ROOMS)
def test_wrong_secret_stops_the_channel_and_is_not_shown(
    rooms: tuple[Rooms, Stub], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, name, rooms[1].url, ROOMS[name][1].replace("very", "wrong"))
    channel, sent = open_channel(name, load()), _delivery(channel=name)
    with pytest.raises(AuthError) as caught:
        channel.send([sent])
    assert "wrongsecret" not in str(caught.value)
    if name == "slack":
        rooms[0].answers = [(410, "channel_is_archived")]
        with pytest.raises(ConfigError, match="no longer accepts"):
            channel.send([sent])
    channel.close()


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("fault", ["a whole URL", "another key", "a secret in the host"])
def test_misplaced_secret_is_refused_before_any_call_and_not_shown(
    rooms: tuple[Rooms, Stub], name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, path = rooms[1].url, "/verysecret" if name == "teams" else ROBOTS[name].path
    if fault == "a secret in the host":
        host = f"{url}{path}?key=verysecret" if name != "feishu" else f"{url}{path}/verysecret"
        connect(monkeypatch, name, host)
    else:
        connect(monkeypatch, name, url, f"{url}{path}/verysecret" if fault == "a whole URL" else "very secret")
    with pytest.raises(ConfigError) as caught:
        open_channel(name, load())
    assert "very" not in str(caught.value) and rooms[1].calls == []


@pytest.mark.parametrize("name", ROBOTS)
def test_long_messages_are_split_and_hostile_names_are_inert(rooms: tuple[Rooms, Stub], name: str) -> None:
    hostile = "<@all> <at id=all></at> [click](http://evil.example) **x** \n# 张三 <font color='red'> @13800000000"
    channel, count = open_channel(name, load()), ROBOTS[name].room // 60
    evidence = tuple(Evidence(text=f"{number}: {hostile}") for number in range(count))
    long_link = Link(label="A long link", url=f"https://crm.example/{'x' * 3000}")
    sent = _long(name, evidence, subject=hostile * 9, links=(long_link,))
    assert channel.send([sent])[sent.key].state == "sent"
    posted = list(rooms[0].posted)
    texts = [_text(name, body) for body in posted]
    assert len(posted) > 1 and max(_bytes(name, body) for body in posted) <= MOST_BYTES[name]
    assert f"(1/{len(posted)})" in texts[0] and f"({len(posted)}/{len(posted)})" in texts[-1]
    text = "\n".join(texts)
    assert all(f"{number}: " in text for number in range(count)) and "A long link" in text
    assert "<" not in text and "http://" not in text and "x" * 3000 not in text
    if name in ("wecom", "dingtalk"):
        assert "[click]" not in text and "\n# " not in text and "@" not in text and "**x" not in text
    sent = _long(name, (), summary="é" * 30_000)
    assert channel.send([sent])[sent.key].state == "sent"
    assert any("é…" in _text(name, body) for body in rooms[0].posted[len(posted) :])
    assert max(_bytes(name, body) for body in rooms[0].posted) <= MOST_BYTES[name]
    channel.close()


MOST_BYTES = {"wecom": 4096, "feishu": 20_000, "dingtalk": 20_000, "teams": 28_672}


def _bytes(name: str, body: Any) -> int:
    """Return the size that the vendor limits."""
    if name == "wecom":
        return len(body["markdown"]["content"].encode())
    if name == "teams":
        return len(json.dumps(json.dumps(body["attachments"][0]["content"])))
    return len(json.dumps(body, ensure_ascii=False).encode())


def _text(name: str, body: Any) -> str:
    """Return what people read."""
    if name == "wecom":
        return str(body["markdown"]["content"])
    if name == "dingtalk":
        return f"{body['markdown']['title']}\n{body['markdown']['text']}"
    if name == "feishu":
        post = body["content"]["post"]["zh_cn"]
        return "\n".join([post["title"], *("".join(run["text"] for run in line) for line in post["content"])])
    blocks = body["attachments"][0]["content"]["body"]
    runs = [run for block in blocks for run in block.get("inlines", ())]
    assert {run["type"] for run in runs} == {"TextRun"}
    return "\n".join(str(run["text"]) for run in runs)


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.parametrize("fault", ["refused", "closed", "throttled"])
def test_failed_second_part_leaves_the_message_uncertain(rooms: tuple[Rooms, Stub], name: str, fault: str) -> None:
    number_of_lines = ROBOTS[name].room // 150
    sent = _long(name, tuple(Evidence(text=f"{number} {'x' * 200}") for number in range(number_of_lines)))
    channel = open_channel(name, load())
    second: Answer = {"refused": (413, {}), "closed": WRONG_KEY[name], "throttled": (429, {})}[fault]
    rooms[0].answers = [OK[name], *[second] * 6]
    outcome = channel.send([sent])[sent.key]
    assert outcome.state == "uncertain" and outcome.reason.startswith("part 2 of")
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
    assert personal_data.shown(f"a {marked} b", True) == "a (name withheld) b"
    assert personal_data.shown({"x": [f"{marked}", 1, None]}, False) == {"x": ["Bo Li", 1, None]}
    assert personal_data.personal(None) is None
