"""The playbooks page: each playbook's runs, tasks done in time, outcomes, and the effect measured by its hold-out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.config.viewers import Viewer
from include.decide.playbooks import load
from include.pages import scope
from include.scores import holdout
from include.scores.holdout import Arm
from include.scores.precision import HORIZON_DAYS
from include.warehouse.engine import engine, has_table

_NONE = Arm(0, 0)


@dataclass(frozen=True)
class Run:
    """The figures of one playbook.

    Args:
        listed: Its file, as ``playbook list`` shows it.
        n_open: Accounts that it is running for.
        n_closed: Ended runs.
        outcomes: Reported outcome -> number of runs, most frequent first.
        n_due: Tasks that are past their due day or were completed before it.
        n_in_time: Due tasks completed by the due day.
        acted: Accounts that it ran for, with a settled renewal.
        held_out: Held-out accounts with a settled renewal.
    """

    listed: dict[str, Any]
    n_open: int = 0
    n_closed: int = 0
    outcomes: tuple[tuple[str, int], ...] = ()
    n_due: int = 0
    n_in_time: int = 0
    acted: Arm = _NONE
    held_out: Arm = _NONE

    @property
    def effect(self) -> str:
        """The effect measured by the hold-out, in words."""
        if not self.listed["hold_out"]:
            return "Not measured: the playbook has no hold-out (hold_out in its file)."
        found = holdout.difference(self.acted, self.held_out)
        if found is None:
            return f"Not known yet: {self.held_out.settled} held-out renewals are settled."
        text = f"{found.share * 100:+.1f} points ({found.low * 100:+.1f} to {found.high * 100:+.1f})."
        if self.held_out.renewed == self.held_out.settled:
            return f"{text} No gain is possible: every held-out renewal was renewed."
        base = self.held_out.renewed / self.held_out.settled
        least = holdout.detectable(base, self.acted.settled, self.held_out.settled)
        if least is None:
            return f"{text} Too few renewals to detect any effect."
        return f"{text} With this many renewals, an effect of {least * 100:.1f} points or more is detectable."


@dataclass(frozen=True)
class Playbooks:
    """The content of the page.

    Args:
        day: The newest day with figures; None before the first build.
    """

    day: date | None
    rows: Sequence[Run] = ()


def read(viewer: Viewer) -> Playbooks:
    """Return each playbook in force, counted over the accounts that the viewer may see."""
    listed = load.listing()
    with engine("reader").connect() as connection:
        if not all(has_table(connection, name) for name in ("core.task", "core.renewal", "marts.account_day")):
            return Playbooks(None, [Run(one) for one in listed])
        day = connection.exec_driver_sql("select max(day) from marts.account_day").scalar()
        parameters = {"accounts": scope.accounts(connection, viewer), "day": day, "horizon": HORIZON_DAYS}
        counted = connection.execute(_COUNTS, parameters).all()
    return Playbooks(day, [_run(one, [row for row in counted if row.name == one["name"]]) for one in listed])


def _run(listed: dict[str, Any], counted: Sequence[Any]) -> Run:
    given: dict[str, Any] = {}
    for row in counted:
        if row.counted == "runs":
            given |= {"n_open": row.part, "n_closed": row.whole - row.part}
        elif row.counted == "tasks":
            given |= {"n_in_time": row.part, "n_due": row.whole}
        elif row.counted == "arm":
            given[row.label] = Arm(row.part, row.whole)
        else:
            given["outcomes"] = (*given.get("outcomes", ()), (row.label, row.part))
    return Run(listed, **given)


# By intention to treat: an account counts in the arm of its first run, with the first renewal settled after it.
_COUNTS = sa.text("""
with runs as (
    select * from ops.episode
    where arm <> '' and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

tasks as (
    select * from core.task
    where is_due and (due_on < :day or done_on is not null)
        and (cast(:accounts as text[]) is null or account_key = any(cast(:accounts as text[])))
),

-- Runs from before the hold-out were not assigned by chance.
assigned as (
    select distinct on (r.signal, r.account_key) r.signal, r.account_key, r.arm, r.opened_on
    from runs as r
    join (select signal, min(opened_on) as since from ops.episode where arm = 'held_out' group by signal) as h
        on h.signal = r.signal and r.opened_on >= h.since
    order by r.signal, r.account_key, r.opened_on, r.episode_no
),

settled as (
    select distinct on (a.signal, a.account_key) a.signal, a.arm, r.outcome
    from assigned as a
    join core.renewal as r
        on r.account_key = a.account_key and r.is_in_rate and r.outcome <> 'open'
        and r.decision_date > a.opened_on and r.decision_date <= a.opened_on + cast(:horizon as int)
    order by a.signal, a.account_key, r.decision_date, r.renewal_id
)

select 'runs' as counted, signal as name, '' as label,
    count(*) filter (where state = 'open') as part, count(*) as whole
from runs where arm = 'acted' group by signal
union all
select 'outcome', signal, answer, count(*), count(*)
from runs where arm = 'acted' and answer <> '' group by signal, answer
union all
select 'tasks', rule, '', count(*) filter (where is_in_time), count(*) from tasks group by rule
union all
select 'arm', signal, arm, count(*) filter (where outcome <> 'lost'), count(*) from settled group by signal, arm
order by counted, part desc, label
""")
