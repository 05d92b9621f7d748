"""Playbooks that signals start: once per episode, for told ones, by steps, to the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from include.common import paths
from tests.fixtures.decision_world import House
from tests.fixtures.decisions import at
from tests.fixtures.signals import Ward
from tests.fixtures.subjects_store import account

SHIPPED = paths.ROOT / "include" / "defaults" / "playbooks"
DOWN: dict[str, Any] = {"user_days_28d": 60, "user_days_ratio_14d_ago": 0.5, "usage_ratio": 0.5, "usage_28d": 500}


def use(overlay: Path, name: str, *changes: tuple[str, str]) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (overlay / "playbooks" / f"{name}.yaml").write_text(text)


@pytest.fixture
def recovery(overlay: Path, ward: Ward) -> Ward:
    use(overlay, "adoption_recovery")
    ward.house.decide(decision_id="playbook scanned")
    return ward


def steps(house: House) -> dict[str, str]:
    return {row.step: row.state for row in house.outbox(channel="crm_task", rule="adoption_recovery")}


def test_it_starts_with_the_signal_and_goes_on_step_by_step(recovery: Ward) -> None:
    house = recovery.house
    recovery.give("account", account(1, **DOWN))
    house.decide(decision_id="down")
    assert steps(house) == {"find_who_stopped": "planned"}
    (row,) = house.outbox(channel="crm_task", rule="adoption_recovery")
    assert (row.entity_kind, row.entity_id, row.owner_key) == ("account", "crm:1", "crm:77")
    assert row.body["company_id"] == "1"
    for day, expected in ((3, 1), (4, 2), (18, 2), (19, 3)):
        recovery.set_clock(at(day))
        house.decide()
        assert len(steps(house)) == expected, day
    (episode,) = house.episodes("adoption_recovery")
    assert (episode["arm"], episode["evidence"]["started_by"]) == ("acted", "usage_down 1")


def test_a_step_whose_condition_is_false_is_left_out_for_good(recovery: Ward) -> None:
    house = recovery.house
    recovery.give("account", account(1, **DOWN, days_to_decision=300))
    house.decide(decision_id="down")
    recovery.set_clock(at(19))
    house.decide()
    assert steps(house)["tell_the_sponsor"] == "suppressed"
    (row,) = house.outbox(step="tell_the_sponsor")
    assert row.reason == "left out: days_to_decision <= 180 is false"
    recovery.give("account", account(1, **DOWN, days_to_decision=100))
    assert house.decide(decision_id="now true").n_planned == 0


def test_it_ends_with_its_signal_and_starts_anew_only_with_the_next(recovery: Ward) -> None:
    house = recovery.house
    recovery.give("account", account(1, **DOWN))
    house.decide(decision_id="down")
    house._execute("update ops.outbox set state = 'sent'")
    recovery.give("account", account(1))
    house.decide(decision_id="well")
    (episode,) = house.episodes("adoption_recovery")
    assert episode["close_reason"] == "what started it is over: usage_down or seats_unused"
    assert steps(house)["close:find_who_stopped"] == "planned"
    recovery.set_clock(at(28))
    recovery.give("account", account(1, **DOWN))
    house.decide()
    assert [row["episode_no"] for row in house.episodes("adoption_recovery")] == [1, 2]


def test_its_time_may_be_over_and_the_same_episode_starts_it_no_more(recovery: Ward) -> None:
    house = recovery.house
    recovery.give("account", account(1, **DOWN))
    house.decide(decision_id="down")
    recovery.set_clock(at(121))
    recovery.give("account", account(1, **DOWN))
    house.decide()
    (episode,) = house.episodes("adoption_recovery")
    assert episode["close_reason"] == "its time is over: 120 days"
    recovery.set_clock(at(122))
    house.decide()
    assert len(house.episodes("adoption_recovery")) == 1


def test_nothing_starts_on_what_was_there_at_the_first_scan(ward: Ward, overlay: Path) -> None:
    ward.give("account", account(1, **DOWN))
    ward.house.decide(decision_id="down before there was a playbook")
    ward.set_clock(at(1))
    use(overlay, "adoption_recovery")
    ward.house.decide()
    assert ward.house.episodes("adoption_recovery") == []
    use(overlay, "adoption_recovery", ("trigger:", "first_scan: start\ntrigger:"))
    ward.house.decide(decision_id="asked for")
    assert len(ward.house.episodes("adoption_recovery")) == 1


def test_a_silent_episode_starts_nothing(house: House, overlay: Path) -> None:
    use(overlay, "adoption_recovery", ("trigger:", "first_scan: start\ntrigger:"))
    house.renewals()
    ward = Ward(house)
    ward.set_clock(house.now)
    ward.give("account", account(1, **DOWN))
    house.decide()
    assert house.episodes("usage_down")[0]["notified_as"] == "silent"
    assert house.episodes("adoption_recovery") == []


def test_held_out_accounts_are_on_record_and_left_alone(recovery: Ward, overlay: Path) -> None:
    house = recovery.house
    use(overlay, "adoption_recovery", ("trigger:", "hold_out: 0.5\ntrigger:"))
    recovery.give("account", *(account(number, **DOWN) for number in range(1, 21)))
    house.decide(decision_id="down")
    arms = {row["entity_id"]: row["arm"] for row in house.episodes("adoption_recovery")}
    held = {entity_id for entity_id, arm in arms.items() if arm == "held_out"}
    assert len(arms) == 20 and 3 <= len(held) <= 17
    assert {row.entity_id for row in house.outbox(rule="adoption_recovery")} == arms.keys() - held
    recovery.set_clock(at(4))
    house.decide()
    assert {row.entity_id for row in house.outbox(rule="adoption_recovery")} == arms.keys() - held
    recovery.give("account", *(account(number) for number in range(1, 21)))
    house.decide(decision_id="well")
    assert {row["state"] for row in house.episodes("adoption_recovery")} == {"closed"}
