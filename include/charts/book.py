"""Charts of the whole book: bands by week, ARR by cause, renewals by quarter, and the accuracy of the score."""

from __future__ import annotations

from datetime import date

import altair as alt
import pandas as pd
import sqlalchemy as sa

from include.charts import theme
from include.common.texts import N_, gettext
from include.scores.forecast import by_quarter, lines, past
from include.warehouse.engine import has_table

_PERCENT = alt.Axis(format="%")
_CAUSES = (N_("new"), N_("expansion"), N_("reactivation"), N_("contraction"), N_("churn"))
_BEST = N_("best single measure")


def bands(connection: sa.Connection) -> alt.Chart | None:
    """Plot accounts by health band and week."""
    if not has_table(connection, "marts.account_health"):
        return None
    rows = _read(connection, _BANDS)
    if rows.empty:
        return None
    order = [gettext(name) for name in theme.BANDS]
    rows["band"] = [gettext(name) for name in rows["band"]]
    return (
        alt.Chart(rows)
        .mark_bar(size=18)
        .encode(
            x=alt.X("day:T", title=None, axis=alt.Axis(format=gettext("%d %b"), grid=False)),
            y=alt.Y("n:Q", title=gettext("accounts"), stack="normalize", axis=_PERCENT),
            color=alt.Color("band:N", scale=alt.Scale(domain=order, range=list(theme.BANDS.values()))),
            order=alt.Order("rank:Q"),
        )
    )


def arr_bridge(connection: sa.Connection) -> alt.Chart | None:
    """Plot ARR won and lost, by month and cause."""
    if not has_table(connection, "marts.arr_movement"):
        return None
    rows = _read(connection, _BRIDGE)
    if rows.empty:
        return None
    causes = [gettext(name) for name in _CAUSES]
    rows["cause"] = [gettext(name) for name in rows["cause"]]
    colours = [theme.BLUE, "#6fb1ea", "#9ed0c0", "#e0b43a", "#b3202c"]
    return (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("month:T", title=None, timeUnit="yearmonth", axis=alt.Axis(format=gettext("%b %Y"))),
            y=alt.Y("arr:Q", title="ARR", axis=alt.Axis(format="~s")),
            color=alt.Color("cause:N", scale=alt.Scale(domain=causes, range=colours)),
        )
    )


def forecast(connection: sa.Connection) -> alt.LayerChart | None:
    """Plot due, renewed and expected ARR of this quarter and the next three, with P10 to P90."""
    if not has_table(connection, lines.TABLE):
        return None
    rows = []
    for quarter in by_quarter.ahead(lines.read(connection), past.read(connection)):
        total = quarter.total
        rows.append(
            {
                "quarter": quarter.label,
                "due": float(total.target),
                "expected": float(total.expected),
                "p10": float(total.p10),
                "p90": float(total.p90),
            }
        )
    if not rows:
        return None
    base = alt.Chart(pd.DataFrame(rows)).encode(x=alt.X("quarter:N", title=None, axis=alt.Axis(labelAngle=0)))
    axis = alt.Axis(format="~s")
    due = base.mark_bar(color="#9aa6b1", opacity=0.35, size=60).encode(y=alt.Y("due:Q", title="ARR", axis=axis))
    expected = base.mark_bar(color=theme.BLUE, size=36).encode(y="expected:Q")
    span = base.mark_rule(color=theme.ORANGE, strokeWidth=3).encode(y="p10:Q", y2="p90:Q")
    return due + expected + span


def backtest(connection: sa.Connection) -> alt.LayerChart | None:
    """Plot the AUC of the score with its interval, next to the best single measure and learned weights."""
    rows = _read(connection, _BACKTEST)
    if rows.empty or not (rows.method == "score").any():
        return None
    single = rows[~rows.method.isin(["score", "learned", "equal weights", "everyone at T-90", "CRM category"])]
    best = single.loc[single.groupby("days_before").auc.idxmax()].assign(method=_BEST)
    shown = pd.concat([rows[rows.method.isin(["score", "learned"])], best])
    shown = shown.assign(method=[gettext(name) for name in shown.method])
    x = alt.X(
        "days_before:O", title=gettext("days before the decision"), sort="descending", axis=alt.Axis(labelAngle=0)
    )
    colour = alt.Color(
        "method:N",
        scale=alt.Scale(
            domain=[gettext("score"), gettext("learned"), gettext(_BEST)], range=[theme.BLUE, theme.ORANGE, theme.GREY]
        ),
    )
    scale = alt.Scale(domain=[0.4, 1])
    points = (
        alt.Chart(shown).mark_line(point=True).encode(x=x, y=alt.Y("auc:Q", title="AUC", scale=scale), color=colour)
    )
    interval = alt.Chart(rows[rows.method == "score"]).mark_rule(color=theme.BLUE).encode(x=x, y="low:Q", y2="high:Q")
    return interval + points


def calibration(connection: sa.Connection) -> alt.LayerChart | None:
    """Plot the share of renewals that were renewed, by the score 60 to 120 days before the decision."""
    if not has_table(connection, "marts.health_checkpoint"):
        return None
    rows = _read(connection, _CALIBRATION)
    if rows.empty:
        return None
    from include.scores.statistics import wilson

    spans = [wilson(int(row.renewed), int(row.n)) for row in rows.itertuples()]
    rows = rows.assign(
        share=[one.share for one in spans], low=[one.low for one in spans], high=[one.high for one in spans]
    )
    x = alt.X("bucket:O", title=gettext("score, 60 to 120 days before"), axis=alt.Axis(labelAngle=0))
    base = alt.Chart(rows).encode(x=x)
    y = alt.Y("share:Q", title=gettext("renewed"), axis=_PERCENT, scale=alt.Scale(domain=[0, 1]))
    interval = base.mark_rule(color=theme.BLUE).encode(y="low:Q", y2="high:Q")
    counts = base.mark_text(dy=-8, dx=14).encode(y="high:Q", text="n:Q")
    return interval + base.mark_point(color=theme.BLUE, filled=True, size=60).encode(y=y) + counts


def newest(connection: sa.Connection) -> date | None:
    if not has_table(connection, "marts.account_day"):
        return None
    return connection.exec_driver_sql("select max(day) from marts.account_day").scalar()


def _read(connection: sa.Connection, query: str) -> pd.DataFrame:
    rows = connection.execute(sa.text(query)).mappings().all()
    frame = pd.DataFrame([dict(row) for row in rows])
    for name in {"day", "month"} & set(frame.columns):
        frame[name] = pd.to_datetime(frame[name])
    return frame


_BANDS = """
select h.day, h.band, count(*) as n,
    case h.band when 'unknown' then 0 when 'red' then 1 when 'yellow' then 2 else 3 end as rank
from marts.account_health as h cross join (select max(day) as newest from marts.health_score) as n
where h.day in (select n.newest - 7 * k from generate_series(0, 25) as k) group by 1, 2
"""
_BRIDGE = """
select cast(date_trunc('month', day) as date) as month, c.cause, cast(sum(c.arr) as double precision) as arr
from marts.arr_movement as m
cross join lateral (values
    ('new', m.new_arr), ('expansion', m.expansion_arr), ('reactivation', m.reactivation_arr),
    ('contraction', -m.contraction_arr), ('churn', -m.churn_arr)) as c (cause, arr)
where m.day >= (select max(day) from marts.account_day) - 365 and c.arr <> 0 group by 1, 2
"""
_BACKTEST = """
select method, days_before, auc, low, high from meta.health_backtest_method
where auc is not null and segment = 'all' and month = (select max(month) from meta.health_backtest)
"""
_CALIBRATION = """
select least(floor(f.computed / 10) * 10, 90)::int as bucket, count(distinct f.renewal_id) as n,
    count(distinct f.renewal_id) filter (where d.part <> 'lost') as renewed
from marts.health_checkpoint as f join marts.renewal_due as d on d.renewal_id = f.renewal_id
where d.part <> 'open' and d.settled_on is not null and f.computed is not null and f.days_before between 60 and 120
group by 1
"""
