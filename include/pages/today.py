"""The Today page of a CSM: tasks and alerts by ARR, upcoming decisions, falling scores and missing pulses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.errors import ConfigError
from include.config.viewers import Viewer
from include.decide.explain import unsent as why_unsent
from include.decide.explain.unsent import Unsent
from include.decide.rule_texts import evidence, live_signals, titles
from include.outbox import tasks
from include.pages import scope
from include.scores.forecast import lines
from include.scores.forecast.lines import Line
from include.scores.health import explanation
from include.warehouse.engine import engine, has_table

AHEAD_DAYS, FALL, FALL_DAYS, PULSE_DAYS = 90, 5, 7, 45
_SHOWN, _EXPLAINED = 50, 5


@dataclass(frozen=True)
class Fall:
    """A score that fell within a week.

    Args:
        cause: The largest cause; only for the deepest falls.
    """

    account_key: str
    name: str
    before: float
    after: float
    band: str
    arr: float | None
    cause: str = ""


@dataclass(frozen=True)
class Today:
    """The content of the page.

    Args:
        day: The newest day with figures; None before the first build.
        counts: Full length of each list; the lists hold the first 50 rows.
        tasks: Open tasks, overdue first, then by ARR.
        alerts: Open signals, by ARR.
        decisions: Open renewals decided within 90 days.
        pulses: Accounts without a pulse for 45 days, by ARR.
        unsent: What nobody was told lately, and why; for roles that see persons, since a reason may name a colleague.
    """

    day: date | None
    counts: Mapping[str, int] = field(default_factory=dict)
    tasks: Sequence[Any] = ()
    alerts: Sequence[Any] = ()
    decisions: Sequence[Line] = ()
    falls: Sequence[Fall] = ()
    pulses: Sequence[Any] = ()
    unsent: Sequence[Unsent] = ()


def read(viewer: Viewer) -> Today:
    with engine("reader").connect() as connection:
        if not has_table(connection, "marts.forecast_line"):
            return Today(None)
        day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
        if day is None:
            return Today(None)
        chosen = scope.accounts(connection, viewer)
        named = {"accounts": chosen, "day": day, "limit": _SHOWN, "live": live_signals()}

        def ask(query: sa.TextClause) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(query, named).mappings()]

        tasks, alerts, falls, pulses = (ask(query) for query in (_TASKS, _ALERTS, _FALLS, _PULSES))
        decisions = [line for line in lines.read(connection) if _is_due(line, chosen)]
        reasons = evidence(connection, [(row["rule"], row["account_key"]) for row in alerts])
        lists = {"tasks": tasks, "alerts": alerts, "falls": falls, "pulses": pulses}
        counts = {name: rows[0]["n"] if rows else 0 for name, rows in lists.items()}
        return Today(
            day,
            {**counts, "decisions": len(decisions), "overdue": tasks[0]["n_overdue"] if tasks else 0},
            _titled(tasks),
            [row | {"reason": reason} for row, reason in zip(_titled(alerts), reasons, strict=True)],
            decisions[:_SHOWN],
            _falls(connection, falls, day),
            pulses,
            why_unsent.read(connection, chosen, _SHOWN) if viewer.sees_people else (),
        )


def _is_due(line: Line, chosen: Sequence[str] | None) -> bool:
    is_mine = chosen is None or line.account_key in chosen
    return is_mine and line.is_open and 0 <= (line.decision_date - line.as_of).days <= AHEAD_DAYS


def _titled(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    known = titles()
    return [row | {"title": known.get(row["rule"], row["rule"])} for row in rows]


def _falls(connection: sa.Connection, rows: Sequence[dict[str, Any]], day: date) -> list[Fall]:
    found = []
    for position, row in enumerate(rows):
        cause = ""
        if position < _EXPLAINED:
            try:
                change = explanation.between(connection, row["account_key"], row["since"], day)
                cause = min(change.lines, key=lambda line: line.change).reason if change.lines else ""
            except ConfigError:
                pass  # one of the days has no score that can still be explained
        known = {name: value for name, value in row.items() if name not in ("since", "n")}
        found.append(Fall(**known, cause=cause))
    return found


_MINE = "(cast(:accounts as text[]) is null or a.account_key = any(cast(:accounts as text[])))"
_ACCOUNTS = (
    " join core.account as a on a.account_key = t.account_key and not a.is_excluded and not a.is_deleted"
    " left join marts.account_day as d on d.account_key = a.account_key and d.day = :day"
)
# Tasks as they are now: core.task has only those of the last build that the CRM has reported since.
_OPEN_TASKS = (
    "select o.outbox_id, o.account_key, o.rule, o.step, o.subject, coalesce(t.state, 'open') as state,"  # noqa: S608
    " coalesce(t.due_on, cast(o.body ->> 'due_on' as date)) as due_on"
    " from ops.outbox as o left join ops.task as t on t.key = o.key"
    " where o.channel = 'crm_task' and o.state = 'sent' and o.undo = '' and o.body ->> 'due_on' is not null"
    " and coalesce(t.state, 'open') in ('open', 'started')"
    " and not exists (select from ops.outbox as c"
    " where c.channel = 'crm_task' and c.state = 'sent' and c.body ->> 'closes' = o.key)"
    f" and not {tasks.is_over('o')}"
)
_TASKS = sa.text(
    "select t.account_key, a.name, t.rule, t.step, t.subject, t.due_on, t.state, d.arr, t.due_on < :day as is_overdue,"  # noqa: S608
    " count(*) over () as n, count(*) filter (where t.due_on < :day) over () as n_overdue"
    f" from ({_OPEN_TASKS}) as t {_ACCOUNTS}"
    f" where {_MINE}"
    " order by coalesce(t.due_on < :day, false) desc, d.arr desc nulls last, t.due_on, t.outbox_id limit :limit"
)
_ALERTS = sa.text(
    "select t.account_key, a.name, t.signal as rule, t.severity, t.opened_on, d.arr,"  # noqa: S608
    " count(*) over () as n"
    f" from ops.episode as t {_ACCOUNTS}"
    f" where t.state = 'open' and t.signal = any(:live) and {_MINE}"
    " order by (t.severity = 'high') desc, d.arr desc nulls last, t.opened_on, t.episode_id limit :limit"
)
_FALLS = sa.text(
    "select t.account_key, a.name, b.shown as before, t.shown as after, t.band, d.arr, b.day as since,"  # noqa: S608
    " count(*) over () as n"
    f" from marts.account_health as t {_ACCOUNTS}"
    f" join marts.account_health as b on b.account_key = t.account_key and b.day = cast(:day as date) - {FALL_DAYS}"
    f" where t.day = :day and t.shown <= b.shown - {FALL} and {_MINE}"
    " order by t.shown - b.shown, t.account_key limit :limit"
)
_PULSES = sa.text(
    "select t.account_key, a.name, d.arr, max(p.given_on) as given_on,"  # noqa: S608
    " count(*) over () as n"
    f" from (select account_key from marts.health_score where day = :day) as t {_ACCOUNTS}"
    " left join meta.health_pulse as p on p.account_key = t.account_key and p.known_to is null"
    f" where {_MINE} group by 1, 2, 3"
    f" having max(p.given_on) is null or max(p.given_on) <= cast(:day as date) - {PULSE_DAYS}"
    " order by d.arr desc nulls last, t.account_key limit :limit"
)
