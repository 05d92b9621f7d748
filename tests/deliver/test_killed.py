"""Kills anywhere, with failing vendors: each message arrives once or is marked uncertain, each task arrives once."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.common.errors import ConfigError, PerennialError
from include.decide import episodes
from include.deliver import deliver, sender, uncertain, undo
from include.outbox import approvals, store
from tests.fixtures.children import Child
from tests.fixtures.decision_world import Book
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW, renewal
from tests.fixtures.signals import SignalBook
from tests.fixtures.subjects_store import account

AT_RISK = renewal(1, days=30, usage_ratio=0.5)


@pytest.mark.parametrize(
    ("channel", "point", "arrived", "state"),
    [
        # Not called: Slack can be queried and the message is resent; e-mail cannot, so it stays uncertain.
        ("slack", "claimed", 1, "sent"),
        ("slack", "sent", 1, "sent"),
        ("email", "claimed", 0, "uncertain"),
        ("email", "sent", 1, "uncertain"),
        ("crm_task", "claimed", 4, "sent"),
        ("crm_task", "sent", 4, "sent"),
        ("crm_task", "linking", 4, "sent"),
    ],
)
def test_sigkill(live_book: Book, receivers: Receivers, channel: str, point: str, arrived: int, state: str) -> None:
    live_book.renewals(AT_RISK)
    live_book.decide()
    live_book.pass_time(NOW + timedelta(minutes=1))
    status, printed = Child("tests.deliver.killed", channel, point).end()
    assert status == -9, printed
    assert {row.state for row in live_book.outbox(channel=channel)} == {"sending"}
    for minutes in (2, 10, 20):
        deliver.deliver(now=NOW + timedelta(minutes=minutes))
    assert {row.state for row in live_book.outbox(channel=channel)} == {state}
    keys = [row.key for row in live_book.outbox(channel=channel)]
    assert len([key for key in receivers.received() if key in keys]) == arrived
    assert {tuple(companies) for companies in receivers.portal.links.values()} == {("1001",)}
    assert len(receivers.received()) == len(set(receivers.received()))


class Killed(BaseException):
    """Simulates a SIGKILL, since a new process per kill would take too long."""


# Executed with a late, repeated or missing response; not executed; rejected for now.
BROKEN = ("drop", "hang", "late", "refuse", 500, 429, 503)
# Every place where a kill leaves partial work.
PLACES = (
    (store, "plan"),
    (store, "claim"),
    (store, "set_state"),
    (episodes, "apply"),
    (approvals, "request"),
    (approvals, "_settle"),
    (undo, "recall_copies"),
    (undo, "take_back"),
    (sender.Sender, "_send"),
    (sender.Sender, "_record"),
)


def inject_faults(chance: random.Random, receivers: Receivers) -> None:
    """Inject random faults into the receivers."""

    def some(*more: str) -> list[str | int]:
        return [chance.choice([*BROKEN, *more]) for _ in range(chance.randint(0, 2))]

    for path in ("/chat.postMessage", "/chat.delete", "/conversations.history", "/users.lookupByEmail"):
        receivers.slack.faults[path] = some()
    for path in ("upsert", "read", "archive"):
        # Only keys that the vendor keeps unique survive a proxy that repeats calls.
        receivers.hubspot.faults[f"/crm/v3/objects/tasks/batch/{path}"] = some("twice")
    receivers.mail.answers = chance.choice(
        [{}, {"CONTENT": ""}, {"RCPT": "450 later"}, {"MAIL": ""}, {"CONTENT": "451 x"}]
    )


class Story:
    """Decisions, approvals, a recalled run and deliveries, all killed at random moments.

    Args:
        signal_book: The book, with signals.
        receivers: The receivers.
        monkeypatch: Adds the kills.
        seed: Seed of the random events.
    """

    def __init__(
        self, signal_book: SignalBook, receivers: Receivers, monkeypatch: pytest.MonkeyPatch, seed: int
    ) -> None:
        self.book, self.receivers, self.chance = signal_book.book, receivers, random.Random(seed)
        self.is_deadly, self.now, self.is_undone = True, NOW, False
        for place, name in PLACES:
            monkeypatch.setattr(place, name, self._dangerous(getattr(place, name)))
        receivers.portal.companies = frozenset({"1001", "1002", "1003"})
        self.book.renewals(*(dataclasses.replace(renewal(number, days=30), usage_ratio=0.5) for number in (1, 2, 3)))
        signal_book.set_subjects(
            "account", *(account(number, n_bad_ratings_30d=2, days_since_contact=99) for number in (1001, 1002))
        )

    def _dangerous(self, original: Any) -> Any:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            if self.is_deadly and self.chance.random() < 0.06:
                raise Killed
            result = original(*arguments, **named)
            if self.is_deadly and self.chance.random() < 0.06:
                raise Killed
            return result

        return wrapper

    def play(self) -> None:
        """Run the story, then recover and finish everything."""
        for number in range(9):
            self.now += timedelta(minutes=self.chance.choice([1, 2, 5, 15]))
            self.book.pass_time(self.now)
            if number == 0 or self.chance.random() < 0.3:
                with contextlib.suppress(Killed):
                    self.book.decide(decision_id=f"run {number}")
            with contextlib.suppress(Killed):
                self._answer()
            runs = undo.runs()
            if number > 4 and runs and not self.is_undone and self.chance.random() < 0.4:
                with contextlib.suppress(Killed, ConfigError):
                    undo.recall(self.chance.choice(runs)["run"], "grace", "wrong", self.now)
                    self.is_undone = True
            inject_faults(self.chance, self.receivers)
            self._deliver(is_red=self.chance.random() < 0.25)
        self.is_deadly = False
        for stub in (self.receivers.slack, self.receivers.hubspot):
            stub.faults.clear()
        self.receivers.mail.answers = {}
        self.book.decide(decision_id="at last")
        for found in approvals.find():
            approvals.answer(found.approval_id, "approved", ("ada",), now=self.now)
        for _ in range(4):
            self.now += timedelta(hours=2)
            self.book.set_clock(self.now)
            deliver.deliver(now=self.now)

    def _answer(self) -> None:
        for found in approvals.find():
            if self.chance.random() < 0.4:
                said = self.chance.choice(["approved", "approved", "rejected"])
                approvals.answer(found.approval_id, said, ("ada",), now=self.now)  # type: ignore[arg-type]

    def _deliver(self, is_red: bool) -> None:
        before = self.arrived()
        if is_red:
            self._verdict("red")
        with contextlib.suppress(Killed, PerennialError):
            deliver.deliver(now=self.now)
        if is_red:
            rested_on_data = {row.key for row in self.book.outbox() if row.reads}
            assert not (self.arrived() - before).keys() & rested_on_data
            self._verdict("green")

    def _verdict(self, state: str) -> None:
        """Change the gate's verdict on the CRM, but not those on its entities."""
        self.book._execute(
            "update meta.verdict set state = :state, reason = '' where source = 'crm' and entity = ''", state=state
        )

    def arrived(self) -> Counter[str]:
        """Return the keys of everything that ever arrived, including recalled deliveries."""
        deleted = [message["metadata"]["event_payload"]["key"] for message in self.receivers.workspace.deleted]
        archived = [task["perennial_key"] for task in self.receivers.portal.archived.values()]
        return Counter([*self.receivers.received(), *deleted, *archived])

    def _why(self, key: str) -> str:
        return str(self.book.scalar(f"select (o.*)::text from ops.outbox as o where key = '{key}'"))

    def check(self) -> None:
        """Check that the outbox matches what arrived, and that no partial work is left."""
        arrived, there = self.arrived(), set(self.receivers.received())
        assert max(arrived.values(), default=1) == 1
        rows = {row.key: row for row in self.book.outbox()}
        assert set(arrived) <= set(rows)
        assert len({row.entity_kind for row in rows.values()} & {"renewal", "account"}) == 2
        for row in rows.values():
            assert row.state in ("sent", "uncertain", "suppressed") and row.undo != "asked", row
            if row.undo == "done":
                assert row.key not in there, row
            elif row.undo == "stays" or row.channel == "email":
                assert row.channel == "email" and (row.state != "sent" or row.key in there), self._why(row.key)
                assert row.state != "uncertain" or row.notified_by or row.undo or row.rule == uncertain.DIGEST, row
                assert row.state != "suppressed" or row.key not in arrived, row
            else:
                assert (row.state, arrived[row.key]) in (("sent", 1), ("suppressed", 0)), self._why(row.key)
        by_key = {task["perennial_key"]: number for number, task in self.receivers.portal.tasks.items()}
        for row in rows.values():
            if row.key in by_key:
                assert self.receivers.portal.links[by_key[row.key]] == {row.body["company_id"]}


@pytest.mark.parametrize("seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(100, 300))])
def test_random_kills(
    signal_book: SignalBook,
    live_book: Book,
    receivers: Receivers,
    overlay: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    (overlay / "config" / "caps.yaml").write_text("actions_per_run: 9\n")
    story = Story(signal_book, receivers, monkeypatch, seed)
    story.play()
    story.check()
