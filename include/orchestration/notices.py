"""Notify the data owner of a failing DAG: what fails, since when, and the command to run it again.

The owner gets one notice per outage, and one a day while it lasts. Failures less than an hour apart are one outage.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from include.common import formatting
from include.common.clock import now
from include.common.texts import gettext, ngettext

if TYPE_CHECKING:
    from airflow.sdk import Context

    from include.config.models import SourceSettings
    from include.config.person import Person
    from include.continuation.review import Unreported
    from include.ingest.schema_drift import Noticed
    from include.outbox.message import Message

log = logging.getLogger(__name__)

ONE_OUTAGE = timedelta(hours=1)
REMIND_AFTER = timedelta(days=1)
_SHOWN_CHANGES = 10
_CLI = "python -m include.cli"

# DAG, or DAG.task -> the command that does its work without Airflow. ``KINDS`` names the kind of source whose owner is
# notified.
COMMANDS = {
    "connect_check": "connect check",
    "ingest_crm": "ingest crm",
    "ingest_support": "ingest support",
    "ingest_product": "ingest product",
    "build_kpis": "build",
    "rebuild_kpis": "build --from DAY --to DAY",
    "notify_incidents": "incidents notify",
    "review_quarantine": "quarantine list",
    "decide": "decide",
    "approve_actions": "approvals list",
    "deliver": "deliver",
    "housekeeping": "housekeeping",
    "judge_experiments": "experiments judge",
    "judge_scores": "score backtest",
    "keep_score_changes": "score changes --keep",
    "publish_reports": "report make",
    "publish_reports.draw_charts": "report charts",
    "publish_reports.draft_customer_reports": "report customer draft",
    "run_analyses": "analysis features --keep",
    "run_analyses.list_discounts": "discounts unapproved --month MONTH",
    "run_analyses.judge_growth": "analysis channels",
    "run_analyses.list_competitors": "competitors reasons --unanswered",
    "triage_tickets": "analysis triage --keep",
    "triage_tickets.compare_requests": "requests similar --keep",
    "triage_tickets.note_goals": "releases list --keep",
    "triage_tickets.judge_releases": "releases list --keep",
    "list_touches": "touches make",
    "reconcile": "reconcile SOURCE",
}
KINDS = {"ingest_crm": "crm", "ingest_support": "support", "ingest_product": "product"}


@dataclass(frozen=True)
class Failure:
    """One failed task or run.

    Args:
        dag: The DAG's id.
        name: The DAG's name without the prefix, as in ``COMMANDS``.
        task: The task's id; "" if the run itself failed.
        reason: The error and its fix; "" if the task was killed, or timed out.
        url: The page of its log.
        run_id: The run that it belongs to.
    """

    dag: str
    name: str
    task: str
    reason: str
    url: str
    run_id: str = ""

    @property
    def key(self) -> str:
        """Failures with the same key belong to the same outage."""
        return f"{self.dag}/{self.task}"


def notify_owner(context: Context) -> None:
    """Notify the owner of a permanent failure. Airflow calls this once per failed run, not per retry."""
    from include.deliver import notices

    failure = _from_context(context)
    if failure.task.rpartition(".")[2] == "show_verdict" or _is_incident(failure):
        # Incidents report these failures: one outage is one incident, however many of its tasks fail. The task
        # ``publish`` of the same run reports it, and ``show_verdict`` only shows the verdict.
        return
    since = failing_since(failure.key, now())
    if since is None:
        log.info("%s still fails; its owner has been notified", failure.key)
        return
    message = write(failure, since)
    log.error("%s %s", message.subject, " ".join([message.summary, *message.next_steps]))
    notices.notify(_owner(failure), lambda: write(failure, since))


def notify_incidents() -> None:
    """Notify owners of current incidents without waiting for the next scan. Never raises."""
    from include.operations.incidents import notify

    with _only_logged("owners were not notified of incidents; the next scan tries again"):
        notify.run()


def notify_changes(source_id: str) -> None:
    """Notify a source's owner once of each schema change. Never raises: publishing the verdict matters more."""
    with _only_logged(f"{source_id}: its owner was not notified of changed fields; the next run tries again"):
        _notify_changes(source_id)


def _notify_changes(source_id: str) -> None:
    from include.config import load
    from include.deliver import notices
    from include.ingest import schema_drift

    source, changes = load().source(source_id), schema_drift.unreported(source_id)
    if not changes or source is None:
        return
    message = _changed(source_id, changes)
    log.warning("%s: %s", message.subject, message.summary)
    notices.notify(source.owner, lambda: _changed(source_id, changes))
    schema_drift.note_notified(changes)


def _changed(source_id: str, changes: Sequence[Noticed]) -> Message:
    from include.outbox.message import Message

    subject = ngettext(
        "{source} has changed {n} field", "{source} has changed {n} fields", len(changes), source=source_id
    )
    if mapped := sum(bool(change.fills) for change in changes):
        subject += gettext("; {n} of them mapped to columns", n=mapped)
    lines = [f"{change.entity}: {change.sentence}" for change in changes]
    if len(lines) > _SHOWN_CHANGES:
        lines[_SHOWN_CHANGES:] = [gettext("{n} more", n=len(lines) - _SHOWN_CHANGES)]
    return Message(
        subject=subject,
        summary=gettext("; ").join(lines) + gettext("."),
        next_steps=(
            gettext("If a changed field fills a column, check the mapping. Other changes need no action."),
            gettext("To list all changes: {command}", command=f"{_CLI} status"),
        ),
        footer=gettext("You are notified once per change."),
    )


def notify_contracts() -> None:
    """Notify the owners of CRMs once of findings that distort contract figures. Never raises: the build is done."""
    from include.config import load

    for source in load().of_kind("crm"):
        with _only_logged(f"{source.id}: its owner was not notified of findings; the next build tries again"):
            _notify_contracts(source)


@contextmanager
def _only_logged(consequence: str) -> Iterator[None]:
    """Log an error of the warehouse or a channel instead of raising it."""
    import sqlalchemy as sa

    from include.common.errors import PerennialError

    try:
        yield
    except (sa.exc.SQLAlchemyError, PerennialError) as error:
        log.warning("%s: %s", consequence, _reason(error))


def _notify_contracts(source: SourceSettings) -> None:
    from include.continuation import review
    from include.deliver import notices

    for found in review.unreported(source.id):
        write = partial(_finding, source.id, found)
        message = write()
        log.warning("%s. %s", message.subject, message.summary)
        notices.notify(source.owner, write)
        review.note_notified(source.id, found)


def _finding(source_id: str, found: Unreported) -> Message:
    from include.continuation import review
    from include.outbox.message import Message

    return Message(
        subject=ngettext(
            "{source}: {n} new finding ({kind}), {share} of ARR",
            "{source}: {n} new findings ({kind}), {share} of ARR",
            found.n,
            source=source_id,
            kind=found.kind,
            share=formatting.percent(found.share, 1),
        ),
        summary=gettext(
            "They affect {amount} of ARR. Cause and fix: {meaning}.",
            amount=formatting.number(found.arr),
            meaning=gettext(review.MEANING[found.kind]),
        ),
        next_steps=(gettext("To list them: {command}", command=f"{_CLI} renewals review --kind {found.kind}"),),
        footer=gettext("You are notified once per finding, and at most once a day per kind."),
    )


def write(failure: Failure, since: datetime) -> Message:
    """Return the notice of a failure. The error itself is English."""
    from include.outbox.message import Fact, Link, Message

    where = gettext("{dag}, task {task}", dag=failure.dag, task=failure.task) if failure.task else failure.dag
    source, begun = _source(failure), formatting.utc(since)
    of_dag = COMMANDS.get(failure.name, "status")
    of_task = f"ingest {source.id}" if source else COMMANDS.get(f"{failure.name}.{failure.task}", of_dag)
    return Message(
        subject=gettext("{where} has been failing since {time}", where=where, time=begun),
        summary=failure.reason or gettext("It was killed, or timed out."),
        facts=(Fact(label=gettext("Since"), value=begun),),
        next_steps=(gettext("To run it again, clear the task in Airflow, or: {command}", command=f"{_CLI} {of_task}"),),
        links=(Link(label=gettext("Log"), url=failure.url),) if failure.url else (),
        footer=gettext("You are notified once per outage, and once a day while it lasts."),
    )


def failing_since(key: str, failed_at: datetime) -> datetime | None:
    """Record a failure.

    Args:
        key: The key of the failure.

    Returns:
        The start of the outage, if its owner must be notified now; None if they already were.
    """
    import sqlalchemy as sa

    from include.common.errors import PerennialError
    from include.warehouse.engine import engine

    statement = sa.text("""
        insert into meta.notice as seen (key, failing_since, failed_at)
        values (:key, :failed_at, :failed_at)
        on conflict (key) do update set
            failing_since = case when seen.failed_at < :failed_at - :one_outage then :failed_at
                                 else seen.failing_since end,
            notified_at = case when seen.failed_at < :failed_at - :one_outage then null else seen.notified_at end,
            failed_at = :failed_at
        returning failing_since, notified_at
    """)
    try:
        with engine("loader").begin() as connection:
            notice = connection.execute(statement, {"key": key, "failed_at": failed_at, "one_outage": ONE_OUTAGE}).one()
            if notice.notified_at and notice.notified_at > failed_at - REMIND_AFTER:
                return None
            connection.execute(
                sa.text("update meta.notice set notified_at = :at where key = :key"), {"at": failed_at, "key": key}
            )
            return notice.failing_since
    except (sa.exc.SQLAlchemyError, PerennialError) as error:
        # The warehouse itself may be down. Notifying too often is then better than not at all.
        log.warning("cannot look up whether the owner of %s was notified before: %s", key, error)
        return failed_at


def _from_context(context: Context) -> Failure:
    from include.orchestration.dag_ids import PREFIX

    dag_id = context["dag"].dag_id
    task: Any = context.get("ti")
    return Failure(
        dag=dag_id,
        name=dag_id.removeprefix(PREFIX),
        task=task.task_id if task else "",
        reason=_reason(context.get("exception")),
        url=getattr(task, "log_url", "") or "",
        run_id=str(context.get("run_id", "")),
    )


def _reason(error: object) -> str:
    """Return the error text, without statements and values that a library's error may contain."""
    from include.gate.source_failures import as_perennial_error

    if isinstance(error, Exception):
        return str(as_perennial_error(error))[:2000]
    return str(error or "")[:2000]


def _source(failure: Failure) -> SourceSettings | None:
    """Return the connection whose task failed: the only one of its kind, or the one of the task's group."""
    from include.config import load

    sources = load().of_kind(KINDS.get(failure.name, ""))
    if len(sources) == 1:
        return sources[0]
    return next((source for source in sources if source.id == failure.task.partition(".")[0]), None)


def _is_incident(failure: Failure) -> bool:
    """Return whether this run recorded the failure of this step, so that an incident reports it."""
    import sqlalchemy as sa

    from include.common.errors import PerennialError
    from include.gate import source_failures
    from include.warehouse.engine import engine

    source = _source(failure)
    if source is None:
        return False
    step, _, entity = failure.task.rpartition(".")[2].partition("_")
    try:
        with engine("reader").connect() as connection:
            known = source_failures.of_source(connection, source.id)
    except (sa.exc.SQLAlchemyError, PerennialError) as error:
        log.warning("cannot look up the failures of %s: %s", source.id, _reason(error))
        return False
    return any(
        (row["step"], row["run_id"]) == (step, failure.run_id)
        and entity in ("", "optional", row["entity"])
        and row["error"] not in (source_failures.PARTIAL, source_failures.NOT_OFFERED)
        for row in known
    )


def _owner(failure: Failure) -> Person:
    from include.config import load

    source = _source(failure)
    return source.owner if source else load().people.queue
