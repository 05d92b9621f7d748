"""# Decide whom to notify of what

**What it does.** Reads back what people did with their tasks in the CRM: completed closes the alert, moved puts it to
rest, reassigned makes it theirs. Then looks at the newest day only: opens, updates and closes signals (a renewal that
comes near, a playbook that applies) and writes each message and task that follows into the outbox, once. It sends
nothing. What is above the caps of `config/caps.yaml` is parked there, and a run of `approve_actions` asks a person
about it.

**Inputs and outputs.** Reads tasks from the CRM, `marts.act_*`, the verdicts of the gate and the playbooks. Writes
`ops.task`, `ops.episode`, `ops.outbox` and `ops.decision`, what it saw (`ops.evaluation`, `ops.evaluation_input`), and
publishes the asset **outbox**.

**When it fails.**

- `decide_newest_day` is red: a setting or file is wrong (its log names file and line), or the warehouse refused.
  Nothing was decided.
- only `show_problems` is red: a playbook's condition could not be evaluated, or a CRM's tasks could not be read back;
  its message names the file or the connection. Everything else was decided.
- it is green and nothing was planned: its log, and `ops.decision.gate`, say which source was red or stale and what that
  held back. For one account, the page *Why not?* or `python -m include.cli decide explain ACCOUNT` says of each signal,
  reminder and playbook what kept it from opening, for each of the last 30 days.

**Re-running and backfill.** Clear the task, or trigger a run: what was decided before is known by its key and not
planned twice. Past days are never decided, so there is nothing to backfill. Without Airflow: `python -m include.cli
decide`, with `--dry-run` to only look.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 1: while it is red nobody learns of a renewal. Within a day it should be green again; deadlines
that pass meanwhile are named by the first run that works.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.orchestration.approval_tasks import list_open, put_questions
from include.orchestration.assets import DECISIONS, KPIS, OUTBOX
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("decide"),
    description="Turns the newest day into signals, messages and tasks in the outbox",
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
    # What cannot be read back stays as it was last read, and holds up no decision.
    @task(doc_md="Reads the tasks of open alerts back from the CRM: what people did with them is their answer.")
    def read_answers() -> dict[str, Any]:
        from include.deliver import task_readback
        from include.orchestration.results import as_json

        answers: dict[str, Any] = as_json(task_readback.read_back())
        return answers

    @task(
        outlets=[OUTBOX, DECISIONS],
        trigger_rule="all_done",
        doc_md="Opens and closes signals and plans what follows from them, each thing once.",
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

    # A task of its own, so that what was decided goes out although one playbook is wrong.
    @task(retries=0, doc_md="Fails when a playbook could not be evaluated or answers not be read; names the cure.")
    def show_problems(answers: Any, decision: Any) -> None:
        from include.common.errors import ConfigError

        problems = [*answers["problems"], *decision["problems"]]
        if problems:
            raise ConfigError("; ".join(problems), cure="everything else was decided")

    answers, decision = read_answers(), decide_newest_day()
    answers >> decision
    show_problems(answers, decision)
    questions = list_open()
    decision >> questions
    put_questions(questions)


decide()
