"""The playbooks page: runs, tasks in time, outcomes and measured effect of each playbook, and the lists of touches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.texts import ngettext
from include.config.viewers import Viewer
from include.decide.playbooks.schema import Playbook
from include.decide.rule_texts import titles
from include.experiments import overview, words
from include.pages import scope, touches
from include.warehouse.engine import engine, has_table


@dataclass(frozen=True)
class Run:
    """The figures of one playbook.

    Args:
        effect: What its hold-out shows over all accounts, or could show, in sentences; none if neither is known.
        n_open: Accounts that it is running for.
        n_closed: Ended runs.
        outcomes: Reported outcome -> number of runs, most frequent first.
        n_due: Tasks that are past their due day or were completed before it.
        n_in_time: Due tasks completed by the due day.
    """

    playbook: Playbook
    effect: tuple[str, ...]
    n_open: int = 0
    n_closed: int = 0
    outcomes: tuple[tuple[str, int], ...] = ()
    n_due: int = 0
    n_in_time: int = 0

    @property
    def starts(self) -> str:
        """What starts the playbook: a number of days before the decision, or signals."""
        trigger, known = self.playbook.trigger, titles()
        if trigger.rung is not None:
            return ngettext("{n} day before", "{n} days before", trigger.rung)
        return ", ".join(known.get(name, name) for name in trigger.signals)


@dataclass(frozen=True)
class Playbooks:
    """The content of the page.

    Args:
        day: The newest day with figures; None before the first build.
        unmeasured: Why an effect is not measured, with what would measure it -> number of playbooks and touches.
    """

    day: date | None
    unmeasured: Mapping[str, int] = field(default_factory=dict)
    rows: Sequence[Run] = ()
    touches: Sequence[touches.Row] = ()


def read(viewer: Viewer) -> Playbooks:
    """Return each playbook in force, counted over the accounts that the viewer may see."""
    day, counted = None, []
    with engine("reader").connect() as connection:
        found = overview.read(connection, overview.of(""))
        chosen = scope.accounts(connection, viewer)
        listed = touches.read(connection, chosen, found)
        if all(has_table(connection, name) for name in ("core.task", "core.renewal", "marts.account_day")):
            day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
            named = {"accounts": chosen, "day": day}
            counted = list(connection.execute(_COUNTS, named))
    rows = [
        _run(entry.rule, words.shown(entry), [row for row in counted if row.name == name])
        for name, entry in found.items()
        if isinstance(entry.rule, Playbook)
    ]
    unmeasured = Counter(filter(None, map(words.unmeasured, found.values())))
    return Playbooks(day, unmeasured, rows, listed)


def _run(playbook: Playbook, effect: tuple[str, ...], counted: Sequence[Any]) -> Run:
    given: dict[str, Any] = {}
    for row in counted:
        if row.counted == "runs":
            given |= {"n_open": row.part, "n_closed": row.whole - row.part}
        elif row.counted == "tasks":
            given |= {"n_in_time": row.part, "n_due": row.whole}
        else:
            given["outcomes"] = (*given.get("outcomes", ()), (row.label, row.part))
    return Run(playbook, effect, **given)


_COUNTS = sa.text("""
with runs as (
    select * from ops.episode
    where arm <> '' and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

tasks as (
    select * from core.task
    where is_due and (due_on < :day or done_on is not null)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
)

select 'runs' as counted, signal as name, '' as label,
    count(*) filter (where state = 'open') as part, count(*) as whole
from runs where arm = 'acted' group by signal
union all
select 'outcome', signal, answer, count(*), count(*)
from runs where arm = 'acted' and answer <> '' group by signal, answer
union all
select 'tasks', rule, '', count(*) filter (where is_in_time), count(*) from tasks group by rule
order by counted, part desc, label
""")
