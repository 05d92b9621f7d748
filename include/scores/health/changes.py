"""Keeps why scores changed in each week and month that is over: once, as it was explained then."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.scores.health import explanation
from include.scores.health.explanation import Line
from include.warehouse import locks
from include.warehouse.engine import engine, has_table

Period = Literal["week", "month"]
PERIODS: tuple[Period, ...] = ("week", "month")
# In points of the shown score; an account whose band changed is kept whatever its points are.
MOVED = 3


def over(period: Period, today: date) -> tuple[date, date]:
    """Return the last day of the period before the last one that is over, and that of the last one.

    Weeks end on Sundays.
    """
    if period == "week":
        last = today - timedelta(days=today.isoweekday())
        return last - timedelta(days=7), last
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1) - timedelta(days=1), last


def keep(period: Period, today: date) -> int:
    """Keep the changes of the last period that is over, if it is built and not kept yet.

    Args:
        period: A week or a month.
        today: The day by the reporting zone's clock.

    Returns:
        How many lines were written.
    """
    since, day = over(period, today)
    bound: dict[str, Any] = {"period": period, "since": since, "day": day}
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.account_health") or connection.execute(_IS_KEPT, bound).scalar():
            return 0
        moved = connection.execute(_MOVED, {**bound, "moved": MOVED}).mappings().all()
        lines = [line for row in moved for line in _lines(connection, dict(row), bound)]
    if lines:
        with engine("builder").begin() as connection:
            now = locks.stamp(connection)
            # Another run may have kept the period in between: its lines are the same.
            connection.execute(_ADD, [{**line, "now": now} for line in lines])
    return len(lines)


def read(connection: sa.Connection, period: Period) -> list[dict[str, Any]]:
    """Return the lines of the newest period that is kept, accounts that fell most first."""
    return [dict(row) for row in connection.execute(_NEWEST, {"period": period}).mappings()]


def _lines(connection: sa.Connection, row: dict[str, Any], bound: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        change = explanation.between(connection, row["account_key"], bound["since"], bound["day"])
    except ConfigError:  # one of the days is of a profile that is gone
        return []
    # A band may change with no score: after its days below an edge, or set by a lead.
    causes = change.lines or (Line("band", "band", Decimal(0), row["band_before"], row["band_after"]),)
    return [{**bound, **row, **vars(line), "position": number} for number, line in enumerate(causes, start=1)]


_IS_KEPT = sa.text(
    "select exists (select from meta.health_change where period = :period and day = :day)"
    " or not exists (select from marts.health_score where day > :day)"
)
_MOVED = sa.text(
    "select a.account_key, a.shown as score_before, b.shown as score_after, a.band as band_before,"
    " b.band as band_after from marts.account_health as a"
    " join marts.account_health as b on b.account_key = a.account_key and b.day = :day"
    " where a.day = :since and a.computed is not null and b.computed is not null"
    " and (abs(b.shown - a.shown) >= :moved or a.band <> b.band) order by a.account_key"
)
_ADD = sa.text(
    "insert into meta.health_change (period, account_key, since, day, position, cause, kind, change, before, after,"
    " score_before, score_after, band_before, band_after, kept_at) values (:period, :account_key, :since, :day,"
    " :position, :cause, :kind, :change, :before, :after, :score_before, :score_after, :band_before, :band_after, :now)"
    " on conflict do nothing"
)
_NEWEST = sa.text(
    "select account_key, since, day, score_before, score_after, band_before, band_after, cause, kind, change, before,"
    " after from meta.health_change where period = :period"
    " and day = (select max(day) from meta.health_change where period = :period)"
    " order by score_after - score_before, account_key, position"
)
