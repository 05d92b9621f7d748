"""Ask for approval in Airflow: the request waits without a worker, and people answer under Required Actions."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import task

from include.common.text import harmless
from include.orchestration.assets import OUTBOX
from include.orchestration.dag_ids import dag_id

if TYPE_CHECKING:
    from airflow.sdk import Context

APPROVE, REJECT = "Approve", "Reject"
DAG = "approve_actions"
_NAME = "approval_"
_SHOWN = 1000


@task(doc_md="Lists the open approvals. The next task starts a run for each.")
def list_open() -> list[dict[str, Any]]:
    """Return the runs to start: one for each open request, with a name derived from it."""
    from include.outbox import approvals

    return [_run(found) for found in approvals.find()]


@task(
    trigger_rule="all_failed",
    doc_md="Lists the approval again if its answer was refused, so that the next task asks again in a new run.",
)
def list_again(dag_run: Any = None) -> list[dict[str, Any]]:
    """Return the run that asks again after a refused answer; empty if ``ask`` failed for another reason."""
    from include.outbox import approvals

    found = approvals.get(_approval_id(dag_run))
    is_refused = found.state == "open" and _run(found)["trigger_run_id"] != dag_run.run_id
    return [_run(found)] if is_refused else []


def _run(found: Any) -> dict[str, Any]:
    """Return the run of a request. Each refused answer leads to another run."""
    number = f"_{len(found.refusals) + 1}" if found.refusals else ""
    return {"trigger_run_id": f"{_NAME}{found.approval_id}{number}"}


def _approval_id(dag_run: Any) -> str:
    """Return the id of the request that a run is about, from the run's name.

    Airflow matches an answer to a run by the run's name. If the conf held the id, somebody could delete the run and
    create it again with another conf. A person who still has the first request on screen would then approve the other
    one.
    """
    name = str(dag_run.run_id)
    return name.removeprefix(_NAME).partition("_")[0] if name.startswith(_NAME) else ""


def start_approval_runs(runs: Any) -> Any:
    """Start a run of ``approve_actions`` for each open request that has none yet. Nothing waits for these runs."""
    return TriggerDagRunOperator.partial(
        task_id="ask_for_approval",
        map_index_template="{{ task.trigger_run_id }}",
        trigger_dag_id=dag_id(DAG),
        skip_when_already_exists=True,
        doc_md="Starts a run of `approve_actions` for each open approval that has none yet.",
    ).expand_kwargs(runs)


class AskForApproval(HITLOperator):
    """Asks until the request expires, and records the answer in the task itself.

    Neither the request nor the answer passes through an XCom, which many people can edit.
    """

    def execute(self, context: Context) -> Any:
        """Ask, or return the state of a request that is no longer open."""
        from include.common import clock
        from include.outbox import approvals

        found = approvals.get(_approval_id(context["dag_run"]))
        if found.state != "open":
            return f"{found.approval_id} is already {found.state}"
        self.subject = found.subject
        named = approvals.approvers()
        self.body = _body(found, approvals.listed(found.approval_id), named)
        self.assigned_users = _assigned(named)
        self.response_timeout = max(found.expires_at - clock.now(), timedelta(seconds=1))
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer. Fail if the person may not give it, so that the request is asked again.

        Args:
            event: Airflow's own record of the answer and of the logged-in user.
        """
        from include.common.errors import ConfigError
        from include.outbox import approvals

        answered: Any = super().execute_complete(context, event)
        found = approvals.get(_approval_id(context["dag_run"]))
        user = answered.get("responded_by_user") or {}
        if found.state != "open":
            return f"{found.approval_id} is already {found.state}"
        if not user:
            return f"nobody answered by {found.expires_at:%Y-%m-%d %H:%M} UTC"
        answer: approvals.Answer = "approved" if answered["chosen_options"] == [APPROVE] else "rejected"
        name, number = (str(user.get(key) or "") for key in ("name", "id"))
        # FAB also identifies approvers by their numeric id. Nobody may pass as one by choosing a number as a user name.
        names = (number, number) if name.isdigit() else (name, number)
        try:
            state = approvals.answer(found.approval_id, answer, names, "in Airflow").state
        except approvals.Refused as error:
            approvals.refuse(found.approval_id, names[0] or names[1] or "nobody", error.message)
            raise approvals.Refused(
                f"the answer was refused, and Airflow asks again: {error.message}", cure=error.cure
            ) from None
        except ConfigError as error:  # answered elsewhere at the same time, or expired
            return error.message
        return f"{found.approval_id} is {state}"


def ask() -> AskForApproval:
    """Return the task that waits for the answer, without a worker."""
    return AskForApproval(
        task_id="ask",
        subject="Actions above the caps of a run",  # each run sets its own subject, which is then in no XCom
        options=[APPROVE, REJECT],
        defaults=[REJECT],
        response_timeout=timedelta(days=14),
        doc_md="Waits for an answer under Required Actions, and records it. Fails if that person may not approve;"
        " Airflow then asks again.",
    )


@task(
    outlets=[OUTBOX],  # approved actions are sent at once
    doc_md="Shows the outcome of the approval.",
)
def record(dag_run: Any = None) -> str:
    """Return the outcome of the request. The ``ask`` task has already recorded the answer itself."""
    from include.outbox import approvals

    found = approvals.get(_approval_id(dag_run))
    return f"{found.approval_id} is {found.state}" + (f" by {found.answered_by}" if found.answered_by else "")


def _assigned(approvers: Sequence[str]) -> Any:
    """Return the approvers as Airflow identifies them. FAB's auth manager uses numeric user ids."""
    from airflow.configuration import conf

    is_fab = "fab" in conf.get("core", "auth_manager", fallback="").lower()
    return [{"id": one, "name": one} for one in approvers if one.isdigit() or not is_fab]


def _body(found: Any, rows: list[dict[str, Any]], approvers: Sequence[str] = ()) -> str:
    """Return the request as Markdown. Airflow keeps it permanently, so it names account keys but no persons."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row["rule"], row["channel"]] = counts.get((row["rule"], row["channel"]), 0) + 1
    shown = ("channel", "account_key", "rule", "step", "deadline")
    until = f"can be approved until **{found.expires_at:%Y-%m-%d %H:%M} UTC**, and then expires"
    introduction = (
        f"{_cell(found.reason)}. Approved changes are written to the CRM. The list {until}. The reason and"
        " effect of each change: `python -m include.cli score tiers`."
        if found.about == "tiers"
        else f"Run **{_cell(found.run_id)}** planned more than {found.reason}. The actions within the cap are sent"
        f" already. The list below {until}."
    )
    lines = [
        introduction,
        "",
        *_approver_lines(found, approvers),
        "",
        "| rule | channel | actions |",
        "|---|---|---|",
        *(f"| {_cell(rule)} | {_cell(channel)} | {number} |" for (rule, channel), number in sorted(counts.items())),
        "",
        f"Recipients and subjects: `python -m include.cli approvals show {found.approval_id}`",
        "",
        f"| {' | '.join(shown)} |",
        f"|{'---|' * len(shown)}",
        *("| " + " | ".join(_cell(row[name]) for name in shown) + " |" for row in rows[:_SHOWN]),
    ]
    if len(rows) > _SHOWN:
        lines += ["", f"and {len(rows) - _SHOWN} more"]
    return "\n".join(lines)


def _approver_lines(found: Any, approvers: Sequence[str]) -> list[str]:
    """Return the lines that say who may approve, and which answers were refused."""
    lines = [f"May not approve: {', '.join(map(_cell, found.authors)) or 'no author is known'}."]
    named = ", ".join(map(_cell, approvers)) or "nobody, because PERENNIAL\\_APPROVERS is empty"
    unknown = "" if found.is_author_known else "Some authors of the configuration are unknown. "
    lines += ["", f"{unknown}May approve: {named}."]
    for refusal in found.refusals:
        refused = f"The answer of **{_cell(refusal['by'])}** at {_cell(refusal['at'])} was refused"
        lines += ["", f"{refused}: {_cell(refusal['reason'])}."]
    return lines


def _cell(value: object) -> str:
    """Return text that cannot break out of its table cell or be read as markup."""
    text = html.escape(harmless(" ".join(str(value if value is not None else "").split())))
    return "".join(f"\\{sign}" if sign in "\\|`*_[]()#!~{}" else sign for sign in text)
