"""The Renewals page: a quarter's expected ARR, decisions by week, and each renewal with its probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from include.charts import draw
from include.charts.draw import Drawn
from include.common import formatting, quarters
from include.common.texts import gettext
from include.config.viewers import Viewer
from include.pages import entries, scope
from include.scores.forecast import by_quarter, calls, lines, lists, past, totals
from include.scores.forecast.calls import Compared
from include.scores.forecast.lines import Line
from include.scores.forecast.lists import Week
from include.scores.forecast.totals import Total
from include.warehouse.engine import engine, has_table

_WEEKS = 13


@dataclass(frozen=True)
class Renewals:
    """The renewals due in a quarter, or the open ones to be decided in a month.

    Args:
        quarter: Such as 2026Q3, or a month such as 2026-08; "" before the first build.
        quarters: The selectable quarters.
        months: The selectable months and their names.
        won: ARR that is renewed already.
        lost: ARR that is lost already.
        at_stake: ARR that is still open.
        interval: The label of the interval.
        by_csm: The total of each CSM.
        weeks: Decisions of the next 13 weeks, over all quarters.
        found: The quarter's renewals, open ones first, by decision date.
        reason: Renewal -> why human judgement and the score disagree.
        late: Open renewals of earlier quarters.
        calls: The newest call of each CSM whom the viewer may see, next to the forecast of all the CSM's renewals.
        callers: The CSMs for whom the viewer may give a call, by key.
        charts: The next quarters; only for viewers who may see all accounts and amounts.
    """

    quarter: str = ""
    quarters: Sequence[str] = ()
    months: Mapping[str, str] = field(default_factory=dict)
    as_of: date | None = None
    currency: str = ""
    total: Total | None = None
    won: float = 0.0
    lost: float = 0.0
    at_stake: float = 0.0
    interval: str = ""
    by_csm: Sequence[Total] = ()
    weeks: Sequence[Week] = ()
    found: Sequence[Line] = ()
    reason: dict[str, str] | None = None
    late: Sequence[Line] = ()
    calls: Sequence[Compared] = ()
    callers: dict[str, str] | None = None
    charts: Sequence[Drawn] = ()
    message: str = ""


def read(viewer: Viewer, quarter: str = "", band: str = "", csm: str = "") -> Renewals:
    """Return a quarter's renewals of a viewer's accounts.

    Args:
        quarter: Such as 2026Q3, by default the current one; or the month of the decisions, such as 2026-08.
        band: Only this band.
        csm: Only this CSM's renewals, by name.
    """
    with engine("reader").connect() as connection:
        if not has_table(connection, lines.TABLE):
            return Renewals(message=gettext("There is no forecast yet. The first build creates it."))
        chosen = scope.accounts(connection, viewer)
        every = lines.read(connection)
        known = [line for line in every if chosen is None or line.account_key in chosen]
        frozen, given = past.read(connection), calls.read(connection)
        reminded = lines.reminded(connection)
        owners = scope.owners(connection, viewer)
        sees_all = chosen is None and viewer.sees_amounts
        charts = draw.drawn(connection, "forecast", "arr_bridge") if sees_all else []
    if not known:
        return Renewals(message=gettext("No renewal of your accounts is due in this quarter or the next three."))
    as_of = known[0].as_of
    starts = {quarters.label(start): start for start in by_quarter.starts(as_of)}
    this = next(iter(starts))
    days = sorted({line.decision_date.replace(day=1) for line in known if line.is_open})
    months = {f"{day:%Y-%m}": day for day in days}
    titles = {name: formatting.month(day) for name, day in months.items()}
    quarter = quarter or this
    if quarter not in (*starts, *months):
        every_name = ", ".join((*starts, *months))
        message = gettext("{quarter} is not one of {quarters}.", quarter=quarter, quarters=every_name)
        return Renewals(quarters=list(starts), months=titles, as_of=as_of, message=message)
    if quarter in months:
        whole, given, owners = by_quarter.of_month(months[quarter], every, frozen), [], {}
    else:
        whole = by_quarter.of(starts[quarter], every, frozen)
    one = replace(whole, lines=[line for line in whole.lines if chosen is None or line.account_key in chosen])
    csm = csm if viewer.sees_csms else ""
    shown = [line for line in one.lines if band in ("", line.band) and csm in ("", line.csm)]
    shown.sort(key=lambda line: not line.is_open)
    return Renewals(
        quarter,
        list(starts),
        titles,
        as_of,
        known[0].currency,
        one.total,
        one.won,
        one.lost,
        one.at_stake,
        one.scale.label,
        totals.by_group(one.lines, "csm", one.scale),
        lists.calendar(known, reminded, _WEEKS),
        shown,
        {each.line.renewal_id: each.reason for each in lists.disagreements(known)},
        [line for line in known if line.quarter_start < starts[this] and line.is_open],
        calls.against(whole, [call for call in given if call.owner_key in owners]),
        owners if viewer.role in entries.MAY_CALL else {},
        charts,
    )
