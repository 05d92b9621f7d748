"""Renewals with features of known effect: one causes renewal, one is only used by heavy users, the others neither."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from include.models import materialize, registry

TIERS = ("small", "standard", "key_account")
NOISE = tuple(f"noise_{number}" for number in range(6))
FEATURES = ("cause", "confounded", *NOISE)
FIRST, NEWEST = date(2024, 1, 1), date(2026, 11, 30)


def add_day(connection: sa.Connection, table: str) -> None:
    """Let a table by day take rows of the newest day."""
    materialize.partition(connection, registry.get(table), NEWEST, NEWEST + timedelta(days=1))


def insert(connection: sa.Connection, seed: int, n: int = 1200) -> None:
    """Fill the tables that the analysis reads. Heavy users renew more often, and so do standard and key accounts.

    Args:
        n: Settled renewals.
    """
    rng = np.random.default_rng(seed)
    tier = rng.choice(3, n, p=(0.5, 0.35, 0.15))
    age = rng.choice((200, 700, 1500), n)
    heavy = rng.normal(size=n)
    level = 1 / (1 + np.exp(-heavy))
    used = {"cause": rng.random(n) < 0.4, "confounded": rng.random(n) < 0.1 + 0.6 * (heavy > 0.43)}
    used |= {name: rng.random(n) < 0.3 + 0.3 * (heavy > 0) for name in NOISE}
    chance = 0.52 + 0.08 * tier + 0.2 * level + 0.13 * used["cause"]
    kept = rng.random(n) < np.clip(chance, 0, 0.97)
    checkpoints, due, usage = [], [], []
    for i in range(n):
        key, decision = f"crm:{i}", FIRST + timedelta(days=int(i * 700 / n))
        checkpoints.append({"key": key, "decision": decision, "tier": TIERS[tier[i]], "age": int(age[i])})
        due.append({"key": key, "part": "on_time" if kept[i] else "lost", "decision": decision})
        days = {
            # A general level of use, and more of what is really used.
            name: int(rng.poisson(np.exp(1.5 + heavy[i]) * (3 if used[name][i] else 0.7)))
            for name in FEATURES
        }
        total = sum(days.values())
        usage += [
            {"key": key, "feature": name, "decision": decision, "is_used": bool(used[name][i]), "days": days[name],
             "total": total}
            for name in FEATURES if days[name] or used[name][i]
        ]  # fmt: skip
    statements: tuple[tuple[str, list[dict[str, Any]]], ...] = (
        (
            "insert into marts.health_checkpoint (renewal_id, account_key, days_before, as_of, decision_date,"
            " target_arr, tier, days_as_customer) values (:key, :key, 120, cast(:decision as date) - 120, :decision,"
            " 100, :tier, :age)",
            checkpoints,
        ),
        (
            "insert into marts.renewal_due (renewal_id, account_key, part, decision_date, settled_on,"
            " renewed_of_target_arr) values (:key, :key, :part, :decision, :decision,"
            " case when :part = 'lost' then null else 100 end)",
            due,
        ),
        (
            "insert into marts.feature_checkpoint (renewal_id, account_key, feature, as_of, decision_date, n_user_days,"
            " n_user_days_all, is_used, first_used_on) values (:key, :key, :feature, cast(:decision as date) - 121,"
            " :decision, :days, :total, :is_used, cast(:decision as date) - 204)",
            usage,
        ),
        ("insert into marts.health_score (account_key, day) values ('crm:0', :day)", [{"day": NEWEST}]),
    )
    add_day(connection, "marts.health_score")
    for statement, rows in statements:
        connection.execute(sa.text(statement), rows)
