"""Sections of a customer's report, from facts in memory."""

from __future__ import annotations

from datetime import date
from typing import Any

from include import config
from include.reports import periods
from include.reports.customer import sections
from include.reports.customer.facts import Facts

MAY = periods.of("monthly", date(2026, 5, 1))


def account(**values: Any) -> dict[str, Any]:
    return {"name": "Customer", "csm": None, "paid_seats": None, "active_users_28d": None, "first_day": None,
            "from_day": None, "n_desks": 1, "n_unread_desks": 0} | values  # fmt: skip


def written(found: Facts) -> dict[str, dict[str, Any]]:
    return {one["title"]: one for one in sections.write(found, MAY, config.load().customer_report, ())}


def test_usage_of_a_deleted_product_account_is_not_available() -> None:
    teams = [{"team": None, "n_people": 1, "n_events": 5, "features": ["reports"]}]
    week = {"week": date(2026, 5, 4), "n_people": 1, "n_events": 5}
    found = written(Facts(account(), teams, {week["week"]: week}))
    for title in ("What you use, by team", "Trend against the same weeks of the year before"):
        assert not found[title]["rows"] and found[title]["text"].startswith("Not available")


def test_features_have_the_names_of_usage() -> None:
    own = config.load().customer_report
    named = type(own).model_validate(
        {**own.model_dump(), "output": [" Boards"], "features": {"Boards": {"title": "Boards"}}}
    )
    assert named.output == tuple(named.features) == ("boards",)
