"""Read the open renewals that decisions use: the rows of ``marts.act_renewal_checkpoint``.

The table's metadata names the kind of source of every column. If that kind is not up to date and validated (red, stale,
never loaded), its columns are read as unknown, so that no doubtful figure reaches a message or a trigger.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa

from include.decide.rules.subjects import Table

TABLE = "marts.act_renewal_checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """One open renewal, with the account's figures on the newest built day."""

    as_of_day: date
    renewal_id: str
    account_key: str
    account_name: str | None
    tier: str | None
    industry: str | None
    region: str | None
    contract_key: str
    contract_number: str | None
    term_no: int
    term_start: date
    due_date: date
    term_days: int
    notice_deadline: date | None
    decision_date: date
    days_to_decision: int
    target_arr: Decimal | None
    currency: str | None
    is_auto_renew: bool | None
    owner_key: str | None
    owner_name: str | None
    owner_email: str | None
    owner_team: str | None
    owner_is_active: bool | None
    crm_account_id: str
    crm_source: str
    usage_28d: Decimal | None
    usage_baseline: Decimal | None
    usage_ratio: float | None
    active_users_28d: int | None
    paid_seats: int | None
    seat_utilisation: float | None
    breadth: float | None
    n_open_tickets: int | None
    n_open_urgent_tickets: int | None
    oldest_open_urgent_at: datetime | None
    last_contact_at: datetime | None
    n_decision_makers: int | None
    decision_maker_known: bool | None
    decision_maker_name: str | None


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(Checkpoint))


def read(connection: sa.Connection, as_of_day: date) -> list[Checkpoint]:
    """Return the open renewals of one built day, the nearest decision first."""
    rows = connection.execute(
        sa.text(
            f"select {', '.join(COLUMNS)} from {TABLE} where as_of_day = :day"  # noqa: S608
            " and decision_date is not null and term_days is not null order by decision_date, renewal_id"
        ),
        {"day": as_of_day},
    )
    return [Checkpoint(**row) for row in rows.mappings()]


def read_ends(connection: sa.Connection, renewal_ids: Sequence[str]) -> dict[str, str]:
    """Return, in words, why renewals are no longer listed as open.

    Args:
        renewal_ids: The renewals to look up. Those that are no longer in the CRM are missing from the result.
    """
    if not renewal_ids:
        return {}
    rows = connection.execute(
        sa.text(
            "select renewal_id, outcome, closed_on, decision_date, lost_reason from core.renewal"
            " where renewal_id = any(:ids)"
        ),
        {"ids": list(renewal_ids)},
    )
    return {row.renewal_id: _end(row) for row in rows}


def _end(row: sa.Row) -> str:
    if row.outcome == "open":
        return f"still open, but its decision date is {row.decision_date}"
    if row.outcome == "lost":
        return f"lost on {row.closed_on}" + (f": {row.lost_reason}" if row.lost_reason else "")
    return f"renewed on {row.closed_on} ({str(row.outcome).replace('_', ' ')})"


def without(checkpoint: Checkpoint, kinds: Collection[str], subject: Table) -> Checkpoint:
    """Return the renewal with the columns of these kinds of source set to unknown."""
    if not kinds:
        return checkpoint
    unknown = {column: None for column, read in subject.kinds.items() if not read.isdisjoint(kinds)}
    return replace(checkpoint, **unknown)  # type: ignore[arg-type]
