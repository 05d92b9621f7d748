"""Open renewals for tests: example rows, and the table that holds them when no build has made it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from include.renewals.checkpoint import COLUMNS, Checkpoint
from include.warehouse.engine import engine

TODAY = date(2026, 11, 16)  # a Monday
NOW = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)

_TYPES = {
    "as_of_day": "date not null",
    "term_no": "int",
    "term_start": "date",
    "due_date": "date",
    "term_days": "int",
    "notice_deadline": "date",
    "decision_date": "date",
    "days_to_decision": "int",
    "target_arr": "numeric",
    "is_auto_renew": "boolean",
    "owner_is_active": "boolean",
    "usage_28d": "numeric",
    "usage_baseline": "numeric",
    "usage_ratio": "double precision",
    "active_users_28d": "bigint",
    "paid_seats": "bigint",
    "seat_utilisation": "double precision",
    "n_open_tickets": "bigint",
    "n_open_urgent_tickets": "bigint",
    "oldest_open_urgent_at": "timestamptz",
    "last_contact_at": "timestamptz",
    "n_decision_makers": "bigint",
    "decision_maker_known": "boolean",
}


def renewal(number: int = 1, days: int = 30, **changes: object) -> Checkpoint:
    """Return an open renewal whose decision is so many days after TODAY; healthy unless changed."""
    decision = TODAY + timedelta(days=days)
    row = Checkpoint(
        as_of_day=TODAY,
        renewal_id=f"C-{number}#2",
        account_key=f"crm:{1000 + number}",
        account_name=f"Customer {number}",
        tier="standard",
        industry="Retail",
        region="Germany",
        contract_key=f"C-{number}",
        contract_number=f"C-{number}",
        term_no=2,
        term_start=decision - timedelta(days=365),
        due_date=decision,
        term_days=365,
        notice_deadline=None,
        decision_date=decision,
        days_to_decision=days,
        target_arr=Decimal("120000.00"),
        currency="USD",
        is_auto_renew=False,
        owner_key="crm:77",
        owner_name="Ada Lovelace",
        owner_email="ada@vendor.example",
        owner_team="East",
        owner_is_active=True,
        crm_account_id=str(1000 + number),
        crm_source="crm",
        usage_28d=Decimal(950),
        usage_baseline=Decimal(1000),
        usage_ratio=0.95,
        active_users_28d=40,
        paid_seats=50,
        seat_utilisation=0.8,
        n_open_tickets=3,
        n_open_urgent_tickets=0,
        oldest_open_urgent_at=None,
        last_contact_at=datetime(2026, 11, 2, 13, 30, tzinfo=UTC),
        n_decision_makers=1,
        decision_maker_known=True,
        decision_maker_name="Grace Hopper",
    )
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type]


def store(rows: Iterable[Checkpoint]) -> None:
    """Replace the table's rows, creating it, and the table of settled renewals, if there is none."""
    columns = ", ".join(f"{column} {_TYPES.get(column, 'text')}" for column in COLUMNS)
    values = ", ".join(f":{column}" for column in COLUMNS)
    with engine("builder").begin() as connection:
        connection.execute(sa.text(f"create table if not exists marts.act_renewal_checkpoint ({columns})"))
        connection.execute(sa.text("delete from marts.act_renewal_checkpoint"))
        connection.execute(
            sa.text(
                "create table if not exists core.renewal"
                " (renewal_id text, outcome text, closed_on date, decision_date date, lost_reason text)"
            )
        )
        for row in rows:
            statement = sa.text(f"insert into marts.act_renewal_checkpoint ({', '.join(COLUMNS)}) values ({values})")
            connection.execute(statement, dataclasses.asdict(row))
