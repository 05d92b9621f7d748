"""Read tasks back from the CRM: the CSM's changes to a task are the answer to its alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import sqlalchemy as sa

from include.common import clock
from include.common.errors import PerennialError
from include.config import load
from include.deliver.channels import crm_task
from include.deliver.channels.base import TaskSnapshot
from include.outbox import store as outbox
from include.outbox import tasks
from include.outbox.store import Delivery
from include.warehouse.engine import engine


@dataclass
class ReadBack:
    """The result of reading tasks back.

    Args:
        n_tasks: Tasks that the CRM returned.
        problems: CRMs whose tasks could not be read, each with its fix. Earlier results stay.
    """

    n_tasks: int = 0
    problems: list[str] = field(default_factory=list)


def read_back(now: datetime | None = None) -> ReadBack:
    """Read the tasks of all open episodes, and store their current state."""
    moment, settings, result = now or clock.now(), load(), ReadBack()
    for source in settings.crms:
        with engine("builder").connect() as connection:
            deliveries = _tasks_to_read(connection, source.id)
        if not deliveries:
            continue
        try:
            channel = crm_task.connect(settings, source.id)
            try:
                found = channel.read_back(deliveries)
            finally:
                channel.close()
        except PerennialError as error:
            result.problems.append(f"tasks in {source.id} were not read back: {error}")
            continue
        with engine("builder").begin() as connection:
            _store(connection, found, moment)
        result.n_tasks += len(found)
    return result


def _tasks_to_read(connection: sa.Connection, source: str) -> Sequence[Delivery]:
    """Return written tasks that are not done and whose episode has not ended."""
    return outbox.read(
        connection,
        # Tasks that Perennial withdrew itself do not count as deleted by a person.
        "channel = 'crm_task' and state = 'sent' and undo = '' and external_id <> ''"
        f" and not {tasks.is_over('outbox')}"
        " and not exists (select from ops.task as t where t.key = outbox.key and t.state in ('done', 'deleted'))",
        source=source,
    )


def _store(connection: sa.Connection, found: Mapping[str, TaskSnapshot], now: datetime) -> None:
    if not found:
        return
    connection.execute(
        sa.text(
            "insert into ops.task (key, state, due_on, owner_id, outcome, changed_at, read_at)"
            " values (:key, :state, :due_on, :owner_id, :outcome, :changed_at, :now)"
            " on conflict (key) do update set state = excluded.state, due_on = excluded.due_on,"
            " owner_id = excluded.owner_id, outcome = excluded.outcome, changed_at = excluded.changed_at,"
            " read_at = excluded.read_at"
        ),
        [{"key": key, "now": now, **asdict(task)} for key, task in found.items()],
    )
