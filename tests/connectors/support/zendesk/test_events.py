"""Ticket updates become one row per change."""

from __future__ import annotations

from include.connectors.support.zendesk.events import MAX_BODY_LENGTH, flatten


def update(*children: dict, **more: object) -> dict:
    return {
        "id": 9, "ticket_id": 5, "created_at": "2026-01-01T00:00:00Z", "updater_id": 7, "child_events": list(children),
    } | more  # fmt: skip


def test_changes_of_fields_used_by_metrics() -> None:
    rows = flatten(
        [
            update(
                {"id": 1, "event_type": "Create", "status": "new"},
                {"id": 2, "event_type": "Change", "status": "open", "previous_value": "new"},
                {"id": 3, "event_type": "Change", "assignee_id": None, "previous_value": "77"},
                {"id": 4, "event_type": "Change", "subject": "other", "previous_value": "one"},
                {"id": 5, "event_type": "Notification", "subject": "hello", "body": "hello"},
            )
        ]
    )
    assert [(row["id"], row["event_type"], row["old_value"], row["new_value"]) for row in rows] == [
        ("1", "status", None, "new"),
        ("2", "status", "new", "open"),
        ("3", "assignee", "77", None),
    ]
    assert {(row["ticket_id"], row["audit_id"], row["actor_id"]) for row in rows} == {(5, 9, 7)}


def test_several_fields_of_one_child_event_are_separated() -> None:
    rows = flatten([update({"id": 1, "event_type": "Create", "status": "new", "priority": "high"})])
    assert sorted(row["id"] for row in rows) == ["1-priority", "1-status"]


def test_child_event_without_an_id_keeps_its_id_on_rereads() -> None:
    one = update({"event_type": "Change", "status": "open"}, {"event_type": "Change", "status": "solved"})
    assert [row["id"] for row in flatten([one])] == ["9-0", "9-1"] == [row["id"] for row in flatten([one])]


def test_only_public_comment_text_is_kept_and_truncated() -> None:
    rows = flatten(
        [
            update(
                {"id": 1, "event_type": "Comment", "public": True, "body": "x" * 20_000, "author_id": 3},
                {"id": 2, "event_type": "Comment", "public": False, "body": "secret", "author_id": 4},
                {"id": 3, "event_type": "Comment", "comment_present": True, "comment_public": True},
            )
        ]
    )
    assert [(row["is_public"], len(row["body"]), row["actor_id"]) for row in rows] == [
        (True, MAX_BODY_LENGTH, 3),
        (False, 0, 4),
        (True, 0, 7),
    ]


def test_system_event_has_no_actor_and_accepts_a_time_in_seconds() -> None:
    child = {"id": 1, "event_type": "Change", "status": "closed", "previous_value": "solved"}
    (row,) = flatten([update(child, updater_id=-1, created_at=None, timestamp=1_700_000_000)])
    assert (row["actor_id"], row["happened_at"]) == (None, 1_700_000_000_000)


def test_update_without_children_gives_no_row() -> None:
    assert flatten([update(), update(child_events=None)]) == []
