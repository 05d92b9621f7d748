"""Records as Zendesk returns them, including nulls that its own documentation rules out."""

from __future__ import annotations

from typing import Any

from include.sandbox.core import Sandbox
from include.sandbox.http import iso_s
from include.sandbox.store import Item

# The account's own host. Links in responses always use it.
CANONICAL = "https://perennial-sandbox.zendesk.com"
ARCHIVED_AFTER_MS = 120 * 86_400_000


def url(path: str) -> str:
    """Return the absolute URL of an API path on the account's own host."""
    return f"{CANONICAL}/api/v2/{path}"


def generated(item: Item) -> int:
    """Return the export timestamp of a record in seconds. Every change moves it, deletions included."""
    return item.touched_at // 1000


def organization(_: Sandbox, item: Item) -> dict[str, Any]:
    values = item.values
    external = values.get("external")
    return {
        "url": url(f"organizations/{item.id}.json"),
        "id": item.id,
        "name": values["name"],
        "shared_tickets": False,
        "shared_comments": False,
        "external_id": str(external) if external else None,
        "created_at": iso_s(item.created_at),
        "updated_at": iso_s(item.updated_at),
        "domain_names": values.get("domain_names") or [],
        "details": None,
        "notes": None,
        "group_id": None,
        "tags": values.get("tags") or [],
        "organization_fields": {},
        "deleted_at": iso_s(item.deleted_at) if item.deleted_at else None,
    }


def user(_: Sandbox, item: Item) -> dict[str, Any]:
    """Return a user. A permanently deleted one keeps only its id."""
    values = item.values
    is_agent = values["role"] != "end-user"
    gone = item.deleted_at is not None
    return {
        "id": item.id,
        "url": url(f"users/{item.id}.json"),
        "name": "Permanently Deleted User" if gone else values["name"],
        "email": None if gone else values["email"],
        "created_at": iso_s(item.created_at),
        "updated_at": iso_s(item.updated_at),
        "time_zone": "UTC",
        "iana_time_zone": "Etc/UTC",
        "phone": None,
        "shared_phone_number": None,
        "photo": None,
        "locale_id": 1,
        "locale": "en-US",
        "organization_id": values.get("organization"),
        "role": values["role"],
        "verified": not gone,
        "external_id": None,
        "tags": [],
        "alias": None,
        "active": bool(values.get("active")) and not gone,
        "shared": False,
        "shared_agent": False,
        "last_login_at": iso_s(item.updated_at) if is_agent else None,
        "two_factor_auth_enabled": False,
        "signature": None,
        "details": None,
        "notes": None,
        "role_type": 4 if values["role"] == "admin" else 0 if is_agent else None,
        "custom_role_id": None,
        "moderator": is_agent,
        "ticket_restriction": None if is_agent else "requested",
        "only_private_comments": False,
        "restricted_agent": not is_agent,
        "suspended": False,
        "chat_only": False,
        "default_group_id": None,
        "report_csv": False,
        "user_fields": {},
    }


def _channel(name: str) -> dict[str, Any]:
    return {"channel": name, "source": {"from": {}, "to": {}, "rel": None}}


def ticket(_: Sandbox, item: Item) -> dict[str, Any]:
    values = item.values
    score = values.get("satisfaction")
    custom = [{"id": 360_001_234_567, "value": values["tags"][0] if values.get("tags") else None}]
    return {
        "url": url(f"tickets/{item.id}.json"),
        "id": item.id,
        "external_id": None,
        "via": _channel(values["channel"]),
        "created_at": iso_s(item.created_at),
        "updated_at": iso_s(item.updated_at),
        "generated_timestamp": generated(item),
        "type": values.get("type"),
        "subject": values["subject"],
        "raw_subject": values["subject"],
        "description": values["description"],
        "priority": values.get("priority"),
        "status": "deleted" if item.deleted_at else values["status"],
        "custom_status_id": 12_480_498_776_781,
        "recipient": None,
        "requester_id": values["requester"],
        "submitter_id": values["requester"],
        "assignee_id": values.get("assignee"),
        "organization_id": values.get("organization"),
        "group_id": 360_004_077_472 if values.get("assignee") else None,
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": True,
        "due_at": None,
        "tags": values.get("tags") or [],
        "custom_fields": [] if values["subject"] == "SCRUBBED" else custom,
        "satisfaction_rating": {"score": score} if score else None,
        "sharing_agreement_ids": [],
        "fields": [] if values["subject"] == "SCRUBBED" else custom,
        "followup_ids": [],
        "ticket_form_id": 360_000_389_592,
        "brand_id": 360_002_256_672,
        "satisfaction_probability": None,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": values["channel"] == "native_messaging",
    }


def _minutes(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {"calendar": values.get(name), "business": values.get(f"{name}_business")}


def metric_set(_: Sandbox, item: Item) -> dict[str, Any]:
    """Return a ticket's metrics in calendar and business minutes, null until known."""
    values = item.values
    updated, assigned = iso_s(item.updated_at), iso_s(item.created_at) if values.get("assignee") else None
    return {
        "url": url(f"ticket_metrics/{item.id + 7_000_000}.json"),
        "id": item.id + 7_000_000,
        "ticket_id": item.id,
        "created_at": iso_s(item.created_at),
        "updated_at": updated,
        "group_stations": 1,
        "assignee_stations": 1 if values.get("assignee") else 0,
        "reopens": values.get("n_reopens", 0),
        "replies": values.get("n_replies", 0),
        "assignee_updated_at": assigned,
        "requester_updated_at": iso_s(item.created_at),
        "status_updated_at": updated,
        "initially_assigned_at": assigned,
        "assigned_at": assigned,
        "solved_at": iso_s(values["solved_at"]) if values.get("solved_at") else None,
        "latest_comment_added_at": updated,
        "reply_time_in_minutes": _minutes(values, "first_reply"),
        "reply_time_in_seconds": {"calendar": values.get("first_reply_seconds")},  # for messaging conversations only
        "first_resolution_time_in_minutes": _minutes(values, "first_resolution"),
        "full_resolution_time_in_minutes": _minutes(values, "full_resolution"),
        "agent_wait_time_in_minutes": _minutes(values, "agent_wait"),
        "requester_wait_time_in_minutes": _minutes(values, "requester_wait"),
        "on_hold_time_in_minutes": {"calendar": 0, "business": 0},
        "custom_status_updated_at": updated,
    }


def comment(item: Item) -> dict[str, Any]:
    values = item.values
    return {
        "id": item.id,
        "type": "Comment",
        "author_id": values["author"],
        "body": values["body"],
        "html_body": f'<div class="zd-comment">{values["body"]}</div>',
        "plain_body": values["body"],
        "public": values["public"],
        "attachments": [],
        "audit_id": item.id + 1,
        "via": _channel("email"),
        "created_at": iso_s(item.created_at),
        "metadata": {"system": {}, "custom": {}},
    }


def rating(_: Sandbox, item: Item) -> dict[str, Any]:
    values = item.values
    return {
        "id": item.id,
        "url": url(f"satisfaction_ratings/{item.id}.json"),
        "assignee_id": values["assignee"],
        "group_id": 360_004_077_472,
        "requester_id": values["requester"],
        "ticket_id": values["ticket"],
        "score": values["score"],
        "created_at": iso_s(item.created_at),
        "updated_at": iso_s(item.updated_at),
        "comment": None,
        "reason": None,
    }


def is_archived(item: Item, now: int) -> bool:
    """Return whether a ticket is archived: closed for long. Only exports and its own URL still return it."""
    return item.values["status"] == "closed" and item.updated_at < now - ARCHIVED_AFTER_MS
