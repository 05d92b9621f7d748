"""``marts.health_score`` and ``marts.health_step`` equal the explanation in Python for any input."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from include.config import files
from include.models import health
from include.scores.health import bands, readings
from include.warehouse.engine import engine
from tests.fixtures.databases import database
from tests.sql import cases

NEWEST = date(2026, 3, 31)
N_ACCOUNTS, N_DAYS = 60, 40


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    chance = random.Random(7)
    return [
        input_row(chance, f"crm:{account}", NEWEST - timedelta(days=days), chance.choice([0.2, 0.6, 1]))
        for account in range(N_ACCOUNTS)
        for days in reversed(range(N_DAYS))
        if chance.random() < 0.97
    ]


@pytest.fixture(scope="module")
def connection(postgres: str, rows: list[dict[str, Any]]) -> Iterator[sa.Connection]:
    with (
        database(postgres, "health", "template") as url,
        engine("owner", url).connect() as opened,
        opened.begin() as all_of_it,
    ):
        cases.create_tables(opened)
        case = cases.Case(
            path=cases.HERE, case="", newest=NEWEST, start=NEWEST - timedelta(days=N_DAYS),
            given={"marts.health_input": rows}, expect={"marts.account_health": []},
        )  # fmt: skip
        for _ in cases.run(opened, case):
            pass
        yield opened
        all_of_it.rollback()


def test_scores_equal_the_python_calculation(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    found = {(row.account_key, row.day): row for row in connection.execute(sa.text("select * from marts.health_score"))}
    assert len(found) == len(rows)
    reasons = set()
    with files.checked_once():
        every = [readings.explain(connection, row["account_key"], row["day"]) for row in rows]
    for row, explained in zip(rows, every, strict=True):
        sql = found[row["account_key"], row["day"]]
        assert (sql.profile, sql.version) == (explained.profile.name, explained.profile.version)
        assert (sql.score, sql.computed) == (explained.number, explained.computed), row
        assert sql.coverage == pytest.approx(explained.coverage)
        reason = "paused" if row["is_paused"] and explained.number is not None else explained.unknown_reason
        assert sql.unknown_reason == reason
        reasons.add(reason)
    assert len(reasons) >= 4, reasons


def test_bands_equal_the_python_calculation(connection: sa.Connection) -> None:
    found = connection.execute(
        sa.text(
            "select h.account_key, h.day, h.computed, h.score, h.band, h.unknown_reason, h.band_since, h.profile"
            " from marts.account_health as h order by account_key, day"
        )
    ).all()
    by_account: dict[str, list[Any]] = {}
    for row in found:
        by_account.setdefault(row.account_key, []).append(row)
    known = health.load()
    n_changes = 0
    for days in by_account.values():
        filled = {row.day: row for row in days}
        every = [days[0].day + timedelta(days=number) for number in range((days[-1].day - days[0].day).days + 1)]
        # A day without a score interrupts a run, like one with an unknown band.
        state = [
            (None, False)
            if day not in filled or filled[day].unknown_reason
            else (float(filled[day].computed), filled[day].computed < filled[day].score)
            for day in every
        ]
        expected = bands.follow(known.profile("standard@1").bands, state)
        for day, band in zip(every, expected, strict=True):
            if day in filled:
                assert filled[day].band == (band or "unknown"), (day, days[0].account_key)
        n_changes += sum(1 for one, two in itertools.pairwise(expected) if one and two and one != two)
    assert n_changes > 12


def test_override_is_shown_next_to_the_computed_score(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    account = rows[0]["account_key"]
    with connection.begin_nested() as undone:
        connection.execute(
            sa.text(
                "insert into meta.health_override (account_key, score, reason, given_by, from_day, until, known_from)"
                " values (:account, 72, 'new sponsor', 'lea', :day, :until, now())"
            ),
            {"account": account, "day": NEWEST - timedelta(days=1), "until": NEWEST + timedelta(days=1)},
        )
        shown = connection.execute(
            sa.text(
                "select day, computed, shown, band, is_override from marts.account_health"
                " where account_key = :account order by day desc limit 3"
            ),
            {"account": account},
        ).all()
        undone.rollback()
    assert [(row.shown, row.band) for row in shown if row.is_override] == [(Decimal(72), "green")] * 2
    assert [row.is_override for row in shown] == [True, True, False]
    assert shown[2].shown == shown[2].computed


def input_row(chance: random.Random, account: str, day: date, known: float) -> dict[str, Any]:
    """Return an input in which each value is known with the same probability."""

    def maybe(value: Any) -> Any:
        return value if chance.random() < known else None

    def ago(most: int) -> date | None:
        return maybe(day - timedelta(days=chance.randrange(most)))

    usage_known_on = ago(14)
    has_usage = usage_known_on is not None
    urgent = maybe(chance.choice([0, 0, 0, 1, 3, 6, 12]))
    return {
        "account_key": account,
        "day": day,
        "tier": chance.choice(["small", "standard", "key_account"]) if account != "crm:1" else None,
        "days_as_customer": chance.choice([60, 200, 900]),
        "is_paused": chance.random() < 0.03,
        "usage_known_on": usage_known_on,
        "user_days_28d": chance.randrange(200) if has_usage else None,
        "user_days_usual": chance.uniform(5, 200) if has_usage else None,
        "user_days_ratio": maybe(chance.uniform(0, 1.4)) if has_usage else None,
        "usage_ratio": maybe(chance.uniform(0, 1.4)) if has_usage else None,
        "use_ratio": chance.uniform(0, 1.4) if has_usage and chance.random() < known else None,
        "active_seat_share": chance.uniform(0, 1) if has_usage else None,
        "breadth": chance.uniform(0, 1) if has_usage else None,
        "depth": chance.uniform(0, 0.7) if has_usage else None,
        "oldest_urgent_days": urgent,
        "urgent_limit_days": 1.0 if chance.random() < 0.5 else 4.0,
        "n_tickets_14d": chance.randrange(8) if urgent is not None else None,
        "n_tickets_usual_14d": chance.uniform(0, 4) if urgent is not None else None,
        "n_rated_180d": 5,
        "good_rating_share": maybe(chance.uniform(0.4, 1)),
        "rated_on": day - timedelta(days=chance.randrange(180)),
        "days_since_contact": maybe(chance.randrange(150)),
        "cadence_days": 15 * (1 + int(account[4:]) % 3),
        "n_decision_makers": chance.randrange(2),
        "n_champions": chance.randrange(2),
        "n_roles_filled": maybe(chance.randrange(5)),
        "key_contacts_kept": maybe(chance.choice([0, 1, 1])),
        "people_known_on": day - timedelta(days=chance.randrange(150)),
        "nps_median": maybe(chance.choice([3, 6.5, 8, 10])),
        "nps_on": day - timedelta(days=chance.randrange(300)),
        "pulse": maybe(chance.randrange(1, 6)),
        "pulse_on": day - timedelta(days=chance.randrange(100)),
        "overdue_days": chance.choice([0, 0, 10, 40, 70]),
        "n_competitor_mentions_90d": chance.choice([0, 0, 1, 3]),
        "milestones_on_time": maybe(chance.uniform(0, 1)),
        "milestone_on": day - timedelta(days=chance.randrange(250)),
        "notice_given_on": day if chance.random() < 0.03 else None,
    }
