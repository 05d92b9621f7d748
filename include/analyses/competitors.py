"""The competitor register: who names a competitor, wins and losses, their reasons, and what answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from include import config
from include.config import competitors as settings
from include.config.competitors import Competitor
from include.warehouse.engine import has_table

REGISTER, OUTCOMES = "marts.competitor_register", "marts.competitor_outcome"
DAYS = 365
FEWEST_LOSSES = 2  # of one reason, from which it needs an answer


def listed(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return the competitors, most ARR due first, each with ``owner`` and ``reviewed_on`` of its answers."""
    if not has_table(connection, REGISTER):
        return []
    known = settings.load()
    rows = [dict(row) for row in connection.execute(_LISTED).mappings()]
    return [
        row | {"owner": found.owner.name if found else None, "reviewed_on": found.reviewed_on if found else None}
        for row in rows
        for found in [known.get(row["competitor"])]
    ]


def reasons(connection: sa.Connection, upto: date | None = None) -> list[dict[str, Any]]:
    """Return why deals of a year were lost in which a competitor was named, most ARR first, with what answers it.

    ``answer`` is empty if nothing does. Losses without a reason in the CRM are left out.

    Args:
        upto: Only deals that closed by this day; None for all.
    """
    if not has_table(connection, OUTCOMES):
        return []
    known = settings.load()
    rows = connection.execute(_REASONS, {"days": DAYS, "upto": upto}).mappings()
    return [with_answer(dict(row), known) for row in rows]


def with_answer(row: dict[str, Any], known: Mapping[str, Competitor]) -> dict[str, Any]:
    found = known.get(row["competitor"])
    return row | {"answer": found.answer(row["lost_reason"]) if found else ""}


def unanswered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the reasons of at least two losses that nothing answers."""
    return [row for row in rows if not row["answer"] and row["n_lost"] >= FEWEST_LOSSES]


def lacking(connection: sa.Connection) -> list[str]:
    """Return what the register needs that is not there: names in the settings, or reasons of lost deals."""
    if not config.load().competitors:
        return ["competitors"]
    has_deals = has_table(connection, "core.opportunity")
    return [] if has_deals and connection.execute(_HAS_REASONS).scalar() else ["lost_reasons"]


_LISTED = sa.text(
    "select * from marts.competitor_register order by arr_due desc nulls last, arr desc nulls last, n_lost desc,"
    " competitor"
)
_REASONS = sa.text("""
select competitor, min(lost_reason) as lost_reason, count(*) as n_lost, sum(arr) as arr_lost,
    bool_or(is_lost_to) as is_lost_to, max(closed_on) as last_lost
from marts.competitor_outcome
where not is_won and lost_reason is not null
    and closed_on > (select max(as_of_day) from marts.act_account) - :days
    and (cast(:upto as date) is null or closed_on <= :upto)
group by competitor, lower(lost_reason)
order by sum(arr) desc nulls last, count(*) desc, competitor, lower(lost_reason)
""")
_HAS_REASONS = sa.text(
    "select exists (select from core.opportunity where is_closed and not is_deleted and lost_reason is not null)"
)
