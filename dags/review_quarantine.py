"""# Decide about rows in quarantine and held batches

**What it does.** What is filled in the form of *Trigger*. `show` changes nothing: the log then says what is held and
what is in quarantine, or the rows of one batch, rule or record, values that identify a person masked. The rest decides:
validate rows again (`replay`), let them in until a day (`waive`), drop them (`drop`), accept or drop a held batch.
Who is logged in is kept as the one who decided.

**Inputs and outputs.** Reads `quarantine.record` and `meta.batch`. Merges what is good into `raw`, and publishes the
source's verdict. Never reads a source itself: the next ingest run does.

**When it fails.**

- `decide_on_data` is red at once: what was filled in does not fit, or nothing is meant by it; the log's last line says
  what is missing. Nothing was changed.
- it is red with *a read is unfinished*: let the ingest DAG end, then clear the task.

**Re-running and backfill.** Clear the task: each decision may be carried out again, the second time there is nothing
left to do. There is nothing to backfill. Without Airflow: `python -m include.cli quarantine` and `batch`.

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
    description="Replays, waives or drops rows in quarantine, and decides about held batches",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # it runs only when asked to, and a run of a paused DAG waits for ever
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=3),
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["1-ingest", "tier:2"],
)
def review_quarantine() -> None:
    @task(doc_md="Shows or does what was filled in, in the name of who triggered the run: see its log.")
    def decide_on_data(*, params: dict[str, Any] | None = None, dag_run: Any = None, run_id: str | None = None) -> str:
        from include.pages import quarantine_review

        who = getattr(dag_run, "triggering_user_name", None) or "unknown"
        said = quarantine_review.decide(params or {}, by=who, run_id=str(run_id))
        for line in said.splitlines():
            logging.getLogger(__name__).info("%s", line)
        return said

    decide_on_data()


review_quarantine()
