"""The notice on the adoption of a release: to its owner, once its 28 days are over, once."""

from __future__ import annotations

from pathlib import Path

from include.outbox.store import Delivery
from tests.fixtures.decisions import at
from tests.fixtures.signals import SignalBook, signal_book  # noqa: F401

FILE = """
name: {name}
title: Boards
released_on: 2026-10-19
features: [boards]
goal: 0.2
owner: {{name: Pia, email: pia@vendor.example}}
"""


def planned(book: SignalBook, name: str) -> list[Delivery]:
    book.book.decide(decision_id=name)
    return [row for row in book.book.outbox(channel="email") if row.rule == "release_adoption"]


def test_owner_is_notified_once_after_28_days(signal_book: SignalBook, overlay: Path) -> None:  # noqa: F811
    (overlay / "config" / "releases").mkdir()
    for name in ("boards", "old", "running"):
        (overlay / "config" / "releases" / f"{name}.yaml").write_text(FILE.format(name=name))
    signal_book.set_clock(at(0))
    for name, day, is_final in (
        ("boards", "2026-10-19", True),
        ("old", "2026-09-20", True),
        ("running", "2026-11-01", False),
        ("removed", "2026-10-19", True),
    ):
        signal_book.book._execute(
            "insert into meta.release_adoption (release, released_on, goal, n_targets, n_unknown, n_reached,"
            " n_adopted, is_final, judged_at) values (:name, :day, 0.2, 120, 0, 34, 18, :is_final, now())",
            name=name, day=day, is_final=is_final,
        )  # fmt: skip
    (first,) = planned(signal_book, "one")
    assert (first.entity_id, first.recipient, first.state) == ("boards", "pia@vendor.example", "planned")
    assert "15.0%" in first.subject
    assert [row.key for row in planned(signal_book, "two")] == [first.key]
