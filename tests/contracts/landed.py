"""Batches as the loader lands them: good rows of every entity, and helpers to land them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from include.entities.catalog import ENTITIES, raw_table
from include.warehouse.engine import engine

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOURCES = {"crm": "crm", "support": "support", "product": "product_db"}
VENDORS = {"crm": "hubspot", "support": "zendesk", "product": "product"}
LONG_AGO = NOW - timedelta(days=400)
LATELY = NOW - timedelta(hours=3)
_CLOCKS = {"created_at": LONG_AGO, "updated_at": LATELY}

GOOD: dict[str, dict[str, Any]] = {
    "account": {
        "name": "Ærø Shipping & Söhne",
        "domain": "aeroe-shipping.example",
        "industry": "logistics",
        "region": "DK",
        "tier": "key",
        "owner_id": "1",
        "lifecycle_stage": "customer",
        "is_test": False,
        **_CLOCKS,
    },
    "contact": {
        "account_id": "1",
        "email": "anna.holm@aeroe-shipping.example",
        "first_name": "Anna",
        "last_name": "Holm",
        "job_title": "COO",
        "role": "decision_maker",
        "last_contacted_at": LATELY,
        **_CLOCKS,
    },
    "owner": {
        "email": "csm@vendor.example",
        "first_name": "Carla",
        "last_name": "Smith",
        "team": "North",
        "is_active": True,
        **_CLOCKS,
    },
    "opportunity": {
        "account_id": "1",
        "name": "Renewal 2026",
        "pipeline": "default",
        "stage": "closedwon",
        "is_closed": True,
        "is_won": True,
        "opportunity_type": "renewal",
        "contract_number": "C-7",
        "amount": 12000,
        "currency": "USD",
        "close_date": date(2026, 1, 15),
        "notice_months": 3,
        "is_auto_renew": False,
        "owner_id": "1",
        **_CLOCKS,
    },
    "contract_line": {
        "opportunity_id": "1",
        "account_id": "1",
        "product": "Platform",
        "quantity": 10,
        "amount": 12000,
        "list_amount": 15000,
        "currency": "USD",
        "is_recurring": True,
        "term_start": date(2026, 2, 1),
        "term_end": date(2027, 2, 1),
        **_CLOCKS,
    },
    "activity": {
        "account_id": "1",
        "contact_id": "1",
        "owner_id": "1",
        "activity_type": "call",
        "direction": "out",
        "outcome": "connected",
        "subject": "Renewal",
        "happened_at": LATELY,
        "duration_minutes": 25.5,
        "is_completed": True,
        **_CLOCKS,
    },
    "invoice": {
        "account_id": "1",
        "contract_number": "C-7",
        "number": "INV-1001",
        "amount": 12000,
        "amount_open": 2000.5,
        "currency": "USD",
        "issued_on": date(2026, 2, 1),
        "due_on": date(2026, 3, 3),
        "status": "open",
        **_CLOCKS,
    },
    "lead": {
        "account_id": "1",
        "email": "anna@example.com",
        "channel": "PAID_SEARCH",
        "last_channel": "EMAIL_MARKETING",
        "last_touch_at": LATELY,
        "campaign": "Spring 2026",
        "lead_at": LATELY,
        "qualified_at": LATELY,
        **_CLOCKS,
    },
    "channel_cost": {
        "channel": "paid_search",
        "campaign": "Spring 2026",
        "kind": "media",
        "spent_on": date(2026, 3, 1),
        "amount": 1200,
        "currency": "USD",
        **{name: at for name, at in _CLOCKS.items() if name != "created_at"},
    },
    "survey_response": {
        "account_id": "1",
        "contact_id": "1",
        "survey": "Relationship 2026",
        "kind": "nps",
        "score": 9,
        "comment": "Quick help",
        "answered_at": LATELY,
        **_CLOCKS,
    },
    "milestone": {
        "account_id": "1",
        "name": "Go-live",
        "kind": "onboarding",
        "due_on": date(2026, 4, 1),
        "done_on": date(2026, 4, 3),
        "status": "done",
        "owner_id": "1",
        **_CLOCKS,
    },
    "objective": {
        "account_id": "1",
        "name": "Fewer late shipments",
        "target": "-20 %",
        "status": "open",
        "due_on": date(2026, 12, 31),
        "owner_id": "1",
        **_CLOCKS,
    },
    "organization": {"name": "Aeroe Shipping", "external_id": "1", **_CLOCKS},
    "support_user": {
        "organization_id": "1",
        "email": "anna.holm@aeroe-shipping.example",
        "name": "Anna Holm",
        "role": "end-user",
        "is_active": True,
        **_CLOCKS,
    },
    "ticket": {
        "organization_id": "1",
        "requester_id": "5",
        "status": "solved",
        "priority": "urgent",
        "ticket_type": "problem",
        "subject": "Export fails",
        "satisfaction": "good",
        "solved_at": LATELY,
        "first_reply_minutes": 12,
        "first_reply_business_minutes": 12,
        "full_resolution_business_minutes": 12,
        "first_resolution_minutes": 90,
        "full_resolution_minutes": 90,
        "requester_wait_minutes": 80,
        "requester_wait_business_minutes": 20,
        "agent_wait_minutes": 10,
        "n_reopens": 0,
        "n_replies": 3,
        "generated_at": LATELY,
        **_CLOCKS,
    },
    "ticket_event": {
        "ticket_id": "1",
        "organization_id": "1",
        "happened_at": LATELY,
        "event_type": "status",
        "old_value": "open",
        "new_value": "solved",
        "actor_id": "7",
        "updated_at": LATELY,
    },
    "rating": {"ticket_id": "1", "organization_id": "1", "score": "good", **_CLOCKS},
    "product_account": {"name": "Aeroe", "crm_account_id": "1", "plan": "team", "is_internal": False, **_CLOCKS},
    "product_user": {
        "account_id": "1",
        "email": "anna.holm@aeroe-shipping.example",
        "role": "admin",
        "is_bot": False,
        "activated_at": LONG_AGO,
        **_CLOCKS,
    },
    "usage_day": {
        "account_id": "1",
        "user_id": "9",
        "feature": "reports",
        "day": date(2026, 11, 19),
        "n_events": 4,
        "minutes": 12.5,
        "updated_at": LATELY,
    },
    "seat_day": {
        "account_id": "1",
        "day": date(2026, 11, 19),
        "n_paid_seats": 10,
        "n_activated_seats": 8,
        "updated_at": LATELY,
    },
}


def good(entity: str, n: int = 1, first: int = 1) -> list[dict[str, Any]]:
    """Return rows that pass every rule, numbered from ``first``."""
    rows = [{"id": str(number)} | GOOD[entity] for number in range(first, first + n)]
    # One line each: the amount of an opportunity is the sum of its lines.
    return [row | {"opportunity_id": row["id"]} for row in rows] if entity == "contract_line" else rows


def source_of(entity: str) -> str:
    """Return the connection id under which an entity's rows are landed here."""
    return SOURCES[ENTITIES[entity].kind]


def land(entity: str, rows: list[dict[str, Any]], *, state: str = "closed", **batch: Any) -> int:
    """Land one batch. A row may set ``_source_at``, ``_is_deleted`` and ``_problems``; otherwise defaults apply.

    Args:
        entity: Entity of the rows.
        rows: Column -> value. Without rows the batch has no table.
        state: State of the batch.
        **batch: More columns of ``meta.batch``.

    Returns:
        The batch's number.
    """
    kind = ENTITIES[entity].kind
    values = {
        "source": SOURCES[kind],
        "vendor": VENDORS[kind],
        "entity": entity,
        "state": state,
        "until": NOW,
        "n_rows": len(rows),
        "cursor_after": json.dumps({"at": "there"}),
        **batch,
    }
    columns = ", ".join(values)
    bound = ", ".join(f"cast(:{name} as jsonb)" if name == "cursor_after" else f":{name}" for name in values)
    with engine("loader").begin() as connection:
        statement = f"insert into meta.batch ({columns}) values ({bound}) returning batch_id"
        batch_id = connection.execute(sa.text(statement), values).scalar_one()
        if rows:
            create_table(connection, batch_id, entity)
            fill(connection, f"raw.batch_{batch_id}", entity, rows)
    return batch_id


def create_table(connection: sa.Connection, batch_id: int, entity: str) -> None:
    """Create a batch's table and name it in the batch."""
    columns = ", ".join(f"{column.name} {column.type}" for column in ENTITIES[entity].columns)
    connection.execute(
        sa.text(
            f"create table raw.batch_{batch_id} (_row bigint not null, id text not null, {columns}, payload jsonb,"
            " _source_at timestamptz, _is_deleted boolean not null, _problems text[], _failed text[])"
        )
    )
    connection.execute(
        sa.text("update meta.batch set table_name = :name where batch_id = :id"),
        {"name": f"batch_{batch_id}", "id": batch_id},
    )


def fill(connection: sa.Connection, table: str, entity: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows into a batch's table, or into a raw table of the same source."""
    defaults = {"_source_at": LATELY, "_is_deleted": False, "source": source_of(entity)}
    defaults |= {"_hash": "-", "_batch_id": 0, "_loaded_at": LATELY, "_first_loaded_at": LATELY}
    full = [defaults | {"_row": number} | row for number, row in enumerate(rows, start=1)]
    connection.execute(
        sa.text(
            f"insert into {table} select * from jsonb_populate_recordset(cast(null as {table}), cast(:rows as jsonb))"
        ),
        {"rows": orjson.dumps(full).decode()},
    )


def store(entity: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows into the raw table, as if merged from earlier batches."""
    columns = ", ".join(f"{column.name} {column.type}" for column in ENTITIES[entity].columns)
    name = f"raw.{raw_table(VENDORS[ENTITIES[entity].kind], entity)}"
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                f"create table if not exists {name} (source text, id text, {columns}, payload jsonb,"
                " _source_at timestamptz, _is_deleted boolean not null default false, _deleted_at timestamptz,"
                " _hash text, _batch_id bigint, _loaded_at timestamptz, _first_loaded_at timestamptz,"
                " primary key (source, id))"
            )
        )
        fill(connection, name, entity, rows)


def fetch(query: str, **values: Any) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    with engine("loader").connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(query), values).mappings()]


def batch(batch_id: int) -> dict[str, Any]:
    """Return one row of ``meta.batch``."""
    return fetch("select * from meta.batch where batch_id = :id", id=batch_id)[0]
