"""The question to a person, in Airflow: parked without a worker, answered under Required Actions."""

from __future__ import annotations

import html
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import task

from include.orchestration.assets import OUTBOX
from include.orchestration.defaults import dag_id

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

APPROVE, REJECT = "Approve", "Reject"
DAG = "approve_actions"
_SHOWN = 1000


@task(doc_md="Lists the questions that are open, for the next task to put them; none on most days.")
def list_open() -> list[dict[str, Any]]:
    """Return the runs to start: one for each open question, always of the same name."""
    from include.delivery import approvals

    return [
        {"trigger_run_id": f"approval_{found.approval_id}", "conf": {"approval_id": found.approval_id}}
        for found in approvals.find()
    ]


def put_questions(questions: Any) -> Any:
    """Start a run of ``approve_actions`` for each open question that has none yet; nothing waits for it."""
    return TriggerDagRunOperator.partial(
        task_id="put_questions",
        trigger_dag_id=dag_id(DAG),
        skip_when_already_exists=True,
        doc_md="Starts a run of `approve_actions` for each open question; skipped where there is one already.",
    ).expand_kwargs(questions)


@task(doc_md="Writes down what is to be approved: which cap, how many actions on how many accounts, and all of them.")
def describe(params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the question as a person reads it."""
    from include.delivery import approvals

    found = approvals.get(str((params or {})["approval_id"]))
    rows = approvals.listed(found.approval_id)
    for row in rows:
        log.info("%s", "  ".join(str(value) for value in row.values()))
    return {
        "approval_id": found.approval_id,
        "subject": f"{found.n_actions} actions on {found.n_accounts} accounts are above {found.reason}",
        "body": _body(found, rows),
        "lapses_at": found.lapses_at.isoformat(),
    }


class Ask(HITLOperator):
    """Asks, for as long as the question can be answered."""

    def execute(self, context: Context) -> Any:
        """Put the question.

        Args:
            context: Of the task.
        """
        from datetime import datetime

        from include import clock

        told = context["ti"].xcom_pull(task_ids="describe")
        left = datetime.fromisoformat(told["lapses_at"]) - clock.now()
        self.response_timeout = max(left, timedelta(seconds=1))
        return super().execute(context)


def ask() -> Ask:
    """Return the task that waits for the answer, without a worker."""
    return Ask(
        task_id="ask",
        subject="{{ ti.xcom_pull(task_ids='describe')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='describe')['body'] }}",
        options=[APPROVE, REJECT],
        defaults=[REJECT],
        response_timeout=timedelta(days=14),
        doc_md="Waits for a person under Required Actions. Whoever changed what led to it may reject, not approve.",
    )


@task(
    outlets=[OUTBOX],  # what is approved goes out at once
    doc_md="Records the answer; fails if it came from whoever may not give it. Clear `ask` to put the question again.",
)
def record(answered: dict[str, Any], described: dict[str, Any]) -> str:
    """Record who said what."""
    from include.delivery import approvals
    from include.errors import ConfigError

    approval_id, user = described["approval_id"], answered.get("responded_by_user") or {}
    found = approvals.get(approval_id)
    if not user:
        return f"nobody answered until {found.lapses_at:%Y-%m-%d %H:%M} UTC"
    if found.state != "open":
        return f"{approval_id} is {found.state} already"
    said: approvals.Answer = "approved" if answered["chosen_options"] == [APPROVE] else "rejected"
    who = (str(user.get("name") or ""), str(user.get("id") or ""))
    try:
        return f"{approval_id} is {approvals.answer(approval_id, said, who, 'in Airflow').state}"
    except ConfigError as error:
        raise ConfigError(error.message, cure=f"{error.cure}: clear the task `ask`, then it is asked again") from None


def _body(found: Any, rows: list[dict[str, Any]]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row["rule"], row["channel"]] = counts.get((row["rule"], row["channel"]), 0) + 1
    lines = [
        f"Run **{_cell(found.run_id)}** planned more than {found.reason}. What was within it goes out already; what"
        f" follows waits until **{found.lapses_at:%Y-%m-%d %H:%M} UTC** and lapses then.",
        "",
        f"May not approve: {', '.join(map(_cell, found.authors)) or 'nobody is known to have changed anything'}."
        " If they do, it counts for nothing, and somebody has to clear `ask` to put the question again.",
        "",
        "| rule | channel | actions |",
        "|---|---|---|",
        *(f"| {_cell(rule)} | {_cell(channel)} | {number} |" for (rule, channel), number in sorted(counts.items())),
        "",
        "| channel | account | to | what | deadline |",
        "|---|---|---|---|---|",
        *(
            "| "
            + " | ".join(_cell(row[name]) for name in ("channel", "account_key", "recipient", "subject", "deadline"))
            + " |"
            for row in rows[:_SHOWN]
        ),
    ]
    if len(rows) > _SHOWN:
        lines += ["", f"and {len(rows) - _SHOWN} more: `python -m include.cli approvals show {found.approval_id}`"]
    return "\n".join(lines)


def _cell(value: object) -> str:
    """Return text that neither leaves its cell nor is taken for markup."""
    text = html.escape(" ".join(str(value if value is not None else "").split()))
    return "".join(f"\\{sign}" if sign in "\\|`*_[]()#!~{}" else sign for sign in text)
