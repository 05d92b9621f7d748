"""The tables that a report's section can name. They show the newest day, and are read once per period."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from include.analyses.triage import routes
from include.common import formatting, quarters, texts
from include.common.texts import N_, gettext, ngettext
from include.config import Settings
from include.config.own_texts import translated
from include.decide.risk import live_risks
from include.decide.signals.load import load as load_signals
from include.gate import verdicts as gate
from include.reports import team_load
from include.reports.mask import FEWEST, Column
from include.reports.periods import Period
from include.scores import precision
from include.scores.forecast import by_quarter, lines, past
from include.scores.health import overrides
from include.warehouse.engine import has_table

MOST_ROWS = 10
NO_BUILD, NO_CONTRACTS = N_("there are no figures yet"), N_("contracts have not been fully read yet")


@dataclass(frozen=True)
class Scope:
    """The scope of a table.

    Args:
        newest: The newest day with figures.
        accounts: Only these; None for all.
    """

    connection: sa.Connection
    settings: Settings
    period: Period
    newest: date
    accounts: list[str] | None

    def all(self, statement: str, **named: Any) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query."""
        given = {"newest": self.newest, "accounts": self.accounts, "most": MOST_ROWS, **named}
        return [dict(row) for row in self.connection.execute(sa.text(statement), given).mappings()]

    def lacks(self, *names: str) -> bool:
        """Return whether any of the tables is not built yet."""
        return not all(has_table(self.connection, name) for name in names)

    @property
    def has_contracts(self) -> bool:
        """Whether contracts are completely read. Without them no account is known to be a customer."""
        return not self.all("select 1 from meta.metric_gap where metric_id = 'customers' and from_day <= :newest")


@dataclass(frozen=True)
class Found:
    """The content of a table.

    Args:
        n: Number of accounts, renewals or rules behind it.
        text: Text about it.
        sizes: Number of accounts behind each row, if rows are groups of accounts.
        as_of: The day at whose close it was taken; None for the newest day.
    """

    rows: Sequence[Sequence[Any]]
    n: int
    text: str = ""
    sizes: Sequence[int] | None = None
    as_of: date | None = None


@dataclass(frozen=True)
class Table:
    """A table that a section can name.

    Args:
        make: Returns its content, or why it is not available.
        kinds: The kinds of source that it needs.
        by_region: Whether it can be limited to regions.
    """

    columns: Sequence[Column]
    make: Callable[[Scope], Found | str]
    kinds: frozenset[str] = frozenset({"crm"})
    by_region: bool = True


def _top_risks(scope: Scope) -> Found | str:
    if scope.lacks("marts.account_day", "marts.forecast_line"):
        return gettext(NO_BUILD)
    if not scope.has_contracts:
        return gettext(NO_CONTRACTS)
    if not scope.all("select 1 from ops.decision limit 1"):
        return gettext("the DAG decide has not run yet")
    live = live_risks(load_signals())
    found = scope.all(_RISKS, signals=list(live))
    shown = [
        (
            (row["account_key"], row["name"]),
            ", ".join(dict.fromkeys(translated(live[name].file.title) for name in row["signals"])),
            row["since"],
            row["decision_date"],
            row["arr"],
        )
        for row in found[:MOST_ROWS]
    ]
    return Found(shown, len(found), "" if found else gettext("No risk signal is open."))


def _tier_moves(scope: Scope) -> Found | str:
    if scope.lacks("marts.account_day"):
        return gettext(NO_BUILD)
    if not scope.has_contracts:
        return gettext(NO_CONTRACTS)
    days = {"before": scope.period.first - timedelta(days=1), "last": scope.period.last}
    if len(scope.all("select distinct day from marts.account_day where day in (:before, :last)", **days)) < 2:
        return gettext("the history does not reach back before the period")
    found = scope.all(_MOVES, **days)
    none = gettext("no tier")
    shown = [
        ((row["account_key"], row["name"]), row["was"] or none, row["is_now"] or none, row["arr"]) for row in found
    ]
    return Found(shown, len(found), "" if found else gettext("No customer changed its tier."), as_of=scope.period.last)


def _forecast(scope: Scope) -> Found | str:
    if scope.lacks(lines.TABLE):
        return gettext(NO_BUILD)
    if not scope.has_contracts:
        return gettext(NO_CONTRACTS)
    chosen = None if scope.accounts is None else set(scope.accounts)
    known = [line for line in lines.read(scope.connection) if chosen is None or line.account_key in chosen]
    found = by_quarter.ahead(known, past.read(scope.connection))
    if not found:
        return gettext("no renewal is due in this quarter or the next three")
    rows = []
    for one in found:
        total = one.total
        rows.append((one.label, total.n, total.target, one.won, total.expected, total.p10, total.p90))
    sizes = [len({line.account_key for line in one.lines}) for one in found]
    text = gettext(
        "ARR of {quarter} is expected between P10 and P90 in 8 of 10 cases, {how}.",
        quarter=found[0].label,
        how=found[0].scale.label,
    )
    return Found(rows, sum(row[1] for row in rows), text, None if chosen is None else sizes)


def _forecast_accuracy(scope: Scope) -> Found | str:
    frozen = past.read(scope.connection)
    start = quarters.plus(quarters.start(scope.newest), -1)
    label = quarters.label(start)
    chosen = [row for row in frozen if row.quarter_start == start and row.checkpoint == "quarter"]
    if not chosen:
        return gettext("no forecast was frozen at the start of {quarter}", quarter=label)
    made = past.quarters(chosen)
    if not made:
        return gettext("not every renewal of {quarter} is settled", quarter=label)
    one = made[0]
    off = one.actual / one.p50 - 1 if one.p50 else None
    is_inside = gettext("yes") if one.p10 <= one.actual <= one.p90 else gettext("no")
    return Found([(label, one.p50, one.p10, one.p90, one.actual, off, is_inside)], len(chosen))


def _team_load(scope: Scope) -> Found | str:
    if scope.lacks(*team_load.TABLES):
        return gettext(NO_BUILD)
    if not scope.has_contracts:
        return gettext(NO_CONTRACTS)
    found = team_load.by_team(scope.connection, scope.newest, scope.accounts)
    leads = scope.settings.people.team_leads
    sizes = [row["n_accounts"] for row in found]
    has_tasks = bool(scope.all("select 1 from core.task limit 1"))
    rows = [
        (
            row["team"] or gettext("no team"),
            leads[row["team"]].name if row["team"] in leads else None,
            row["n_accounts"],
            row["arr"],
            row["n_red"] if row["n_red"] or row["n_yellow"] or row["n_green"] else None,
            row["n_decisions"],
            row["decisions_arr"],
            row["n_tasks"] if has_tasks else None,
            row["n_overdue"] if has_tasks else None,
        )
        for row in found
    ]
    text = "" if has_tasks else gettext("Tasks are not available: no CRM task has been created and read back yet.")
    return Found(rows, sum(sizes), text, sizes)


def _backtest(scope: Scope) -> Found | str:
    judged = next(iter(scope.all("select * from meta.health_backtest order by month desc limit 1")), None)
    if judged is None:
        return gettext("the DAG judge_scores has not run yet")
    found = scope.all(_METHODS, month=judged["month"])
    rows = [(row["method"], row["t90"], row["t60"], row["t30"], row["n"], row["n_lost"]) for row in found]
    text = ngettext(
        "{month}, {n} lost renewal.",
        "{month}, {n} lost renewals.",
        judged["n_losses"],
        month=formatting.month(judged["month"]),
    )
    text = texts.space().join((text, *judged["warnings"]))
    return Found(rows, max((row["n"] for row in found), default=0), text.strip())


def _alert_precision(scope: Scope) -> Found | str:
    if scope.lacks("core.renewal"):
        return gettext(NO_BUILD)
    found = precision.of_history(scope.connection, scope.newest)
    rows = [
        (one.name, one.precision, one.base, one.recall, one.lead, one.n_touched, one.n_lost)
        for one in found
        if one.n_decisions
    ]
    if not rows:
        return gettext("no signal has been live long enough to be judged by later renewals")
    text = gettext(
        "Precision: share of renewals with an alert before the decision that were lost. All: share of all renewals."
    )
    return Found(rows, max(one.n_decisions for one in found), text)


def _data_health(scope: Scope) -> Found | str:
    found = [one for one in gate.verdicts() if not one.entity]
    if not found:
        return gettext("no source was read yet")
    return Found([(one.source, one.kind, one.state, one.watermark, one.since) for one in found], len(found))


def _overrides(scope: Scope) -> Found | str:
    if scope.lacks("marts.renewal_due", "marts.health_score", "marts.account_health"):
        return gettext(NO_BUILD)
    found = overrides.read(scope.connection)
    if not found:
        return Found((), 0, gettext("No score was overridden."))
    names = {
        row["account_key"]: row["name"]
        for row in scope.all(
            "select account_key, name from core.account where account_key = any(:keys)",
            keys=[one.account_key for one in found],
        )
    }
    rows = [
        (
            (one.account_key, names.get(one.account_key)),
            one.from_day,
            one.score,
            one.computed,
            one.decision_date,
            one.outcome,
            one.right,
            one.given_by,
        )
        for one in found[:MOST_ROWS]
    ]
    return Found(rows, len(found), overrides.summary(found))


def _bugs(scope: Scope) -> Found | str:
    """Return the period's bugs by feature. The ARR of few accounts would be that of one, and is left out."""
    if routes.newest_day(scope.connection) is None:
        return gettext("no ticket was triaged yet")
    found = routes.bugs(scope.connection, scope.period.first, scope.period.last)
    rows = [
        (
            row["about"] or gettext("no feature named"),
            row["n_tickets"],
            row["n_accounts"],
            row["arr"] if row["n_accounts"] >= FEWEST else None,
            row["arr_due"] if row["n_accounts"] >= FEWEST else None,
            row["first_seen"],
            row["example"],
        )
        for row in found[:MOST_ROWS]
    ]
    text = "" if found else gettext("No bug was reported.")
    return Found(rows, sum(row["n_tickets"] for row in found), text, as_of=scope.period.last)


def _columns(*named: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in named)  # type: ignore[arg-type]


TABLES: Mapping[str, Table] = {
    "top_risks": Table(
        _columns(
            ("account", "account"), ("risks", "text"), ("since", "text"), ("next decision", "text"), ("ARR", "amount")
        ),
        _top_risks,
        frozenset({"crm", "product", "support"}),
    ),
    "tier_moves": Table(
        _columns(("account", "account"), ("from", "text"), ("to", "text"), ("ARR", "amount")), _tier_moves
    ),
    "forecast": Table(
        _columns(
            ("quarter", "text"), ("renewals", "number"), ("due", "amount"), ("won", "amount"), ("expected", "amount"),
            ("P10", "amount"), ("P90", "amount"),
        ),
        _forecast,
    ),
    "forecast_accuracy": Table(
        _columns(
            ("quarter", "text"), ("forecast", "amount"), ("P10", "amount"), ("P90", "amount"), ("actual", "amount"),
            ("off by", "share"), ("inside the interval", "text"),
        ),
        _forecast_accuracy,
        by_region=False,
    ),
    "team_load": Table(
        _columns(
            ("team", "text"), ("lead", "person"), ("customers", "number"), ("ARR", "amount"), ("red", "number"),
            ("decisions in 90 days", "number"), ("at stake", "amount"), ("open tasks", "number"), ("overdue", "number"),
        ),
        _team_load,
    ),
    "backtest": Table(
        _columns(
            ("method", "text"), ("AUC at T-90", "number"), ("T-60", "number"), ("T-30", "number"),
            ("renewals", "number"), ("lost", "number"),
        ),
        _backtest,
        frozenset(),
        by_region=False,
    ),
    "alert_precision": Table(
        _columns(
            ("rule", "text"), ("precision", "share"), ("all", "share"), ("recall", "share"), ("lead, days", "number"),
            ("with an alert", "number"), ("lost", "number"),
        ),
        _alert_precision,
        by_region=False,
    ),
    "data_health": Table(
        _columns(
            ("source", "text"), ("kind", "text"), ("state", "text"), ("complete up to, UTC", "text"),
            ("since, UTC", "text"),
        ),
        _data_health,
        frozenset(),
        by_region=False,
    ),
    "bugs": Table(
        _columns(
            ("feature", "text"), ("tickets", "number"), ("accounts", "number"), ("ARR", "amount"),
            ("ARR due in 180 days", "amount"), ("first seen", "text"), ("example", "text"),
        ),
        _bugs,
        frozenset({"support"}),
        by_region=False,
    ),
    "overrides": Table(
        _columns(
            ("account", "account"), ("from", "text"), ("set", "number"), ("computed", "number"), ("decision", "text"),
            ("outcome", "text"), ("right", "text"), ("by", "person"),
        ),
        _overrides,
        by_region=False,
    ),
}  # fmt: skip

_MINE = "(cast(:accounts as text[]) is null or d.account_key = any(cast(:accounts as text[])))"
_RISKS = f"""
select e.account_key, a.name, array_agg(e.signal order by e.severity, e.opened_on, e.signal) as signals,
    min(e.opened_on) as since, d.arr,
    (select min(f.decision_date) from marts.forecast_line as f
     where f.account_key = e.account_key and f.line_class in ('open', 'auto_renew')) as decision_date
from ops.episode as e
join marts.account_day as d on d.account_key = e.account_key and d.day = :newest and d.is_customer
join core.account as a on a.account_key = e.account_key and not a.is_excluded
where e.state = 'open' and e.signal = any(:signals) and {_MINE}
group by e.account_key, a.name, d.arr order by d.arr desc nulls last, e.account_key
"""  # noqa: S608
_MOVES = f"""
select d.account_key, a.name, b.tier as was, d.tier as is_now, d.arr
from marts.account_day as d
join marts.account_day as b on b.account_key = d.account_key and b.day = :before and b.is_customer
join core.account as a on a.account_key = d.account_key and not a.is_excluded
where d.day = :last and d.is_customer and d.tier is distinct from b.tier and {_MINE}
order by d.arr desc nulls last, d.account_key
"""  # noqa: S608
_METHODS = """
select method, max(case when days_before = 90 then auc end) as t90, max(case when days_before = 60 then auc end) as t60,
    max(case when days_before = 30 then auc end) as t30, max(n) as n, max(n_lost) as n_lost
from meta.health_backtest_method where month = :month and segment = 'all'
group by 1 order by (method <> 'score'), 4 desc nulls last, 1
"""
