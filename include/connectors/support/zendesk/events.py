"""Flatten ticket events: one update of a ticket in the export becomes one row per change."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

# Ticket field -> our name of its change. Changes of other fields, and notifications, are left out.
FIELDS = {
    "status": "status",
    "priority": "priority",
    "type": "type",
    "assignee_id": "assignee",
    "organization_id": "organization",
    "requester_id": "requester",
    "satisfaction_score": "satisfaction",
}
MAX_BODY_LENGTH = 10_000


def flatten(updates: list[Row]) -> list[Row]:
    """Return the rows of some updates.

    Args:
        updates: ``ticket_events`` of the export, each with ``child_events``.
    """
    return [row for update in updates for row in _rows(update)]


def _rows(update: Row) -> list[Row]:
    common = {
        "audit_id": update.get("id"),
        "ticket_id": update.get("ticket_id"),
        "happened_at": update.get("created_at") or (update.get("timestamp") or 0) * 1000 or None,
    }
    updater = update.get("updater_id")
    rows = []
    for number, child in enumerate(update.get("child_events") or []):
        # A child event without an id is identified by its place in the update, which does not change.
        child_id = child.get("id") or f"{update.get('id')}-{number}"
        found = _comment(child, updater) or _changes(child, updater)
        for each in found:
            suffix = f"-{each['event_type']}" if len(found) > 1 else ""
            rows.append(common | each | {"id": f"{child_id}{suffix}"})
    return rows


def _comment(child: Row, updater: Any) -> list[Row]:
    if child.get("event_type") != "Comment" and not child.get("comment_present"):
        return []
    is_public = child.get("public", child.get("comment_public"))
    body = (child.get("plain_body") or child.get("body") or "") if is_public else ""
    return [
        {
            "event_type": "comment",
            "actor_id": _person(child.get("author_id") or updater),
            "is_public": is_public,
            "body": str(body)[:MAX_BODY_LENGTH],
        }
    ]


def _changes(child: Row, updater: Any) -> list[Row]:
    if child.get("event_type") not in ("Create", "Change"):
        return []
    return [
        {
            "event_type": name,
            "old_value": child.get("previous_value"),
            "new_value": child[field],
            "actor_id": _person(updater),
        }
        for field, name in FIELDS.items()
        if field in child
    ]


def _person(user_id: Any) -> Any:
    """Return the user's id. The vendor uses -1 for itself."""
    return None if str(user_id).startswith("-") else user_id
