"""Read the inputs of tier decisions, and list the proposed changes with the facts that a lead needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.common import quarters
from include.config import Settings
from include.models import value
from include.scores import rounding
from include.scores.value import tiers
from include.scores.value.score import of_figure
from include.scores.value.tiers import Candidate, Judged, Proposal
from include.warehouse.engine import has_table

# Changes at a quarter end older than this are no longer judged: the next quarter end is closer.
JUDGED_DAYS = 45


@dataclass(frozen=True)
class Proposals:
    """The proposed tier changes.

    Args:
        quarter: The quarter end at which changes are judged; None if it is too long ago.
        month: The last month end, at which accounts without a tier are judged.
    """

    quarter: date | None = None
    month: date | None = None
    found: tuple[Proposal, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """The dates that were used, in words."""
        if self.month is None:
            return ["No month with a customer value has ended yet."]
        first = f"Accounts without a tier are judged as of {self.month}"
        if self.quarter is None:
            return [f"{first}; tier changes wait for the next quarter end."]
        return [
            f"{first}, tier changes as of {self.quarter}. A lead approves them: python -m include.cli approvals list."
        ]


def read(connection: sa.Connection, settings: Settings, today: date) -> Proposals:
    """Return the proposals as of today.

    Args:
        connection: An open connection that can read tables and open episodes.
        today: Decision dates are counted from this day.
    """
    if not has_table(connection, "marts.account_value"):
        return Proposals()
    month: date | None = connection.execute(_NEWEST, {"today": today}).scalar()
    if month is None:
        return Proposals()
    quarter = quarters.last_ended(month)
    before = quarters.last_ended(quarter - tiers.DAY)
    scores = _scores(connection, settings, (before, quarter, month))
    is_late = today > quarter + timedelta(days=JUDGED_DAYS)
    running = _running(connection, settings)
    candidates = [
        Candidate(
            row.account_key,
            row.account_name,
            (row.tier or "").lower() or None,
            Judged() if is_late else scores[row.account_key, quarter],
            scores[row.account_key, before],
            scores[row.account_key, month],
            row.signed_on,
            row.next_decision_date,
            tuple(name for name in settings.tiers.policy(row.tier).playbooks if (row.account_key, name) in running),
            row.crm_source,
            row.crm_account_id,
        )
        for row in connection.execute(_ACCOUNTS, {"quarter": quarter})
    ]
    places = tiers.total_places(list(settings.people.places.values()))
    found = tiers.judge(value.load().of(quarter), candidates, quarter, today, places)
    return Proposals(None if is_late else quarter, month, tuple(found))


def changes(settings: Settings, from_tier: str | None, to_tier: str) -> str:
    """Describe in words what differs under another tier."""
    old, new = (settings.tiers.policy(tier) for tier in (from_tier, to_tier))
    default = settings.grace_days["default"]
    old_grace, new_grace = (settings.grace_days.get(tier or "", default) for tier in (from_tier, to_tier))
    old_discount, new_discount = (settings.discounts.row(tier, None).csm for tier in (from_tier, to_tier))
    pairs: list[tuple[str, Any, Any]] = [
        ("owner", old.owner_level, new.owner_level),
        ("days between contacts", old.cadence_days, new.cadence_days),
        ("channel", old.channel, new.channel),
        ("reports", old.reports, new.reports),
        ("CSM's discount", f"{old_discount:.0%}", f"{new_discount:.0%}"),
        ("playbooks", ", ".join(old.playbooks) or "none", ", ".join(new.playbooks) or "none"),
        ("grace days", old_grace, new_grace),
    ]
    return "; ".join(f"{name} {one} -> {two}" for name, one, two in pairs if one != two) or "nothing"


def _scores(
    connection: sa.Connection, settings: Settings, ends: tuple[date, ...]
) -> defaultdict[tuple[str, date], Judged]:
    """Return (account, month end) -> score. It is the group's score if the settings say so."""
    found: defaultdict[tuple[str, date], Judged] = defaultdict(Judged)
    groups = group_scores(connection, ends) if settings.tiers.follows == "group" else {}
    for row in connection.execute(_SCORES, {"ends": list(ends)}):
        score = groups.get((row.account_key, row.as_of), row.score)
        found[row.account_key, row.as_of] = Judged(
            score if row.is_covered else None, row.is_preliminary, row.kept_arr or Decimal(0)
        )
    return found


def group_scores(
    connection: sa.Connection, ends: tuple[date, ...], account_key: str | None = None
) -> dict[tuple[str, date], Decimal]:
    """Return the scores of accounts with relatives, using the whole family's order amount in place of their own.

    Args:
        connection: An open connection of the reader.
        ends: Month ends.
        account_key: Only this account; all by default.
    """
    found: dict[tuple[str, date], Decimal] = {}
    for row in connection.execute(_GROUPS, {"ends": list(ends), "account_key": account_key}):
        version = value.load().of(row.as_of)
        part = next(
            (each.parts[0] for each in version.dimensions if each.id == row.dimension and len(each.parts) == 1), None
        )
        group = of_figure(part, float(row.group_arr)) if part and part.value == "kept_arr" else None
        if group is not None:
            exact = (row.points + row.weight * (group - row.own)) / row.known_weight
            found[row.account_key, row.as_of] = rounding.cents(exact)
    return found


def _running(connection: sa.Connection, settings: Settings) -> set[tuple[str, str]]:
    """Return (account, playbook) for the running playbooks that belong to a tier."""
    named = sorted({name for policy in settings.tiers.policies.values() for name in policy.playbooks})
    return {(row.account_key, row.signal) for row in connection.execute(_RUNNING, {"playbooks": named})}


_NEWEST = sa.text("select max(as_of) from marts.account_value where as_of < :today")
_SCORES = sa.text(
    "select account_key, as_of, score, is_covered, is_preliminary, kept_arr from marts.account_value"
    " where as_of = any(:ends)"
)
_ACCOUNTS = sa.text(
    "select a.account_key, a.account_name, a.tier, a.crm_source, a.crm_account_id, a.next_decision_date, v.signed_on"
    " from marts.act_account as a"
    " left join marts.account_value as v on v.account_key = a.account_key and v.as_of = :quarter"
    " where a.as_of_day = (select max(as_of_day) from marts.act_account) order by a.account_key"
)
_GROUPS = sa.text(
    """
    with families as (
        select f.account_key, v.as_of, sum(v.kept_arr) as group_arr
        from core.account_family as f
        join core.account_family as m on m.ultimate_parent_key = f.ultimate_parent_key
        join marts.account_value as v on v.account_key = m.account_key and v.as_of = any(:ends)
        where f.n_in_family > 1 and f.account_key = coalesce(cast(:account_key as text), f.account_key)
        group by f.account_key, v.as_of
    ),
    sums as (
        select
            p.account_key,
            p.as_of,
            sum(p.weight) filter (where p.score is not null) as known_weight,
            sum(p.weight * p.score) as points
        from marts.account_value_part as p
        join families as f on f.account_key = p.account_key and f.as_of = p.as_of
        group by p.account_key, p.as_of
    )
    select s.*, f.group_arr, p.dimension, p.weight, p.score as own
    from sums as s
    join families as f on f.account_key = s.account_key and f.as_of = s.as_of
    join marts.account_value_part as p on p.account_key = s.account_key and p.as_of = s.as_of
    where s.known_weight > 0 and p.weight > 0 and p.score is not null
    """
)
_RUNNING = sa.text("select account_key, signal from ops.episode where state = 'open' and signal = any(:playbooks)")
