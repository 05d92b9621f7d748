"""The entities of Perennial and their columns. Every vendor's objects are mapped to them.

This is the interface between the sources (which fill ``raw.<vendor>__<entity>``), the data contracts and the SQL
models. Every column is nullable in ``raw``: required values are a rule of the contract, not of the table.
"""

from __future__ import annotations

from pathlib import Path

from include.entities.crm import CRM
from include.entities.entity import Column, ColumnType, Entity, Kind
from include.entities.entity import columns as _columns

__all__ = [
    "DATABASES",
    "ENTITIES",
    "VENDORS",
    "Column",
    "ColumnType",
    "Entity",
    "Kind",
    "of_kind",
    "raw_table",
    "union_view",
]

# A usage day affects the 28-day windows of the 12 trailing weeks and its own window: 28 + 84 days.
USAGE_REACH_DAYS = 112

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        *CRM,
        Entity(
            "organization",
            "support",
            _columns(
                name="text",
                external_id="text",  # the CRM's account id, if the support desk stores it
                domain_names="text",
                merged_into="text",  # the organisation that this one was merged into
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
            is_account=True,
        ),
        Entity(
            "support_user",
            "support",
            _columns(
                organization_id="text",
                email="text*",
                name="text*",
                role="text",
                is_active="boolean",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,  # whether a comment counts as a reply depends on its author's role at that time
            account_ref="organization_id",
            dirty_from="updated_at",
            dirty_days=1,
        ),
        Entity(
            "ticket",
            "support",
            _columns(
                organization_id="text",
                requester_id="text",
                assignee_id="text",
                status="text",
                priority="text",
                ticket_type="text",
                subject="text*",
                channel="text",
                tags="text",
                satisfaction="text",
                solved_at="timestamptz",
                first_reply_seconds="bigint",  # of conversations, whose replies are not comments
                first_reply_minutes="bigint",  # calendar minutes
                first_reply_business_minutes="bigint",
                first_resolution_minutes="bigint",
                full_resolution_minutes="bigint",
                full_resolution_business_minutes="bigint",
                requester_wait_minutes="bigint",
                requester_wait_business_minutes="bigint",
                agent_wait_minutes="bigint",
                n_reopens="bigint",
                n_replies="bigint",
                created_at="timestamptz",
                updated_at="timestamptz",
                generated_at="timestamptz",
            ),
            account_ref="organization_id",
            dirty_from="created_at",
        ),
        # Events of tickets, including public comments. They never change, except by redaction.
        Entity(
            "ticket_event",
            "support",
            _columns(
                ticket_id="text",
                organization_id="text",  # the ticket's organisation when the event was read
                happened_at="timestamptz",
                event_type="text",  # status, priority, type, assignee, organization, requester, satisfaction, comment
                old_value="text",
                new_value="text",
                actor_id="text",  # the person; empty for events of automations and the system
                is_public="boolean",  # of comments
                body="text*",  # of public comments, capped
                updated_at="timestamptz",
            ),
            account_ref="organization_id",
            part_of="ticket_id",
            made_by="actor_id",
            dirty_from="happened_at",
        ),
        Entity(
            "rating",
            "support",
            _columns(
                ticket_id="text",
                organization_id="text",
                score="text",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            account_ref="organization_id",
            dirty_from="created_at",
        ),
        Entity(
            "product_account",
            "product",
            _columns(
                name="text",
                crm_account_id="text",
                domain="text",  # verified as the customer's, for example for single sign-on
                plan="text",
                is_internal="boolean",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
            is_account=True,
        ),
        Entity(
            "product_user",
            "product",
            _columns(
                account_id="text",
                email="text*",
                role="text",
                team="text",
                is_bot="boolean",
                activated_at="timestamptz",
                deactivated_at="timestamptz",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            account_ref="account_id",
            dirty_from="created_at",
        ),
        Entity(
            "usage_day",
            "product",
            _columns(
                account_id="text",
                user_id="text",
                feature="text",
                day="date",
                n_events="bigint",
                minutes="double precision",
                updated_at="timestamptz",
            ),
            account_ref="account_id",
            dirty_from="day",
            dirty_days=USAGE_REACH_DAYS,
        ),
        Entity(
            "seat_day",
            "product",
            _columns(
                account_id="text",
                day="date",
                n_paid_seats="bigint",
                n_activated_seats="bigint",
                updated_at="timestamptz",
            ),
            account_ref="account_id",
            dirty_from="day",
            dirty_days=28,
        ),
        # What marketing spends, from ad platforms or a list of invoices.
        Entity(
            "channel_cost",
            "product",
            _columns(
                channel="text",  # the names of the leads' channels
                campaign="text",
                kind="text",  # media, event, salaries
                spent_on="date",  # any day of the month for a monthly amount
                amount="numeric",
                currency="text",
                updated_at="timestamptz",
            ),
            dirty_from="spent_on",
            is_optional=True,
        ),
    )
}


def _vendors() -> dict[str, Kind]:
    """Return the kind of every vendor, by the folder that describes it: ``include/connectors/<kind>/<vendor>/``."""
    found: dict[str, Kind] = {}
    kinds: tuple[Kind, ...] = ("crm", "support")
    for kind in kinds:
        parent = Path(__file__).parents[1] / "connectors" / kind
        folders = sorted(path.parent.name for path in parent.glob("[a-z]*/__init__.py"))
        found |= dict.fromkeys(folders, kind)
    return found | {"product": "product"}  # the customer's own database; their SQL queries define its entities


# Vendor -> kind of source. The raw tables of all vendors exist from the start, so SQL can always name them.
VENDORS: dict[str, Kind] = _vendors()
# Database connectors by kind of source. For a CRM or support desk, they replace a vendor's API.
DATABASES: dict[Kind, str] = {"crm": "sqlcrm", "support": "sqldesk", "product": "product"}


def of_kind(kind: Kind) -> tuple[Entity, ...]:
    """Return the entities of one kind of source, in load order."""
    return tuple(entity for entity in ENTITIES.values() if entity.kind == kind)


def raw_table(vendor: str, entity: str) -> str:
    return f"{vendor}__{entity}"


def union_view(kind: Kind, entity: str) -> str:
    """Return the name of the view over all vendors of a kind, without its schema."""
    return f"{kind}__{entity}"
