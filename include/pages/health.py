"""The Health page: the board of a viewer's accounts, and one account's score explained. It names no people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.charts import draw
from include.charts.draw import Drawn
from include.common.errors import ConfigError
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.pages import scope
from include.scores import precision
from include.scores.health import explanation, overrides
from include.scores.health.explanation import Change, Explanation
from include.scores.health.overrides import JudgedOverride
from include.scores.precision import Precision
from include.warehouse.engine import engine, has_table

BANDS = ("green", "yellow", "red", "unknown")
WIDTH, HEIGHT = 720, 120
_SHOWN = 25
_DAYS = 90


@dataclass(frozen=True)
class Board:
    """The health of all accounts that the viewer may see.

    Args:
        day: The newest day; None before the first build.
        counts: Band -> number of accounts.
        weeks: The last twelve weeks: day, and band -> number of accounts.
        lowest: The accounts with the lowest scores.
        judged: The last back-test; None before the first one.
        methods: Its methods at T-90, T-60 and T-30.
        rules: Precision of each signal and playbook.
        overrides: Each override, and who was right.
        charts: Bands by week, back-test and calibration; empty if the viewer sees only part of the book.
    """

    day: date | None
    counts: dict[str, int]
    weeks: tuple[tuple[date, dict[str, int]], ...] = ()
    lowest: tuple[Any, ...] = ()
    judged: Any = None
    methods: tuple[Any, ...] = ()
    rules: tuple[Precision, ...] = ()
    overrides: tuple[JudgedOverride, ...] = ()
    charts: tuple[Drawn, ...] = ()


@dataclass(frozen=True)
class HealthPage:
    """The requested account, and the content of the page.

    Args:
        line: The account's scores of the last 90 days, as the points of an SVG polyline.
        first: The first day of the line.
        message: Why there is no answer; "" if nothing was requested.
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


def read(viewer: Viewer, account: str = "", day: str = "", since: str = "") -> HealthPage:
    """Return the board, or one account if it is requested."""
    account = account.strip()
    if not account:
        return HealthPage(board=_board(viewer))
    try:
        on, then = (date.fromisoformat(text) if text else None for text in (day, since))
    except ValueError:
        return HealthPage(account, message=gettext("That is not a date. Write it as 2026-11-23."))
    with engine("reader").connect() as connection:
        account, refusal = scope.named(connection, viewer, account)
    if refusal:
        return HealthPage(account, message=refusal)
    try:
        found = explanation.of_day(account, on)
        change = explanation.of_change(account, then, on) if then else None
    except ConfigError as error:
        return HealthPage(
            account, day, since, message=f"{error.message} ({error.cure})" if error.cure else error.message
        )
    points, first = line(account, found.day)
    return HealthPage(account, day, since, None, found, change, points, first)


def _board(viewer: Viewer) -> Board:
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.account_health"):
            return Board(None, {})
        weeks: dict[date, dict[str, int]] = {}
        chosen = {"accounts": scope.accounts(connection, viewer)}
        for row in connection.execute(_WEEKS, chosen):
            weeks.setdefault(row.day, dict.fromkeys(BANDS, 0))[row.band] = row.n
        if not weeks:
            return Board(None, {})
        newest = max(weeks)
        judged = connection.execute(_JUDGED).one_or_none()
        return Board(
            newest,
            weeks[newest],
            tuple(sorted(weeks.items())),
            tuple(connection.execute(_LOWEST, {**chosen, "day": newest, "limit": _SHOWN})),
            judged,
            tuple(connection.execute(_METHODS, {"month": judged.month})) if judged else (),
            tuple(precision.of_history(connection, newest)),
            tuple(overrides.read(connection, chosen["accounts"])[:_SHOWN]),
            # The charts cover all accounts. A part of the book gets bars of its own figures instead.
            tuple(draw.drawn(connection, "bands", "backtest", "calibration")) if chosen["accounts"] is None else (),
        )


def line(account: str, day: date) -> tuple[str, date | None]:
    """Return 90 days of scores as the points of an SVG line, and its first day; "" with fewer than two scores."""
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
    " where h.day in (select n.newest - 7 * k from generate_series(0, 11) as k)"
    " and (cast(:accounts as text[]) is null or h.account_key = any(cast(:accounts as text[]))) group by 1, 2"
)
_LOWEST = sa.text(
    "select h.account_key, a.name, h.shown, h.band, h.band_since, h.coverage, h.is_override, d.arr, o.name as csm"
    " from marts.account_health as h left join core.account as a on a.account_key = h.account_key"
    " left join core.owner as o on o.owner_key = a.owner_key"
    " left join marts.account_day as d on d.account_key = h.account_key and d.day = h.day"
    " where h.day = :day and h.band <> 'unknown'"
    " and (cast(:accounts as text[]) is null or h.account_key = any(cast(:accounts as text[])))"
    " order by h.shown, h.account_key limit :limit"
)
_JUDGED = sa.text("select * from meta.health_backtest order by month desc limit 1")
_METHODS = sa.text(
    "select method, max(case when days_before = 90 then auc end) as t90, max(case when days_before = 60 then auc end)"
    " as t60, max(case when days_before = 30 then auc end) as t30, max(n) as n, max(n_lost) as n_lost"
    " from meta.health_backtest_method where month = :month and segment = 'all' group by 1"
    " order by (method <> 'score'), 4 desc nulls last"
)
_LINE = sa.text(
    "select day, shown from marts.account_health"
    " where account_key = :account and day <= :day and day > cast(:day as date) - :days and shown is not null"
    " order by day"
)
