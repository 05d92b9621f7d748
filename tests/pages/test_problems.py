"""Problems on the page Data health: content, order and omissions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from include.config.viewers import Viewer
from include.pages import problems

HEAD, OPERATOR = Viewer(role="head"), Viewer(role="operator")
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
NOTHING = {
    name: []
    for name in ("sources", "builds", "quarantine", "approvals", "channels", "outbox", "uncertain", "contracts")
}
RED = {"source": "support", "kind": "support", "state": "red", "reason": "batch 3 is held", "cure": "`batch show 3`",
       "since": NOW - timedelta(hours=1)}  # fmt: skip
STALE = {**RED, "source": "crm", "kind": "crm", "state": "stale", "since": NOW - timedelta(hours=9)}
ROWS = {"source": "crm", "entity": "account", "rule_id": "crm.account.name_present", "says": "the account has no name",
        "n_rows": 1, "since": NOW - timedelta(days=3)}  # fmt: skip
BUILD = {"kind": "forward", "state": "failed", "window_last": date(2026, 6, 9), "started_at": NOW}
HELD = {"channel": "slack", "is_on_hold": True, "reason": "new store", "changed_at": NOW}
QUESTION = {"approval_id": "1", "n_actions": 3, "reason": "the cap", "asked_at": NOW}


def test_red_problems_come_first_then_the_oldest() -> None:
    found = problems.found(
        {**NOTHING, "sources": [STALE, RED, {**RED, "state": "green"}], "quarantine": [ROWS]}, NOW, HEAD
    )
    assert [(one.state, one.what.split(":")[0]) for one in found] == [
        ("red", "support is red"),
        ("yellow", "1 row of crm account"),
        ("yellow", "crm is stale"),
    ]
    assert found[0].effect.split(":")[0].endswith("signals on hold")
    assert "all alerts" in found[2].effect


@pytest.mark.parametrize(
    ("seen", "effect"),
    [
        ({"builds": [BUILD]}, "there are no figures yet"),
        ({"builds": [BUILD, {**BUILD, "state": "done"}]}, "figures stay as of 9 Jun 2026"),
        ({"channels": [HELD], "outbox": [{"channel": "slack", "state": "planned", "n": 2}]}, "2 messages on hold"),
        ({"approvals": [{**QUESTION, "expires_at": NOW + timedelta(hours=5)}]}, "they expire in 5 hours"),
        ({"approvals": [{**QUESTION, "expires_at": NOW}]}, "they expire now"),
    ],
)
def test_each_problem_names_its_effect(seen, effect) -> None:
    (one,) = problems.found({**NOTHING, **seen}, NOW, HEAD)
    assert one.effect == effect


@pytest.mark.parametrize(
    "seen",
    [
        {"channels": [HELD]},  # nothing was ever planned for it, so it is not set up
        {"builds": [{**BUILD, "state": "running"}]},
        {"contracts": [{"kind": "no_rate", "n": 1, "arr": 10, "share_of_arr": "0.4%", "cure": "say the rate"}]},
    ],
)
def test_nothing_held_is_not_a_problem(seen) -> None:
    assert problems.found({**NOTHING, **seen}, NOW, HEAD) == ()


def test_amounts_are_shown_only_with_permission() -> None:
    seen = {"contracts": [{"kind": "no_rate", "n": 2, "arr": 48300, "share_of_arr": "4.0%", "cure": "say the rate"}]}
    for viewer, effect in ((HEAD, "USD 48,300 of ARR (4.0%) may be wrong"), (OPERATOR, "4.0% of ARR may be wrong")):
        (one,) = problems.found({**NOTHING, **seen}, NOW, viewer)
        assert one.effect == effect
