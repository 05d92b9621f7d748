"""# Ask a person about actions above the caps

**What it does.** Puts one question: may what a run of `decide` planned above the caps of `config/caps.yaml` happen, or
may customers get another tier? It waits under *Required Actions*, without a worker, until a logged-in person answers or
the time is over (two working days; ten for tiers). What was within the caps has long gone out. `decide` starts one run
for each question.

**Inputs and outputs.** Reads `ops.approval` and the parked rows of `ops.outbox`. The answer makes them planned, or
suppressed permanently; `deliver` then sends what the gate still lets through.

**When it fails.**

- `ask` is red: anyone who answered may not approve this, since they changed or started what led to it, or
  `PERENNIAL_APPROVERS` does not name them. The answer counts for nothing, the question is put again in a run of its own
  that says so, and the actions wait on. It is also red in a run whose name is not that
  of a question, `approval_ID`: runs are made by `decide` alone.

**Re-running and backfill.** Clear `ask` to put the question again. There is nothing to backfill. Without Airflow:
`python -m include.cli approvals list`, `show`, `approve`, `reject`; the first answer counts. An edited XCom or a task
that is marked as succeeded changes nothing: the answer is recorded by `ask` alone.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 1: what waits lapses after two working days. Look first whether a rule or a setting was changed;
`python -m include.cli undo --run RUN` takes back what went out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag

from include.orchestration.approval_tasks import ask, list_again, put_questions, record
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("approve_actions"),
    description="Asks a person about actions above the caps of a run",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # it runs only when asked to, and a run of a paused DAG waits for ever
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=50,  # a question that waits must not keep the next one from being put
    dagrun_timeout=timedelta(days=21),
    default_args=DEFAULT_ARGS,
    tags=["4-decide", "tier:1"],
)
def approve_actions() -> None:
    question: Any = ask()
    again: Any = list_again()
    question >> [record(), again]
    put_questions(again)


approve_actions()
