"""Manual overrides: entered by one person, approved by another, shown everywhere, ended by expiry."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from include.cli.metrics import facts_of
from include.common.errors import ConfigError
from include.metrics import overrides, restatement_report
from include.metrics.explain import explain
from include.metrics.summary import summarize

MAY = date(2026, 5, 31)


def _enter(**changes: Any) -> overrides.Override:
    given: dict[str, Any] = {
        "reason": "the invoice says so",
        "entered_by": "ann",
        "approved_by": "bob",
        "expires_on": date(2026, 7, 1),
    }
    return overrides.enter("activity_rate", "month", MAY, 0.5, **given | changes)


def test_override_counts_until_it_expires(built: pytest.MonkeyPatch) -> None:
    number = _enter().override_id
    found = explain("activity_rate", as_of=MAY)
    assert (found.values[0].value, found.in_force_value, found.is_off_target) == (1.0, 0.5, True)
    assert "50.0%, manually corrected until 2026-07-01: the invoice says so" in facts_of(found)["shown as"]
    with pytest.raises(ConfigError, match="already in force for this value"):
        _enter()
    overrides.withdraw(number, "the invoice was wrong")
    assert explain("activity_rate", as_of=MAY).in_force_value == 1.0
    _enter()
    built.setenv("PERENNIAL_NOW", "2026-07-01T12:00:00+00:00")
    assert explain("activity_rate", as_of=MAY).in_force_value == 1.0
    assert [row["withdrawal_reason"] for row in restatement_report.overridden()] == ["", "the invoice was wrong"]


def test_headline_shows_the_override(built: pytest.MonkeyPatch) -> None:
    overrides.enter(
        "arr", "day", date(2026, 6, 10), 99, reason="x", entered_by="a", approved_by="b", expires_on=date(2026, 7, 1)
    )
    found = summarize()
    assert found
    assert found.figures[0].shown("USD") == "99 USD (manually corrected)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"approved_by": "Ann"}, "cannot approve"),
        ({"expires_on": date(2026, 6, 10)}, "not in the future"),
        ({"grain": "tier", "grain_key": "huge"}, "has no value for"),
    ],
)
def test_invalid_override_is_rejected(built: pytest.MonkeyPatch, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _enter(**changes)
