"""Limits of the rules on whole batches. Files may change them per entity."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from include.config.documents import Share, Strict

Rows = Annotated[int, Field(ge=0)]
Times = Annotated[float, Field(gt=1)]


class Limits(Strict):
    """The limits of an entity. Where a rule has both a share and a number of rows, both must be exceeded.

    Args:
        bad_share: Share of rows that break critical rules. Above it, the batch itself is suspect.
        bad_rows: The same, as a number of rows.
        deleted_share: Share of records deleted at once: a wrong filter looks like a mass deletion.
        deleted_rows: The same, as a number of rows.
        new_share: Share of new records at once: a source connected twice looks like growth.
        new_rows: The same, as a number of rows.
        unusual_times: A read larger than the largest of the last weeks by this factor gets a warning.
        unusual_rows: Reads with fewer rows than this get no warning.
        vanished_rows: Fewer rows than this can all lack a value by chance.
        emptied_share: Share of empty values in a column that used to be filled in nine of ten rows.
        strange_share: Share of new values in a column with few distinct values.
        strange_rows: The same, as a number of rows.
        changed_share: Share of known records with a changed fact that hardly ever changes.
        changed_rows: The same, as a number of rows.
        ahead_minutes: How far the source's clock may be ahead of ours.
        day_low: The smallest number of rows of a complete day, as a factor of the same weekdays before.
        day_high: The largest number, as a factor.
        day_rows: Weekdays with fewer rows than this are not compared.
        break_share: Share of a feature's accounts that fall silent on one day. From it on, the measuring is broken.
        break_accounts: The least number of accounts that used the feature regularly.
        last_event_hours: Age of the newest record above which the source may have stopped. A warning only.
    """

    bad_share: Share = 0.05
    bad_rows: Rows = 20
    deleted_share: Share = 0.02
    deleted_rows: Rows = 10
    new_share: Share = 0.5
    new_rows: Rows = 100
    unusual_times: Times = 10
    unusual_rows: Rows = 1000
    vanished_rows: Rows = 20
    emptied_share: Share = 0.5
    strange_share: Share = 0.5
    strange_rows: Rows = 20
    changed_share: Share = 0.5
    changed_rows: Rows = 20
    ahead_minutes: Rows = 15
    day_low: Share = 0.5
    day_high: Times = 1.8
    day_rows: Rows = 200
    break_share: Share = 0.5
    break_accounts: Rows = 10
    last_event_hours: Annotated[int, Field(ge=1)] | None = None


# Usual maximum age of an entity's newest record, in hours. Entities that may be silent for months are not listed.
LAST_EVENT_HOURS = {
    "account": 14 * 24,
    "contact": 14 * 24,
    "opportunity": 14 * 24,
    "ticket": 7 * 24,
    "usage_day": 4 * 24,  # a long weekend
    "seat_day": 4 * 24,
}

# Columns that are empty at first and filled later. A batch of new records lacks them all.
COMES_LATER: dict[str, frozenset[str]] = {
    "account": frozenset({"parent_id", "merged_ids"}),
    "contact": frozenset({"last_contacted_at"}),
    "opportunity": frozenset({"notice_given_on", "lost_reason", "competitors", "close_date", "contract_number"}),
    "ticket": frozenset(
        {
            "assignee_id",
            "satisfaction",
            "solved_at",
            "first_reply_minutes",
            "first_reply_business_minutes",
            "first_resolution_minutes",
            "full_resolution_minutes",
            "full_resolution_business_minutes",
            "agent_wait_minutes",
            "requester_wait_minutes",
            "requester_wait_business_minutes",
        }
    ),
    "product_user": frozenset({"activated_at", "deactivated_at"}),
    "lead": frozenset(
        {"account_id", "last_channel", "last_touch_at", "qualified_at", "sales_qualified_at", "converted_at"}
    ),
    "activity": frozenset({"outcome", "duration_minutes"}),
    "invoice": frozenset({"paid_on"}),
    "milestone": frozenset({"done_on"}),
}

# Columns with few distinct values.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "account": ("industry", "region", "tier", "lifecycle_stage"),
    "contact": ("role",),
    "owner": ("team", "owner_type"),
    "opportunity": ("pipeline", "stage", "opportunity_type", "currency"),
    "contract_line": ("product", "currency"),
    "lead": ("channel",),
    "activity": ("activity_type", "direction"),
    "invoice": ("status", "currency"),
    "survey_response": ("kind",),
    "support_user": ("role",),
    "ticket": ("status", "priority", "ticket_type", "channel", "satisfaction"),
    "rating": ("score",),
    "product_account": ("plan",),
    "product_user": ("role",),
    "usage_day": ("feature",),
    "channel_cost": ("channel", "kind", "currency"),
}

# Facts that hardly ever change, and never on most records at once. Daily facts are part of their record's key.
STABLE: dict[str, tuple[str, ...]] = {
    "account": ("domain", "created_at"),
    "contact": ("account_id", "email", "created_at"),
    "owner": ("email", "created_at"),
    "opportunity": ("account_id", "contract_number", "amount", "currency", "notice_months", "created_at"),
    "contract_line": (
        "opportunity_id",
        "account_id",
        "quantity",
        "amount",
        "list_amount",
        "currency",
        "is_recurring",
        "term_start",
        "term_end",
        "created_at",
    ),
    "activity": ("account_id", "created_at"),
    "invoice": ("account_id", "amount", "currency", "issued_on", "due_on", "created_at"),
    "survey_response": ("account_id", "score", "created_at"),
    "organization": ("external_id", "created_at"),
    "support_user": ("organization_id", "email", "created_at"),
    "ticket": ("organization_id", "requester_id", "created_at"),
    "rating": ("ticket_id", "created_at"),
    "product_account": ("crm_account_id", "created_at"),
    "product_user": ("account_id", "email", "created_at"),
}
