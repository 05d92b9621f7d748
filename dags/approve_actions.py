"""# Ask a person about actions above the caps

**What it does.** Asks for one approval: of actions that a run of `decide` planned above the caps of `config/caps.yaml`,
or of new tiers for customers. The run waits under *Required Actions*, without a worker, until a logged-in person
answers or the request expires (after two working days; ten for tiers). Actions within the caps do not wait for the
answer. `decide` starts one run for each request.

**Inputs and outputs.** Reads `ops.approval` and the parked rows of `ops.outbox`. The answer changes these rows to
planned, or suppresses them permanently. `deliver` then sends those that pass the gate.

**When it fails.**

- `ask` is red: the person who answered may not approve this request. They changed or started what led to it, or
  `PERENNIAL_APPROVERS` does not name them. The answer is ignored, and a new run asks again and says why. The actions
  keep waiting. `ask` also fails in a run whose name is not that of a request, `approval_ID`: do not start runs by hand.

**Re-running and backfill.** Clear `ask` to ask again. There is nothing to backfill. Without Airflow: `python -m
include.cli approvals list`, `show`, `approve`, `reject`; the first answer counts. Editing an XCom or marking a task as
succeeded changes nothing: only `ask` records the answer.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 1: waiting actions expire after two working days (ten for tiers). First check whether a rule
or a setting was changed. `python -m include.cli undo --run RUN` takes back what was already sent.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag

from include.orchestration.approval_tasks import ask, list_again, record, start_approval_runs
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("approve_actions"),
    description="Asks a person to approve actions above the caps of a run",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # triggered on demand only, and a run of a paused DAG would wait forever
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=50,  # a waiting request must not block the next one
    dagrun_timeout=timedelta(days=21),
    default_args=DEFAULT_ARGS,
    tags=["4-decide", "tier:1"],
)
def approve_actions() -> None:
    answer: Any = ask()
    refused: Any = list_again()
    answer >> [record(), refused]
    start_approval_runs(refused)


approve_actions()
