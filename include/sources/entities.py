"""The entities that Perennial knows and their columns, onto which every vendor is mapped.

This is the contract between the sources (which fill ``raw.<vendor>__<entity>``), the data contracts and the SQL models.
Every column is nullable in ``raw``: what must be present is a rule of the contract, not of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["crm", "support", "product"]
ColumnType = Literal["text", "bigint", "numeric", "double precision", "date", "timestamptz", "boolean", "jsonb"]


@dataclass(frozen=True)
class Column:
    """One mapped column.

    Args:
        name: Its name in ``raw``.
        type: Its PostgreSQL type.
        sensitive: Whether its values identify a person and are masked wherever rows are shown.
    """

    name: str
    type: ColumnType = "text"
    sensitive: bool = False


@dataclass(frozen=True)
class Entity:
    """One kind of record.

    Args:
        name: Singular, in the field's own words.
        kind: Which kind of source has it.
        columns: Mapped columns beside ``id`` and the loader's own (see ``include.warehouse.loader``).
        history: Whether every version is kept with both clocks in ``raw.<vendor>__<entity>__version``.
        account_ref: The column that names the record's account in its own source; "" where there is none.
        is_account: Whether the record is itself an account of its source, named by its ``id``.
        dirty_from: The column whose date is the first day that a change of the record can alter; "" for all days.
        dirty_days: For how many days from there a change can alter account-day figures; 0 for all days since.
    """

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    history: bool = False
    account_ref: str = ""
    is_account: bool = False
    dirty_from: str = ""
    dirty_days: int = 0
    column_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "column_names", tuple(column.name for column in self.columns))

    @property
    def account_column(self) -> str:
        """The column that names the account, be it ``id`` or another; "" for records of no one account."""
        return "id" if self.is_account else self.account_ref

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Columns whose values identify a person."""
        return tuple(column.name for column in self.columns if column.sensitive)


def _columns(**types: str) -> tuple[Column, ...]:
    """Build columns from ``name="type"``; a trailing ``*`` marks a sensitive one."""
    return tuple(
        Column(name, kind.rstrip("*"), kind.endswith("*"))  # type: ignore[arg-type]
        for name, kind in types.items()
    )


# A usage day touches the 28-day windows of the 12 trailing weeks and the window itself: 28 + 84 days.
USAGE_REACH_DAYS = 112

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        Entity(
            "account",
            "crm",
            _columns(
                name="text",
                domain="text",
                industry="text",
                region="text",
                tier="text",
                owner_id="text",
                parent_id="text",
                lifecycle_stage="text",
                is_test="boolean",
                merged_ids="text",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
            is_account=True,
        ),
        Entity(
            "contact",
            "crm",
            _columns(
                account_id="text",
                email="text*",
                first_name="text*",
                last_name="text*",
                job_title="text",
                role="text",
                owner_id="text",
                last_contacted_at="timestamptz",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
            account_ref="account_id",
        ),
        Entity(
            "owner",
            "crm",
            _columns(
                email="text*",
                first_name="text*",
                last_name="text*",
                user_id="text",
                owner_type="text",
                team="text",
                is_active="boolean",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
        ),
        Entity(
            "opportunity",
            "crm",
            _columns(
                account_id="text",
                name="text",
                pipeline="text",
                stage="text",
                is_closed="boolean",
                is_won="boolean",
                opportunity_type="text",  # new, renewal, expansion
                contract_number="text",  # what stays the same over all terms of one contract
                amount="numeric",
                currency="text",
                close_date="date",
                notice_months="bigint",
                is_auto_renew="boolean",
                notice_given_on="date",
                lost_reason="text",
                owner_id="text",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
            account_ref="account_id",
        ),
        Entity(
            "contract_line",
            "crm",
            _columns(
                opportunity_id="text",
                account_id="text",
                product="text",
                quantity="numeric",
                amount="numeric",  # committed amount of the whole term, after discount
                list_amount="numeric",
                currency="text",
                is_recurring="boolean",
                term_start="date",
                term_end="date",  # exclusive: the day on which the next term would start
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
            history=True,
            account_ref="account_id",
        ),
        Entity(
            "organization",
            "support",
            _columns(
                name="text",
                external_id="text",  # the CRM's account id, where the desk carries it
                domain_names="text",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
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
                first_reply_minutes="bigint",  # calendar minutes
                first_reply_business_minutes="bigint",
                first_resolution_minutes="bigint",
                full_resolution_minutes="bigint",
                requester_wait_minutes="bigint",
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
                plan="text",
                is_internal="boolean",
                created_at="timestamptz",
                updated_at="timestamptz",
            ),
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
    )
}


# Vendor -> kind of source. The raw tables of all of them exist from the start, so that SQL can always name them.
VENDORS: dict[str, Kind] = {"hubspot": "crm", "zendesk": "support", "product": "product"}


def of_kind(kind: Kind) -> tuple[Entity, ...]:
    """Return the entities of one kind of source, in the order in which they are loaded."""
    return tuple(entity for entity in ENTITIES.values() if entity.kind == kind)


def raw_table(vendor: str, entity: str) -> str:
    """Return the name of the raw table, without its schema."""
    return f"{vendor}__{entity}"
