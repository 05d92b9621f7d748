"""# Decide about rows in quarantine and held batches

**What it does.** Runs the action chosen in the form of *Trigger*. `show` changes nothing: it logs the held batches and
quarantined rows, or the rows of one batch, rule or record, with values that identify a person masked. The other actions
decide: validate rows again (`replay`), let them in until a day (`waive`), drop them (`drop`), accept or drop a held
batch. The logged-in user is recorded as the person who decided.

**Inputs and outputs.** Reads `quarantine.record` and `meta.batch`. Merges valid rows into `raw`, and publishes the
source's verdict. It never reads a source itself. The next ingest run does.

**When it fails.**

- `decide_on_data` is red at once: the form's values do not fit together, or match nothing. The last line of the log
  says what is missing. Nothing was changed.
- it is red with *a read is unfinished*: wait until the ingest DAG has finished, then clear the task.

**Re-running and backfill.** Clear the task: each action is safe to repeat, and the second time there is nothing left to
do. There is nothing to backfill. Without Airflow: `python -m include.cli quarantine` and `batch`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2. It runs only when somebody triggers it.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS
from include.orchestration.quarantine_form import PARAMS


@dag(
    dag_id=dag_id("review_quarantine"),
    description="Replays, waives or drops quarantined rows, and accepts or drops held batches",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # triggered on demand only, and a run of a paused DAG would wait forever
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["1-ingest", "tier:2"],
)
def review_quarantine() -> None:
    @task(doc_md="Shows the data, or applies the decision in the form as the user who triggered the run. See the log.")
    def decide_on_data(*, params: dict[str, Any] | None = None, dag_run: Any = None, run_id: str | None = None) -> str:
        from include.pages import quarantine_review

        user = getattr(dag_run, "triggering_user_name", None) or "unknown"
        report = quarantine_review.decide(params or {}, by=user, run_id=str(run_id))
        for line in report.splitlines():
            logging.getLogger(__name__).info("%s", line)
        return report

    decide_on_data()


review_quarantine()
