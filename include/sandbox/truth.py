"""The records that a loader without losses or duplicates would have, per entity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from include.sandbox.core import Sandbox
from include.sandbox.product import Product, workspace_key
from include.sandbox.world.committed import TermTruth, arr_steps, terms
from include.sandbox.world.customers import Customer
from include.sandbox.world.records import Record
from include.sandbox.zendesk import audits

__all__ = ["TermTruth", "arr_steps", "causes", "entities", "identities", "terms"]
KINDS = {
    "account": "company", "contact": "contact", "lead": "contact", "owner": "owner", "opportunity": "deal",
    "contract_line": "line_item",
    "invoice": "invoice", "survey_response": "feedback", "milestone": "milestone", "objective": "objective",
    "organization": "organization", "support_user": "support_user", "ticket": "ticket", "rating": "rating",
    "product_account": "workspace", "product_user": "member",
}  # fmt: skip
# One entity made of several kinds; the prefix distinguishes their ids.
ACTIVITIES = {"calls-": "call", "meetings-": "meeting", "emails-": "email", "notes-": "note"}
# The product's names for its accounts.
NAMES = {"workspace": workspace_key}
TABLES = {"usage_day": "member_feature_daily", "seat_day": "seat_snapshots"}


def entities(sandbox: Sandbox, product: Product | None, with_ids: bool) -> dict[str, Any]:
    """Return the number of live and deleted records per entity, and their ids on request."""
    sandbox.now()
    found: dict[str, Any] = {}
    for entity, kinds in [*((entity, {"": kind}) for entity, kind in KINDS.items()), ("activity", ACTIVITIES)]:
        items = [
            (f"{prefix}{item.id}" if prefix else NAMES.get(kind, int)(item.id), item.deleted_at is None)
            for prefix, kind in kinds.items()
            for item in sandbox.store.items(kind).values()
        ]
        live = [name for name, is_live in items if is_live]
        deleted = [name for name, is_live in items if not is_live]
        found[entity] = {"live": len(live), "deleted": len(deleted)}
        if with_ids:
            found[entity] |= {"live_ids": live, "deleted_ids": deleted}
    events = [number for update in audits.Updates(sandbox).ordered() for number in audits.numbers(update)]
    found["ticket_event"] = {"live": len(events), "deleted": 0}
    if with_ids:
        found["ticket_event"] |= {"live_ids": events, "deleted_ids": []}
    if product:
        for entity, table in TABLES.items():
            found[entity] = {"live": product.count(table), "deleted": 0}
    return found


def identities(records: Iterable[Record]) -> dict[str, dict[str, str | None]]:
    """Return the true CRM company of each organisation and product account, or None.

    Args:
        records: A world's records, numbered.
    """
    found: dict[str, dict[str, str | None]] = {"organization": {}, "product_account": {}}
    for record in records:
        if record.kind in ("organization", "workspace"):
            company = record.changes[0].values.get("belongs_to")
            own = str(record.id) if record.kind == "organization" else workspace_key(record.id)
            entity = "organization" if record.kind == "organization" else "product_account"
            found[entity][own] = str(company) if company else None
    return found


def causes(customers: Iterable[Customer]) -> dict[str, dict[str, Any]]:
    """Return the hidden truth about each customer by CRM company id. No vendor API ever serves it.

    Args:
        customers: A world's customers, numbered.
    """
    return {
        str(customer.company.id): {
            "cause": customer.cause,
            "decided": customer.decided,
            "left": customer.left,
            "signed": customer.signed,
            "symptoms": [(each.cause, each.start, each.until) for each in customer.symptoms if each.is_shown],
            "troubles": [
                (each.kind, each.start, each.until, str(each.about.id) if each.about else "")
                for each in customer.troubles
            ],
        }
        for customer in customers
        if customer.company
    }
