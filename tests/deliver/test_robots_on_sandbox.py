"""The robots of groups against the sandbox, which keeps the vendors' limits and checks their signatures."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.common.errors import AuthError
from include.config import load
from include.deliver.channels.robots import ROBOTS
from include.deliver.channels.robots.channel import RobotChannel
from include.deliver.render.rooms import Line, Run
from include.outbox.message import Evidence
from include.sandbox.limits import DEFAULTS
from include.sandbox.robots import GROUPS
from tests.deliver.example_messages import MESSAGE, delivery
from tests.fixtures.sandbox import NOW, SandboxProcess

LIMITS = {"wecom": "wecom.robot", "feishu": "feishu.minute", "dingtalk": "dingtalk.robot", "teams": "teams.flow_bot"}


@pytest.fixture(params=ROBOTS)
def robot(request: pytest.FixtureRequest, sandbox: SandboxProcess, home: Path) -> RobotChannel:
    return ROBOTS[request.param].connect(load())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    return tmp_path


def send(channel: RobotChannel, number: int = 0, **changes: Any) -> str:
    body = MESSAGE.model_copy(update=changes).model_dump(mode="json")
    sent = delivery(channel=channel.name, step=str(number), address="group", body=body)
    return channel.send([sent])[sent.key].state


def arrived(sandbox: SandboxProcess, channel: RobotChannel) -> list[str]:
    messages = sandbox.inbox()["messages"]
    assert {one["vendor"] for one in messages} <= {channel.label()}
    return [one["text"] for one in messages if one["channel"] == GROUPS[channel.name]]


def test_message_of_any_length_arrives_whole(robot: RobotChannel, sandbox: SandboxProcess) -> None:
    assert send(robot) == "sent"
    (text,) = arrived(sandbox, robot)
    assert MESSAGE.summary in text and "https://crm.example/company/1?a=1&b=2" in text
    count = robot.room // 100
    assert send(robot, evidence=tuple(Evidence(text=f'{n}: 客户 "é" {"x" * 99}') for n in range(count))) == "sent"
    text = "\n".join(arrived(sandbox, robot))
    assert [n for n in range(count) if f"{n}: 客户" not in text] == []
    robot.close()


def test_own_limit_is_no_higher_than_the_vendors(robot: RobotChannel, sandbox: SandboxProcess) -> None:
    for calls, seconds in (DEFAULTS[name] for name in DEFAULTS if name.partition(".")[0] == robot.name):
        assert robot.limit.calls / robot.limit.seconds <= calls / seconds and robot.limit.calls <= calls
    robot.close()


def test_throttled_robot_pauses_and_sends_later(robot: RobotChannel, sandbox: SandboxProcess) -> None:
    sandbox.control("limits", **{LIMITS[robot.name]: [1, 3600]})
    assert send(robot) == "sent"
    began = robot.client.limiter.clock()
    if robot.name == "teams":
        # The flow's failure comes after the answer. Nobody learns of it but the flow's owner.
        assert send(robot, 1) == "sent" and len(arrived(sandbox, robot)) == 1
    else:
        assert send(robot, 1) == "later"
        sandbox.control("limits", lift=True)
        assert send(robot, 1) == "sent" and len(arrived(sandbox, robot)) == 2
        assert robot.client.limiter.clock() - began >= robot.pause_seconds
    robot.close()


def test_too_long_message_is_refused(robot: RobotChannel, sandbox: SandboxProcess) -> None:
    content = robot.content("x", [robot.show(Line((Run("x" * 30_000),)))])
    # Teams accepts it, and the flow fails.
    assert robot._post(content).state == ("sent" if robot.name == "teams" else "refused")
    assert arrived(sandbox, robot) == []
    robot.close()


@pytest.mark.parametrize("robot", ["feishu", "dingtalk"], indirect=True)
def test_signature_is_valid_for_an_hour(robot: RobotChannel, sandbox: SandboxProcess) -> None:
    now, secret = datetime.fromisoformat(NOW), robot.signing_secret
    for minutes in (-61, 61):
        robot.now = lambda minutes=minutes: now + timedelta(minutes=minutes)  # type: ignore[misc]
        with pytest.raises(AuthError, match="timestamp"):
            send(robot)
    robot.now = lambda: now + timedelta(minutes=59)
    assert send(robot) == "sent"
    for wrong in ("", f"{secret}x"):
        robot.signing_secret = wrong
        with pytest.raises(AuthError, match="sign") as caught:
            send(robot, 1)
        assert secret not in str(caught.value) and robot.key not in str(caught.value)
    assert len(arrived(sandbox, robot)) == 1
    robot.close()


@pytest.mark.parametrize("robot", ["teams"], indirect=True)
def test_flow_that_is_off_stops_the_channel(robot: RobotChannel, sandbox: SandboxProcess) -> None:
    sandbox.control("switches", **{"teams.flow_is_off": True})
    with pytest.raises(AuthError, match="WorkflowTriggerIsNotEnabled"):
        send(robot)
    robot.key = robot.key.replace("sandboxflow", "another")
    with pytest.raises(AuthError, match="WorkflowNotFound"):
        send(robot)
    robot.close()
