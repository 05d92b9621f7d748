"""Accounts proposed for another tier, waiting for a place, or left unchanged."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from include.config import load
from include.models import value
from include.scores.value.proposals import changes
from include.scores.value.tiers import Candidate, Judged, Proposal, judge

QUARTER, TODAY = date(2026, 9, 30), date(2026, 10, 5)


def _candidate(key: str, tier: str | None, before: float | None, now: float | None, **more: object) -> Candidate:
    def judged(score: float | None) -> Judged:
        return Judged(None if score is None else Decimal(str(score)))

    return Candidate(key, key, tier, judged(now), judged(before), judged(now), **more)  # type: ignore[arg-type]


def _judge(*candidates: Candidate, places: int | None = None) -> list[Proposal]:
    return judge(value.load().versions[0], candidates, QUARTER, TODAY, places)


def _said(found: list[Proposal]) -> list[tuple[str, str, str]]:
    return [(each.candidate.account_key, each.kind, each.to_tier) for each in found]


@pytest.mark.parametrize(
    ("tier", "before", "now", "expected"),
    [
        ("standard", 73, 73, ("up", "key_account")),
        ("standard", 72.99, 90, None),  # one quarter end is not enough
        ("standard", 90, 72.99, None),
        ("small", 80, 75, ("up", "key_account")),
        ("small", 72, 75, ("up", "standard")),
        ("small", None, 79, None),  # too little was known before
        ("key_account", 64.99, 64.99, ("down", "standard")),
        ("key_account", 65, 40, None),  # not below by more than five
        ("key_account", 40, 65, None),
        ("key_account", 30, 20, ("down", "small")),
        ("key_account", 30, None, None),
        ("small", 1, 1, None),
        (None, None, 70, ("first", "key_account")),
        (None, None, 39.99, ("first", "small")),
        ("gold", 90, 90, None),  # an unknown tier is a custom one
    ],
)
def test_tier_movement(
    tier: str | None, before: float | None, now: float | None, expected: tuple[str, str] | None
) -> None:
    found = _said(_judge(_candidate("a", tier, before, now)))
    assert found == ([("a", *expected)] if expected else [])


def test_signed_contract_raises_the_tier_at_once() -> None:
    lifted = _candidate("a", "standard", 60, 80, signed_on=date(2026, 7, 1))
    lifted = replace(
        lifted, now=replace(lifted.now, kept_arr=Decimal(2)), before=replace(lifted.before, kept_arr=Decimal(1))
    )
    assert _said(_judge(lifted)) == [("a", "up", "key_account")]
    assert "by the contract signed on 2026-07-01" in _judge(lifted)[0].reason
    assert _judge(replace(lifted, signed_on=date(2026, 6, 30))) == []  # in the quarter before
    assert _judge(replace(lifted, now=replace(lifted.now, score=Decimal("79.99")))) == []
    assert _judge(replace(lifted, now=replace(lifted.now, kept_arr=Decimal(1)))) == []  # nothing more is stored


def test_no_demotion_before_a_decision_or_during_a_tier_playbook() -> None:
    low = _candidate("a", "key_account", 50, 50)
    for protected in (
        replace(low, next_decision_date=date(2026, 10, 5)),
        replace(low, next_decision_date=date(2027, 2, 2)),  # 120 days
        replace(low, playbooks=("renewal_key_account",)),
    ):
        (found,) = _judge(protected)
        assert (found.kind, found.is_change) == ("protected", False)
    assert _said(_judge(replace(low, next_decision_date=date(2027, 2, 3)))) == [("a", "down", "standard")]


def test_new_account_has_a_preliminary_tier_and_does_not_move() -> None:
    def new(tier: str | None) -> Candidate:
        one = _candidate("a", tier, 80, 80)
        return replace(one, now=replace(one.now, is_preliminary=True), newest=replace(one.newest, is_preliminary=True))

    (found,) = _judge(new(None))
    assert (found.kind, found.to_tier) == ("first", "key_account")
    assert "preliminary" in found.reason
    assert _judge(new("small")) == []


def test_highest_scores_get_the_places_and_the_others_wait_by_name() -> None:
    people = (
        _candidate("held", "key_account", 66, 66),
        _candidate("leaves", "key_account", 60, 60),
        _candidate("second", "standard", 80, 80),
        _candidate("first", "small", 90, 90),
        _candidate("third", "small", 75, 75),
    )
    assert _said(_judge(*people, places=2)) == [
        ("first", "up", "key_account"),
        ("second", "waiting", "key_account"),
        ("third", "up", "standard"),  # waits for the highest tier, and moves to the next one
        ("third", "waiting", "key_account"),
        ("leaves", "down", "standard"),
    ]
    assert "all 2 places are taken" in _judge(*people, places=2)[1].reason
    assert [kind for _, kind, _ in _said(_judge(*people))] == ["up", "up", "up", "down"]
    # A protected account keeps its place.
    protected = replace(people[1], playbooks=("x",))
    assert ("first", "waiting", "key_account") in _said(_judge(people[0], protected, people[3], places=2))


def test_effects_of_a_tier_change() -> None:
    said = changes(load(), "standard", "key_account")
    assert "owner CSM -> senior CSM" in said
    assert "days between contacts 30 -> 15" in said
    assert "grace" not in said  # the same for all by default
    assert changes(load(), "small", "small") == "nothing"
