"""Plan an experiment: how many renewals a year a playbook would act on, and what they can show, from history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import isinf
from typing import Any

import sqlalchemy as sa

from include.decide import risk
from include.decide.playbooks.schema import Playbook
from include.decide.rules.load import Rule
from include.decide.signals.schema import Signal
from include.experiments import statistics
from include.experiments.statistics import Families
from include.warehouse.engine import has_table

# Of playbooks without one in their file.
USUAL_HOLD_OUT = 0.2
YEAR = 365
# Signals that were evaluated for fewer days tell nothing about a year.
_FEWEST_DAYS = 90
_LATEST = date(9999, 12, 31)


@dataclass(frozen=True)
class Plan:
    """What an experiment could show.

    Args:
        hold_out: Share of families without tasks.
        effect: The smallest gain of the renewal rate that is worth knowing, as a share.
        n_per_year: Renewals a year that the playbook would act on; None if history does not tell.
        base: Their renewal rate.
        design_effect: By how much families inflate the variance.
        detectable: The smallest effect that one year of renewals can show; None if none.
        n_needed: Renewals, both arms together, that show the wanted effect; None if no number does.
        answered_on: The earliest day with an answer: the planned end to write into the file. None if there is none.
        reason: Why there is no plan; "" if there is one.
    """

    playbook: str
    hold_out: float
    effect: float
    n_per_year: float | None = None
    base: float | None = None
    design_effect: float = 1.0
    detectable: float | None = None
    n_needed: float | None = None
    answered_on: date | None = None
    reason: str = ""


@dataclass(frozen=True)
class Past:
    """The settled renewals of the last year that the playbook would have acted on.

    Args:
        n_days: Days over which they were observed.
        n_renewed: Renewed among them.
        families: Sums over their families.
    """

    n_days: int
    n_renewed: int
    families: Families


def of(playbook: Playbook, past: Past | None, today: date, hold_out: float = 0, effect: float = 0) -> Plan:
    """Plan the experiment of a playbook.

    Args:
        past: None if history does not tell.
        hold_out: Instead of the share in the playbook's file.
        effect: Instead of the effect in the playbook's file.
    """
    share = hold_out or playbook.hold_out or USUAL_HOLD_OUT
    wanted = effect or playbook.experiment.smallest_effect
    if past is None:
        return Plan(playbook.name, share, wanted, reason="no_history")
    n = past.families.n
    if not n:
        return Plan(playbook.name, share, wanted, 0.0, reason="no_renewals")
    per_year = n * YEAR / past.n_days
    base = past.n_renewed / n
    inflated = statistics.design_effect(past.families.squares / n, statistics.intraclass(past.families))
    effective = per_year / inflated
    needed = statistics.needed(base, share, wanted)
    lasts = statistics.years(needed, effective)
    answered_on = None
    if not isinf(lasts):
        days = round(lasts * YEAR) + playbook.experiment.horizon_days
        answered_on = today + timedelta(days=days) if days < (_LATEST - today).days else None
    return Plan(
        playbook.name,
        share,
        wanted,
        per_year,
        base,
        inflated,
        statistics.detectable(base, effective * (1 - share), effective * share),
        None if needed is None else needed * inflated,
        answered_on,
        "" if needed is not None else "no_room",
    )


def past(connection: sa.Connection, playbook: Playbook, signals: Mapping[str, Rule[Signal]], day: date) -> Past | None:
    """Return the renewals of the last year that a playbook would have acted on, its `when` left aside.

    Returns:
        None before the first build, or if its signals were evaluated for fewer than 90 days.
    """
    if not has_table(connection, "marts.renewal_due") or not has_table(connection, "core.account_family"):
        return None
    trigger = playbook.trigger
    names = list(risk.live_risks(signals)) if trigger.at_risk else list(trigger.signals)
    n_days = YEAR
    if names:
        first = connection.execute(_FIRST_SCAN, {"names": names}).scalar()
        n_days = min(YEAR, (day - first).days) if first else 0
        if n_days < _FEWEST_DAYS:
            return None
    bound: dict[str, Any] = {
        "day": day,
        "since": day - timedelta(days=n_days),
        "names": names,
        "rung": trigger.rung or 0,
        "horizon": playbook.experiment.horizon_days,
        **{kind: list(chosen) for kind, chosen in playbook.audience.model_dump().items()},
    }
    row = connection.execute(_PAST, bound).one()
    return Past(n_days, row.n_renewed, Families(row.n_families, row.n, row.squares, row.within, row.between, 1))


_FIRST_SCAN = sa.text("select max(first_scan_on) from ops.signal where signal = any(:names)")
_PAST = sa.text("""
with due as (
    select d.account_key, coalesce(f.ultimate_parent_key, d.account_key) as unit_key, d.part
    from marts.renewal_due as d
    left join core.account_family as f on f.account_key = d.account_key
    where d.part <> 'open' and d.decision_date > :since and d.decision_date <= :day
        and d.tier is distinct from 'key_account'
        and d.due_date - d.term_start >= 2 * :rung
        and (cardinality(cast(:tiers as text[])) = 0 or d.tier = any(:tiers))
        and (cardinality(cast(:regions as text[])) = 0 or d.region = any(:regions))
        and (cardinality(cast(:industries as text[])) = 0 or d.industry = any(:industries))
        and (cardinality(cast(:names as text[])) = 0 or exists (
            select from ops.episode as p
            where p.account_key = d.account_key and p.signal = any(:names)
                and p.opened_on < d.decision_date and p.opened_on >= d.decision_date - :horizon
        ))
),

families as (
    select unit_key, count(*) as n, count(*) filter (where part <> 'lost') as k from due group by unit_key
)

select
    cast(count(*) as int) as n_families, cast(coalesce(sum(n), 0) as int) as n,
    cast(coalesce(sum(k), 0) as int) as n_renewed, cast(coalesce(sum(n * n), 0) as double precision) as squares,
    coalesce(sum(k - k * k / cast(n as double precision)), 0) as within,
    coalesce(sum(k * k / cast(n as double precision)) - sum(k) * sum(k) / cast(sum(n) as double precision), 0)
        as between
from families
""")
