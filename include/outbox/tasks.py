"""Which tasks in the CRM are still to be done."""

from __future__ import annotations


def is_over(outbox: str) -> str:
    """Return SQL: the episode of a task has ended. Tasks of requests that shipped have none, and are never over.

    Args:
        outbox: The name of ``ops.outbox`` in the query.
    """
    columns = ("entity_kind", "entity_id", "episode_no")
    same = " and ".join(f"e.{name} = {outbox}.{name}" for name in columns)
    return f"exists (select from ops.episode as e where e.state <> 'open' and e.signal = {outbox}.rule and {same})"
