"""Subjects of signals for tests: healthy rows, changed as a test needs, and the tables that hold them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.alerts.signals.subjects import table
from include.warehouse.engine import engine

_WHO: dict[str, Any] = {
    "tier": "standard",
    "industry": "Retail",
    "region": "Germany",
    "arr": Decimal("12000.00"),
    "currency": "USD",
    "days_as_customer": 800,
    "next_decision_date": date(2027, 3, 1),
    "days_to_decision": 105,
    "owner_key": "crm:77",
    "owner_name": "Ada Lovelace",
    "owner_email": "ada@vendor.example",
    "owner_team": "East",
    "owner_is_active": True,
    "crm_source": "crm",
}
_HEALTHY_ACCOUNT: dict[str, Any] = {
    "usage_28d": Decimal(950),
    "usage_baseline": Decimal(1000),
    "usage_ratio": 0.95,
    "n_baseline_windows": 12,
    "user_days_28d": 190,
    "user_days_usual": 200.0,
    "user_days_settled": 200.0,
    "user_days_ratio_14d_ago": 0.95,
    "active_users_28d": 30,
    "paid_seats": 50,
    "activated_seats": 40,
    "seat_utilisation": 0.8,
    "active_seat_share": 0.6,
    "breadth": 0.8,
    "n_open_tickets": 1,
    "n_open_urgent_tickets": 0,
    "n_tickets_14d": 1,
    "n_tickets_usual_14d": 1.0,
    "n_bad_ratings_30d": 0,
    "n_competitor_mentions_30d": 0,
    "last_contact_at": datetime(2026, 11, 10, 9, tzinfo=UTC),
    "days_since_contact": 6,
    "n_decision_makers": 1,
    "last_nps_score": 9.0,
    "last_nps_at": datetime(2026, 10, 20, tzinfo=UTC),
    "days_since_nps": 27,
    "n_new_teams_28d": 0,
}
_HEALTHY_CONTACT: dict[str, Any] = {
    "contact_name": "Bo Li",
    "job_title": "Analyst",
    "role": "decision_maker",
    "is_key": True,
    "is_executive": False,
    "is_gone": False,
    "has_moved": False,
    "days_known": 400,
    "last_active_on": date(2026, 11, 14),
    "days_silent": 2,
    "n_active_days_before": 20,
}


def account(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a customer of whom nothing bad is known, changed."""
    who = {"account_key": f"crm:{number}", "account_name": f"Customer {number}", "crm_account_id": str(number)}
    return {**dict.fromkeys(table("account").columns), **_WHO, **_HEALTHY_ACCOUNT, **who, **changes}


def former(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return an account that left long ago, changed."""
    who = {"account_key": f"crm:{number}", "account_name": f"Customer {number}", "crm_account_id": str(number)}
    left = {"left_on": date(2025, 10, 12), "days_since_left": 400, "next_decision_date": None, "days_to_decision": None}
    return {**dict.fromkeys(table("former").columns), **_WHO, **who, **left, **changes}


def contact(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return somebody who decides, is there and uses the product, changed."""
    who = {
        "contact_key": f"crm:c{number}",
        "account_key": f"crm:{number}",
        "account_name": f"Customer {number}",
        "crm_account_id": str(number),
    }
    return {**dict.fromkeys(table("contact").columns), **_WHO, **_HEALTHY_CONTACT, **who, **changes}


def store(as_of: date, about: str, *rows: dict[str, Any]) -> None:
    """Replace the rows of a table of subjects, creating it if there is none."""
    known = table(about)
    with engine("builder").begin() as connection:
        columns = ", ".join(f"{name} {kind}" for name, kind in known.types.items())
        connection.execute(sa.text(f"create table if not exists {known.name} ({columns})"))
        connection.execute(sa.text(f"delete from {known.name}"))
        names = ", ".join(known.columns)
        values = ", ".join(f":{column}" for column in known.columns)
        for row in rows:
            given = {**row, "as_of_day": as_of}
            connection.execute(sa.text(f"insert into {known.name} ({names}) values ({values})"), given)
