"""Zendesk's records and endpoints: declarations only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from include.connectors.mapping import ColumnRule, Mapper
from include.entities.catalog import ENTITIES

# Paths without the `.json` that the vendor also accepts.
API = "/api/v2"
EXPORT_PAGE = 1000
LIST_PAGE = 100
SHOW_MANY = 100


@dataclass(frozen=True)
class Resource:
    """One kind of record.

    Args:
        entity: The entity that it is mapped to.
        name: The vendor's plural, in paths and responses.
        pagination: How it can be read: ``cursor`` export, export by ``time``, or ``list``.
        clock: The field by which the vendor orders it. For tickets this is not ``updated_at``.
        columns: Column -> field; dots lead into nested objects.
        keep: More fields for the payload, without texts that people wrote, such as descriptions.
        include: Side-loads.
    """

    entity: str
    name: str
    pagination: Literal["cursor", "time", "list"]
    clock: str
    columns: dict[str, str]
    keep: tuple[str, ...] = ()
    include: str | None = None
    mapper: Mapper = field(init=False)

    def __post_init__(self) -> None:
        rules = {column: ColumnRule(property=name) for column, name in self.columns.items()}
        object.__setattr__(self, "mapper", Mapper(ENTITIES[self.entity], rules, self.keep))


RESOURCES = (
    Resource(
        "organization",
        "organizations",
        "time",
        "updated_at",
        {
            "name": "name",
            "external_id": "external_id",
            "domain_names": "domain_names",
            "merged_into": "merged_into",
            "created_at": "created_at",
            "updated_at": "updated_at",
        },
    ),
    Resource(
        "support_user",
        "users",
        "cursor",
        "updated_at",
        {
            "organization_id": "organization_id",
            "email": "email",
            "name": "name",
            "role": "role",
            "is_active": "active",
            "created_at": "created_at",
            "updated_at": "updated_at",
        },
        keep=("external_id", "suspended"),
    ),
    Resource(
        "ticket",
        "tickets",
        "cursor",
        "generated_timestamp",
        {
            "organization_id": "organization_id",
            "requester_id": "requester_id",
            "assignee_id": "assignee_id",
            "status": "status",
            "priority": "priority",
            "ticket_type": "type",
            "subject": "subject",
            "channel": "via.channel",
            "tags": "tags",
            "satisfaction": "satisfaction_rating.score",
            # Lists of metrics leave out archived tickets. Side-loaded on the export, metrics include them.
            "solved_at": "metric_set.solved_at",
            "first_reply_seconds": "metric_set.reply_time_in_seconds.calendar",
            "first_reply_minutes": "metric_set.reply_time_in_minutes.calendar",
            "first_reply_business_minutes": "metric_set.reply_time_in_minutes.business",
            "first_resolution_minutes": "metric_set.first_resolution_time_in_minutes.calendar",
            "full_resolution_minutes": "metric_set.full_resolution_time_in_minutes.calendar",
            "full_resolution_business_minutes": "metric_set.full_resolution_time_in_minutes.business",
            "requester_wait_minutes": "metric_set.requester_wait_time_in_minutes.calendar",
            "requester_wait_business_minutes": "metric_set.requester_wait_time_in_minutes.business",
            "agent_wait_minutes": "metric_set.agent_wait_time_in_minutes.calendar",
            "n_reopens": "metric_set.reopens",
            "n_replies": "metric_set.replies",
            "created_at": "created_at",
            "updated_at": "updated_at",
            "generated_at": "generated_at",
        },
        keep=("external_id", "group_id", "problem_id", "brand_id", "ticket_form_id"),
        include="metric_sets",
    ),
    # One export returns both changes and comments. Reading comments separately would double the calls of a small rate
    # limit.
    Resource(
        "ticket_event",
        "ticket_events",
        "time",
        "happened_at",
        {
            "ticket_id": "ticket_id",
            "organization_id": "organization_id",
            "happened_at": "happened_at",
            "event_type": "event_type",
            "old_value": "old_value",
            "new_value": "new_value",
            "actor_id": "actor_id",
            "is_public": "is_public",
            "body": "body",
            "updated_at": "happened_at",
        },
        keep=("audit_id",),
        include="comment_events",
    ),
    Resource(
        "rating",
        "satisfaction_ratings",
        "list",
        "updated_at",
        {
            "ticket_id": "ticket_id",
            "organization_id": "organization_id",
            "score": "score",
            "created_at": "created_at",
            "updated_at": "updated_at",
        },
    ),
)
