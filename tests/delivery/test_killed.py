"""Killed anywhere, and with outsides that break: each message arrives once or is visibly in doubt, each task once."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from include import paths
from include.delivery import deliver, outbox, sender
from include.errors import PerennialError
from tests.alerts.house import House
from tests.delivery.conftest import Outside
from tests.renewal_rows import NOW, renewal

AT_RISK = renewal(1, days=30, usage_ratio=0.5)


@pytest.mark.parametrize(
    ("channel", "point", "arrived", "state"),
    [
        # Not called: Slack can be asked and is sent again; e-mail cannot, so it stays in doubt.
        ("slack", "claimed", 1, "sent"),
        ("slack", "sent", 1, "sent"),
        ("email", "claimed", 0, "uncertain"),
        ("email", "sent", 1, "uncertain"),
        ("crm_task", "claimed", 3, "sent"),
        ("crm_task", "sent", 3, "sent"),
        ("crm_task", "linking", 3, "sent"),
    ],
)
def test_sigkill(open_house: House, outside: Outside, channel: str, point: str, arrived: int, state: str) -> None:
    open_house.renewals(AT_RISK)
    open_house.decide()
    killed = subprocess.run(
        [sys.executable, "-m", "tests.delivery.killed", channel, point],
        cwd=paths.ROOT,
        env={**os.environ, "PERENNIAL_NOW": (NOW + timedelta(minutes=1)).isoformat()},
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert {row.state for row in open_house.outbox(channel=channel)} == {"sending"}
    for minutes in (2, 10, 20):
        deliver.deliver(now=NOW + timedelta(minutes=minutes))
    assert {row.state for row in open_house.outbox(channel=channel)} == {state}
    keys = [row.key for row in open_house.outbox(channel=channel)]
    assert len([key for key in outside.received() if key in keys]) == arrived
    assert {tuple(companies) for companies in outside.portal.links.values()} == {("1001",)}
    assert len(outside.received()) == len(set(outside.received()))


class Killed(BaseException):
    """Stands for a SIGKILL where a new process for each would take too long."""


def trouble(chance: random.Random, outside: Outside) -> None:
    """Let the outsides break at random."""
    for path in ("/chat.postMessage", "/conversations.history", "/users.lookupByEmail"):
        outside.slack.faults[path] = [
            chance.choice(["drop", "refuse", 500, 429, 503]) for _ in range(chance.randint(0, 2))
        ]
    for path in ("upsert", "read"):
        outside.hubspot.faults[f"/crm/v3/objects/tasks/batch/{path}"] = [
            chance.choice(["drop", "refuse", 502, 429]) for _ in range(chance.randint(0, 2))
        ]
    outside.mail.answers = chance.choice(
        [{}, {"CONTENT": ""}, {"RCPT": "450 later"}, {"MAIL": ""}, {"CONTENT": "451 x"}]
    )


def torment(house: House, outside: Outside, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Run passes that are killed at random moments against outsides that break; then let all be well."""
    chance = random.Random(seed)
    is_deadly = True

    def dangerous(name: str, place: Any) -> None:
        original = getattr(place, name)

        def wrapper(*arguments: Any, **named: Any) -> Any:
            if is_deadly and chance.random() < 0.08:
                raise Killed
            result = original(*arguments, **named)
            if is_deadly and chance.random() < 0.08:
                raise Killed
            return result

        monkeypatch.setattr(place, name, wrapper)

    dangerous("settle", outbox)
    dangerous("claim", outbox)
    dangerous("_send", sender.Sender)
    dangerous("_record", sender.Sender)
    house.renewals(*(dataclasses.replace(renewal(number, days=30), usage_ratio=0.5) for number in (1, 2, 3)))
    outside.portal.companies = frozenset({"1001", "1002", "1003"})
    with contextlib.suppress(Killed):
        house.decide()
    now = NOW
    for _ in range(12):
        now += timedelta(minutes=chance.choice([1, 2, 5, 15]))
        house.pass_time(now)
        trouble(chance, outside)
        with contextlib.suppress(Killed, PerennialError):
            deliver.deliver(now=now)
    is_deadly = False
    for stub in (outside.slack, outside.hubspot):
        stub.faults.clear()
    outside.mail.answers = {}
    house.decide(decision_id="at last")
    for _ in range(4):
        now += timedelta(hours=2)
        house.set_clock(now)
        deliver.deliver(now=now)


def check(house: House, outside: Outside) -> None:
    """See that what the outbox says is what arrived."""
    received = Counter(outside.received())
    assert max(received.values()) == 1
    rows = {row.key: row for row in house.outbox()}
    assert set(received) <= set(rows)
    for row in rows.values():
        if row.channel == "email":
            assert row.state in ("sent", "uncertain")
            assert row.state == "uncertain" or received[row.key] == 1
            assert row.state == "sent" or row.told_by or row.rule == "uncertain_digest"
        else:
            assert (row.state, received[row.key]) == ("sent", 1), row
    by_key = {task["perennial_key"]: number for number, task in outside.portal.tasks.items()}
    for row in rows.values():
        if row.channel == "crm_task":
            assert outside.portal.links[by_key[row.key]] == {row.body["company_id"]}


@pytest.mark.parametrize("seed", range(5))
def test_random_deaths(open_house: House, outside: Outside, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    torment(open_house, outside, monkeypatch, seed)
    assert len(open_house.outbox(entity_kind="renewal")) == 18
    check(open_house, outside)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_random_deaths(open_house: House, outside: Outside, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    torment(open_house, outside, monkeypatch, seed)
    check(open_house, outside)
