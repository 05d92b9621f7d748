"""What people answered in their alerts' tasks: it holds before anything is decided.

Completed or thrown away closes the episode; a new due date puts it to rest until then; a new owner makes it theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import sqlalchemy as sa

from include.alerts import episodes
from include.alerts.episodes import Change
from include.alerts.recipients import Owner, Recipient, assignee
from include.delivery.message import one_line
from include.delivery.outbox import ALERT_TASK

_LONGEST_ANSWER = 200


def apply(connection: sa.Connection, today: date) -> int:
    """Let open episodes follow what has become of their tasks; those that agree already are not written.

    Args:
        connection: Of the builder role, within the decision's transaction.
        today: The day that is decided upon.

    Returns:
        How many episodes people closed.
    """
    rows = connection.execute(_TASKS, {"step": ALERT_TASK}).all()
    closed = [_closed(row, today) for row in rows if row.state in ("done", "deleted")]
    episodes.apply(connection, closed, today)
    followed = [_followed(row) for row in rows if row.state in ("open", "started")]
    if followed:
        connection.execute(_FOLLOW, followed)
    return len(closed)


def is_untouched(row: Any) -> bool:
    """Return whether nobody has done anything with a task since it was written."""
    return row.state == "open" and not _is_moved(row) and not _is_given_away(row)


def assignees(tables: sa.Connection, keys: Iterable[str]) -> dict[str, Recipient]:
    """Return whoever was given tasks and can be written to, by owner key.

    Args:
        tables: Of the reader role.
        keys: The owners' keys.
    """
    wanted = sorted({key for key in keys if key})
    if not wanted:
        return {}
    rows = tables.execute(
        sa.text(
            "select owner_key, name as owner_name, email as owner_email, team as owner_team,"
            " is_active as owner_is_active from core.owner where owner_key = any(:keys)"
        ),
        {"keys": wanted},
    ).mappings()
    found = {str(row["owner_key"]): assignee(Owner(**row)) for row in rows}
    return {key: person for key, person in found.items() if person}


def _closed(row: Any, today: date) -> Change:
    said = one_line(row.outcome)[:_LONGEST_ANSWER]
    if row.state == "deleted":
        answer, because = "deleted", "its task was deleted in the CRM"
    else:
        answer, because = said or "done", f"completed in the CRM{f': {said}' if said else ''}"
    return Change(
        "close",
        row.signal,
        row.entity_id,
        row.episode_no,
        row.account_key,
        {"as_of": today.isoformat(), "task": row.task_id, "answer": answer},
        because=because,
        entity_kind=row.entity_kind,
        answer=answer,
    )


def _followed(row: Any) -> dict[str, Any]:
    source = row.account_key.partition(":")[0]
    return {
        "episode_id": row.episode_id,
        "until": row.due_on if _is_moved(row) else None,
        "assignee": f"{source}:{row.owner_id}" if _is_given_away(row) else "",
    }


def _is_moved(row: Any) -> bool:
    return None not in (row.due_on, row.planned_due_on) and row.due_on != row.planned_due_on


def _is_given_away(row: Any) -> bool:
    return bool(row.owner_id) and row.owner_id != row.address


TASK_COLUMNS = (
    "e.episode_id, e.signal, e.entity_kind, e.entity_id, e.episode_no, e.account_key, o.address, o.subject,"
    " o.external_id as task_id, o.settled_at as written_at, cast(o.body ->> 'due_on' as date) as planned_due_on,"
    " t.state, t.due_on, t.owner_id, t.outcome, t.read_at"
)
TASKS = (
    " from ops.episode as e join ops.outbox as o on o.channel = 'crm_task' and o.step = :step and o.state = 'sent'"
    " and o.rule = e.signal and o.entity_kind = e.entity_kind and o.entity_id = e.entity_id"
    " and o.episode_no = e.episode_no join ops.task as t on t.key = o.key where e.state = 'open'"
)
_TASKS = sa.text(f"select {TASK_COLUMNS}{TASKS}")
_FOLLOW = sa.text(
    "update ops.episode set snoozed_until = :until, assignee_key = :assignee where episode_id = :episode_id"
    " and (snoozed_until, assignee_key) is distinct from (cast(:until as date), :assignee)"
)
