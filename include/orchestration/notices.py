"""Tell the owner of the data that a DAG fails: what, since when, and the command that runs it again.

An outage is told once, and again once a day while it lasts: failures that follow each other within the hour are one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.clock import now

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.models import Person

log = logging.getLogger(__name__)

ONE_OUTAGE = timedelta(hours=1)
REMIND_AFTER = timedelta(days=1)

# The command that does a DAG's work without Airflow, and the source whose owner is told.
COMMANDS = {
    "ingest_crm": "ingest crm",
    "ingest_support": "ingest support",
    "ingest_product": "ingest product",
    "build_kpis": "build",
    "rebuild_kpis": "build --from DAY --to DAY",
    "decide": "decide",
    "deliver": "deliver",
}
SOURCES = {"ingest_crm": "crm", "ingest_support": "support", "ingest_product": "product_db"}


@dataclass(frozen=True)
class Failure:
    """One failed task or run.

    Args:
        dag: The DAG's id.
        name: Its name without the prefix, as in ``COMMANDS``.
        task: The task's id; "" when the run itself failed.
        reason: What went wrong, and its cure.
        url: The page of its log.
    """

    dag: str
    name: str
    task: str
    reason: str
    url: str

    @property
    def key(self) -> str:
        """What makes two failures the same outage."""
        return f"{self.dag}/{self.task}"


def tell_owner(context: Context) -> None:
    """Airflow calls this when a task has failed for good, once per run and not per retry."""
    failure = _from_context(context)
    told_at = now()
    since = failing_since(failure.key, told_at)
    if since is None:
        log.info("%s fails still; its owner has been told", failure.key)
        return
    subject, text = write(failure, since)
    log.error("%s\n%s", subject, text)
    _send(_owner(failure.name), subject, text)


def write(failure: Failure, since: datetime) -> tuple[str, str]:
    """Return the subject and the text of a notice."""
    where = f"{failure.dag}, task {failure.task}" if failure.task else failure.dag
    lines = [
        f"What: {failure.reason}",
        f"Since: {since:%Y-%m-%d %H:%M} UTC",
        f"Run it again: clear the task in Airflow, or `python -m include.cli {COMMANDS.get(failure.name, 'status')}`",
    ]
    if failure.url:
        lines.append(f"Log: {failure.url}")
    return f"Perennial: {where} fails", "\n".join(lines)


def failing_since(key: str, failed_at: datetime) -> datetime | None:
    """Note a failure.

    Args:
        key: What fails.
        failed_at: When.

    Returns:
        Since when it fails, if its owner is to be told now; None if that was done.
    """
    import sqlalchemy as sa

    from include.errors import PerennialError
    from include.warehouse.engine import engine

    statement = sa.text("""
        insert into meta.notice as seen (key, failing_since, failed_at)
        values (:key, :failed_at, :failed_at)
        on conflict (key) do update set
            failing_since = case when seen.failed_at < :failed_at - :one_outage then :failed_at
                                 else seen.failing_since end,
            told_at = case when seen.failed_at < :failed_at - :one_outage then null else seen.told_at end,
            failed_at = :failed_at
        returning failing_since, told_at
    """)
    try:
        with engine("loader").begin() as connection:
            seen = connection.execute(statement, {"key": key, "failed_at": failed_at, "one_outage": ONE_OUTAGE}).one()
            if seen.told_at and seen.told_at > failed_at - REMIND_AFTER:
                return None
            connection.execute(
                sa.text("update meta.notice set told_at = :at where key = :key"), {"at": failed_at, "key": key}
            )
            return seen.failing_since
    except (sa.exc.SQLAlchemyError, PerennialError) as error:
        # It may well be the warehouse that fails: then saying it too often beats not saying it.
        log.warning("cannot look up whether %s was told before: %s", key, error)
        return failed_at


def _from_context(context: Context) -> Failure:
    from include.orchestration.defaults import PREFIX

    dag_id = context["dag"].dag_id
    ti: Any = context.get("ti")
    error = context.get("exception")
    return Failure(
        dag=dag_id,
        name=dag_id.removeprefix(PREFIX),
        task=ti.task_id if ti else "",
        reason=str(error) if error else str(context.get("reason") or "it was killed or ran out of time"),
        url=getattr(ti, "log_url", "") or "",
    )


def _owner(name: str) -> Person:
    from include.config import load

    settings = load()
    source = settings.source(SOURCES.get(name, ""))
    return source.owner if source else settings.people.queue


def _send(owner: Person, subject: str, text: str) -> None:
    """Send by every channel that is turned on; the log has it in any case."""
