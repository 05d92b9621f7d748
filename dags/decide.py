"""# Decide whom to notify of what

**What it does.** Reads the CSMs' changes to their tasks back from the CRM: completing a task closes its alert, moving
it snoozes the alert, and reassigning it also reassigns the alert. Then it looks at the newest day only. It opens,
updates and closes the episodes of signals, the renewal ladder and playbooks, and writes each resulting message and task
to the outbox, once. It sends nothing. Actions above the caps of `config/caps.yaml` are parked, and a run of
`approve_actions` asks a person about them.

**Inputs and outputs.** Reads tasks from the CRM, `marts.act_*`, the verdicts of the gate and the playbooks. Writes
`ops.task`, `ops.episode`, `ops.outbox` and `ops.decision`, and its inputs to `ops.evaluation` and
`ops.evaluation_input`. Publishes the assets **outbox** and **decisions**.

**When it fails.**

- `decide_newest_day` is red: a setting or file is wrong (its log names file and line), or the warehouse returned an
  error. Nothing was decided.
- only `show_problems` is red: a playbook's condition could not be evaluated, or a CRM's tasks could not be read back.
  Its message names the file or the connection. Everything else was decided.
- it is green, but nothing was planned: its log and `ops.decision.gate` say which source was red or stale, and what was
  put on hold for that. For one account, the page *Why not?* or `python -m include.cli decide explain ACCOUNT` shows
  what kept each signal, reminder and playbook from opening, for each of the last 30 days.

**Re-running and backfill.** Clear the task, or trigger a run: every action has a key, so nothing is planned twice. Past
days are never decided, so there is nothing to backfill. Without Airflow: `python -m include.cli decide`, with
`--dry-run` to see the decision without writing it.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 1: while it is red, nobody is notified of a renewal. Fix it within a day. The first run that
succeeds names the deadlines that passed in the meantime.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.orchestration.approval_tasks import list_open, start_approval_runs
from include.orchestration.assets import DECISIONS, KPIS, OUTBOX
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("decide"),
    description="Evaluates the newest day, and plans messages and tasks in the outbox",
    doc_md=__doc__,
    schedule=[KPIS],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=["4-decide", "tier:1"],
)
def decide() -> None:
    # Tasks that cannot be read back keep their last known state, and do not block the decision.
    @task(doc_md="Reads the tasks of open alerts from the CRM: the CSMs' changes to them are the answers.")
    def read_answers() -> dict[str, Any]:
        from include.deliver import task_readback
        from include.orchestration.results import as_json

        answers: dict[str, Any] = as_json(task_readback.read_back())
        return answers

    @task(
        outlets=[OUTBOX, DECISIONS],
        trigger_rule="all_done",
        doc_md="Opens and closes signals, and plans each message and task once.",
    )
    def decide_newest_day(
        *, run_id: str | None = None, dag_run: Any = None, outlet_events: Any = None
    ) -> dict[str, Any]:
        from include.decide import decide as alerts
        from include.orchestration.results import as_json

        by = getattr(dag_run, "triggering_user_name", None) or ""
        decision: dict[str, Any] = as_json(alerts.decide(decision_id=str(run_id), by=by).without_texts())
        for asset in (OUTBOX, DECISIONS):
            outlet_events[asset].extra = decision
        return decision

    # A separate task, so that decisions are sent even if one playbook is wrong.
    @task(
        retries=0,
        doc_md="Fails if a playbook could not be evaluated, or tasks could not be read. The error names the fix.",
    )
    def show_problems(answers: Any, decision: Any) -> None:
        from include.common.errors import ConfigError

        problems = [*answers["problems"], *decision["problems"]]
        if problems:
            raise ConfigError("; ".join(problems), cure="fix them and decide again; all other rules were decided")

    answers, decision = read_answers(), decide_newest_day()
    answers >> decision
    show_problems(answers, decision)
    open_approvals = list_open()
    decision >> open_approvals
    start_approval_runs(open_approvals)


decide()
