"""Apply the CSMs' changes to their alerts' tasks, before anything else is decided.

Completing or deleting a task closes the episode. A new due date snoozes it until then. A new owner becomes its reader.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from include.common.text import one_line
from include.decide import episodes
from include.decide.episodes import Change
from include.decide.recipients import Owner, Recipient, assignee
from include.outbox.store import ALERT_TASK

_DONE = "done"  # completed without an outcome
_LONGEST_ANSWER = 200


def apply(connection: sa.Connection, today: date) -> int:
    """Update open episodes from their tasks. Episodes that already agree are not written.

    Returns:
        The number of episodes that people closed.
    """
    rows = connection.execute(TASKS, {"step": ALERT_TASK}).all()
    closed = [_closed(row, today) for row in rows if row.state in ("done", "deleted")]
    episodes.apply(connection, closed, today)
    changed = [_task_changes(row) for row in rows if row.state in ("open", "started")]
    if changed:
        connection.execute(_UPDATE_EPISODE, changed)
    return len(closed)


def is_untouched(row: Any) -> bool:
    """Return whether nobody has changed a task since it was written."""
    return row.state == "open" and not _is_rescheduled(row) and not _is_reassigned(row)


def assignees(connection: sa.Connection, tables: sa.Connection) -> dict[str, Recipient]:
    """Return the assignees of open episodes' tasks who can be written to, by owner key."""
    reassigned_to = connection.execute(_REASSIGNED_TO).scalars().all()
    if not reassigned_to:
        return {}
    rows = tables.execute(
        sa.text(
            "select owner_key, name as owner_name, email as owner_email, team as owner_team,"
            " is_active as owner_is_active from core.owner where owner_key = any(:keys)"
        ),
        {"keys": reassigned_to},
    ).mappings()
    found = {str(row["owner_key"]): assignee(Owner(**row)) for row in rows}
    return {key: person for key, person in found.items() if person}


def short_outcome(outcome: str) -> str:
    """Return the outcome of a task, shortened for the episode."""
    return one_line(outcome)[:_LONGEST_ANSWER] or _DONE


def close_reason(answer: str) -> str:
    """Return the close reason of an episode whose task was completed with an answer."""
    return "completed in the CRM" + ("" if answer == _DONE else f": {answer}")


def _closed(row: Any, today: date) -> Change:
    if row.state == "deleted":
        answer, reason = "deleted", "its task was deleted in the CRM"
    else:
        answer = short_outcome(row.outcome)
        reason = close_reason(answer)
    return Change(
        "close",
        row.signal,
        row.entity_id,
        row.episode_no,
        row.account_key,
        {"as_of": today.isoformat(), "task": row.task_id, "answer": answer},
        reason=reason,
        entity_kind=row.entity_kind,
        answer=answer,
    )


def _task_changes(row: Any) -> dict[str, Any]:
    source = row.account_key.partition(":")[0]
    return {
        "episode_id": row.episode_id,
        "until": row.due_on if _is_rescheduled(row) else None,
        "assignee": f"{source}:{row.owner_id}" if _is_reassigned(row) else "",
    }


def _is_rescheduled(row: Any) -> bool:
    return None not in (row.due_on, row.planned_due_on) and row.due_on != row.planned_due_on


def _is_reassigned(row: Any) -> bool:
    return bool(row.owner_id) and row.owner_id != row.address


# The tasks of open alerts, as they were last read back.
TASKS = sa.text(
    "select e.episode_id, e.signal, e.entity_kind, e.entity_id, e.episode_no, e.account_key, o.address, o.subject,"
    " o.external_id as task_id, o.resolved_at as written_at, cast(o.body ->> 'due_on' as date) as planned_due_on,"
    " t.state, t.due_on, t.owner_id, t.outcome, t.read_at"
    " from ops.episode as e join ops.outbox as o on o.channel = 'crm_task' and o.step = :step and o.state = 'sent'"
    " and o.rule = e.signal and o.entity_kind = e.entity_kind and o.entity_id = e.entity_id"
    " and o.episode_no = e.episode_no join ops.task as t on t.key = o.key where e.state = 'open'"
)
_REASSIGNED_TO = sa.text(
    "select distinct split_part(o.account_key, ':', 1) || ':' || t.owner_id from ops.task as t"
    " join ops.outbox as o on o.key = t.key join ops.episode as e on e.signal = o.rule"
    " and e.entity_kind = o.entity_kind and e.entity_id = o.entity_id and e.episode_no = o.episode_no"
    " where e.state = 'open' and t.owner_id not in ('', o.address)"
)
_UPDATE_EPISODE = sa.text(
    "update ops.episode set snoozed_until = :until, assignee_key = :assignee where episode_id = :episode_id"
    " and (snoozed_until, assignee_key) is distinct from (cast(:until as date), :assignee)"
)
