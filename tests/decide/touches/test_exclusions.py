"""Which contacts of an audience are listed, and why each other one is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from include.config.touches import Touches
from include.decide.touches.exclusions import REASONS, WORDS, Contact, in_order, select
from include.decide.touches.schema import Touch

TODAY = date(2026, 11, 16)
RULES = Touches.model_validate(
    {
        "days_between": 14,
        "consent": {
            "default": "opt_in",
            "regions": {"United States": "opt_out", "Atlantis": "never"},
            "given_as": ["opted in"],
        },
    }
)
TOUCH = Touch(
    name="t", version=1, status="live", title="t", why="w", when="arr > 0", subject="s", body="b", again_after_days=90
)
GOOD = Contact(
    "crm:c1", "crm:1", "a@b.example", "Ada", "en", "Germany", frozenset({"champion"}), False, " Opted in ", None, None
)


def reason(touch: Touch = TOUCH, held_out: tuple[str, ...] = (), on_hold: str = "", **changes: Any) -> str:
    """Return why a contact that would be listed is not, after changes; "" if it is."""
    contact = replace(GOOD, **changes)
    found = select(touch, RULES, TODAY, {"crm:1": on_hold}, [contact], held_out)
    assert len(found.listed) + sum(found.counts.values()) == 1
    return "" if found.listed else next(iter(found.counts))


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"address": ""}, "no_address"),
        ({"has_bounced": True}, "bounced"),
        ({"is_opted_out": True}, "opted_out"),
        ({"is_opted_out": None}, "opt_out_unknown"),
        ({"consent": None}, "no_consent"),
        ({"consent": "Legitimate interest"}, "no_consent"),
        ({"region": None, "consent": None}, "no_consent"),
        ({"region": "United States", "consent": None}, ""),
        ({"region": "United States", "consent": None, "is_opted_out": True}, "opted_out"),
        ({"region": "Atlantis"}, "region"),
        ({"on_hold": "the CRM is stale"}, "on_hold"),
        ({"held_out": ("crm:1",)}, "held_out"),
        ({"held_out": ("crm:1",), "is_opted_out": True}, "opted_out"),
        ({"held_out": ("crm:2",)}, ""),
        ({"last_on": ago(13)}, "capped"),
        ({"last_on": ago(14)}, ""),
        ({"last_on": ago(0)}, "capped"),
        ({"last_of_touch_on": ago(89)}, "repeated"),
        ({"last_of_touch_on": ago(90)}, ""),
    ],
)
def test_first_reason_that_applies(changes: dict[str, Any], expected: str) -> None:
    assert reason(**changes) == expected


def test_touch_may_require_a_role_and_a_consent_everywhere() -> None:
    chosen = TOUCH.model_copy(update={"roles": ("decision_maker",)})
    assert reason(chosen) == "role" and reason(chosen, roles=frozenset({"decision_maker"})) == ""
    strict = TOUCH.model_copy(update={"consent": "opt_in"})
    assert reason(strict, region="United States", consent=None) == "no_consent"
    assert reason(strict, region="Atlantis") == "region"


def test_address_is_listed_once_and_each_account_counts() -> None:
    twin, other = (
        replace(GOOD, contact_key="crm:c2", account_key="crm:2"),
        replace(GOOD, account_key="crm:4", address=""),
    )
    accounts = {"crm:1": "", "crm:2": "", "crm:3": "", "crm:4": ""}
    found = select(TOUCH, RULES, TODAY, accounts, [GOOD, twin, other], ())
    assert found.listed == [GOOD] and found.whole == {"crm:1", "crm:4"}
    assert in_order(found.counts) == [("no_contact", 1), ("no_address", 1), ("duplicate", 1)]


def test_held_out_account_blocks_its_address_as_a_list_would() -> None:
    twin = replace(GOOD, contact_key="crm:c2", account_key="crm:2")
    found = select(TOUCH, RULES, TODAY, {"crm:1": "", "crm:2": ""}, [GOOD, twin], {"crm:1"})
    assert (found.listed, found.held_out, dict(found.counts)) == ([], {"crm:1"}, {"held_out": 1, "duplicate": 1})


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(REASONS)
