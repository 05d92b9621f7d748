"""The health board, and one account's score explained, for the page inside Airflow: accounts by key, no persons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.scores import precision
from include.scores.health import explanation, verdicts
from include.scores.health.explanation import Change, Explanation
from include.scores.health.verdicts import Verdict
from include.scores.precision import Precision
from include.warehouse.engine import engine, has_table

BANDS = ("green", "yellow", "red", "unknown")
WIDTH, HEIGHT = 720, 120
_SHOWN = 25
_DAYS = 90


@dataclass(frozen=True)
class Board:
    """Every account together.

    Args:
        day: The newest day; None before the first build.
        counts: Band -> accounts.
        weeks: Of the last twelve weeks: the day, and band -> accounts.
        lowest: The accounts with the lowest scores.
        judged: The last back-test; None before the first one.
        methods: Its methods at T-90, T-60 and T-30.
        rules: How well each signal and playbook picked those who left.
        overrides: Each override, and who was right.
    """

    day: date | None
    counts: dict[str, int]
    weeks: tuple[tuple[date, dict[str, int]], ...] = ()
    lowest: tuple[Any, ...] = ()
    judged: Any = None
    methods: tuple[Any, ...] = ()
    rules: tuple[Precision, ...] = ()
    overrides: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What was asked for, and what the page shows.

    Args:
        line: Points of the account's scores of 90 days, as an SVG polyline has them.
        first: The first day of the line.
        message: Why there is no answer; "" if nothing was asked.
    """

    account: str = ""
    day: str = ""
    since: str = ""
    board: Board | None = None
    found: Explanation | None = None
    change: Change | None = None
    line: str = ""
    first: date | None = None
    message: str = ""


def read(account: str = "", day: str = "", since: str = "") -> Asked:
    """Return what the page shows: the board, or one account if it is asked for."""
    account = account.strip()
    if not account:
        return Asked(board=_board())
    try:
        on, then = (date.fromisoformat(text) if text else None for text in (day, since))
    except ValueError:
        return Asked(account, message="That is not a day; write 2026-11-23.")
    try:
        found = explanation.of_day(account, on)
        change = explanation.of_change(account, then, on) if then else None
    except ConfigError as error:
        return Asked(account, day, since, message=f"{error.message} ({error.cure})" if error.cure else error.message)
    line, first = _line(account, found.day)
    return Asked(account, day, since, None, found, change, line, first)


def _board() -> Board:
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.account_health"):
            return Board(None, {})
        weeks: dict[date, dict[str, int]] = {}
        for row in connection.execute(_WEEKS):
            weeks.setdefault(row.day, dict.fromkeys(BANDS, 0))[row.band] = row.n
        if not weeks:
            return Board(None, {})
        newest = max(weeks)
        judged = connection.execute(_JUDGED).one_or_none()
        return Board(
            newest,
            weeks[newest],
            tuple(sorted(weeks.items())),
            tuple(connection.execute(_LOWEST, {"day": newest, "limit": _SHOWN})),
            judged,
            tuple(connection.execute(_METHODS, {"month": judged.month})) if judged else (),
            tuple(precision.of_history(connection, newest)),
            tuple(verdicts.read(connection)[:_SHOWN]),
        )


def _line(account: str, day: date) -> tuple[str, date | None]:
    with engine("reader").connect() as connection:
        rows = connection.execute(_LINE, {"account": account, "day": day, "days": _DAYS}).all()
    if len(rows) < 2:
        return "", None
    first, span = rows[0].day, max((rows[-1].day - rows[0].day).days, 1)
    points = [
        f"{(row.day - first).days / span * WIDTH:.1f},{HEIGHT - float(row.shown) / 100 * HEIGHT:.1f}" for row in rows
    ]
    return " ".join(points), first


_WEEKS = sa.text(
    "select h.day, h.band, count(*) as n from marts.account_health as h"
    " cross join (select max(day) as newest from marts.health_score) as n"
    " where h.day in (select n.newest - 7 * k from generate_series(0, 11) as k) group by 1, 2"
)
_LOWEST = sa.text(
    "select account_key, shown, band, band_since, coverage, is_override from marts.account_health"
    " where day = :day and band <> 'unknown' order by shown, account_key limit :limit"
)
_JUDGED = sa.text("select * from meta.health_backtest order by month desc limit 1")
_METHODS = sa.text(
    "select method, max(case when days_before = 90 then auc end) as t90, max(case when days_before = 60 then auc end)"
    " as t60, max(case when days_before = 30 then auc end) as t30, max(n) as n, max(n_lost) as n_lost"
    " from meta.health_backtest_method where month = :month group by 1"
    " order by (method <> 'score'), 4 desc nulls last"
)
_LINE = sa.text(
    "select day, shown from marts.account_health"
    " where account_key = :account and day <= :day and day > cast(:day as date) - :days and shown is not null"
    " order by day"
)
