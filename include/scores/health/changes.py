"""Store the explanation of each score change, once per finished week and month."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

from include.scores.health import explanation
from include.scores.health.explanation import Line
from include.warehouse import locks
from include.warehouse.engine import engine, has_table

Period = Literal["week", "month"]
PERIODS: tuple[Period, ...] = ("week", "month")
# In points of the shown score. A change of band is stored whatever its points.
MOVED = 3
# Accounts in memory at a time.
AT_ONCE = 1000


def over(period: Period, today: date) -> tuple[date, date]:
    """Return the last days of the two newest finished periods, the earlier one first.

    Weeks end on Sundays.
    """
    if period == "week":
        last = today - timedelta(days=today.isoweekday())
        return last - timedelta(days=7), last
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1) - timedelta(days=1), last


def keep(period: Period, today: date) -> int:
    """Store the changes of the last finished period, once it is built and unless they are stored already.

    Args:
        period: A week or a month.
        today: The day in the reporting time zone.

    Returns:
        Number of lines written.
    """
    since, day = over(period, today)
    bound: dict[str, Any] = {"period": period, "since": since, "day": day}
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.account_health") or connection.execute(_IS_KEPT, bound).scalar():
            return 0
        moved = connection.execute(_MOVED, {**bound, "moved": MOVED}).mappings().all()
        n_lines = 0
        # One transaction: a period is stored completely or not at all.
        with engine("builder").begin() as writer:
            now = locks.now(writer)
            for start in range(0, len(moved), AT_ONCE):
                lines = _lines(connection, [dict(row) for row in moved[start : start + AT_ONCE]], bound)
                if lines:
                    # A concurrent run may have stored the period already, with the same lines.
                    writer.execute(_ADD, [{**line, "now": now} for line in lines])
                n_lines += len(lines)
    return n_lines


def read(connection: sa.Connection, period: Period) -> list[dict[str, Any]]:
    """Return the lines of the newest stored period, largest falls first."""
    return [dict(row) for row in connection.execute(_NEWEST, {"period": period}).mappings()]


def _lines(connection: sa.Connection, rows: list[dict[str, Any]], bound: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of some accounts. Left out are those scored by a profile that no longer exists."""
    changes = explanation.of_changes(connection, [row["account_key"] for row in rows], bound["since"], bound["day"])
    lines = []
    for row in rows:
        if (change := changes.get(row["account_key"])) is None:
            continue
        # A band can change without the score: after enough days below an edge, or when a lead sets it.
        causes = change.lines or (Line("band", "band", Decimal(0), row["band_before"], row["band_after"]),)
        lines += [{**bound, **row, **vars(line), "position": number} for number, line in enumerate(causes, start=1)]
    return lines


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
