"""# Delete what is kept no longer

**What it does.** Deletes, once a night, what is older than `config/retention.yaml` allows: batches and the results of
their rules, settled rows of quarantine, bodies of messages, builds, notices that are over, log files. It counts what it
deletes. What figures rest on is not touched.

**Inputs and outputs.** Reads the settings. Deletes from `meta`, `quarantine` and `ops`, and log files below
`PERENNIAL_HOME`; writes the counts to `meta.housekeeping`.

**When it fails.**

- `delete_old` is red: the warehouse did not answer, or a setting is wrong; its log names it. What was deleted stays
  deleted, the rest goes the next night.
- it is green and a store stays large: `is_complete` is false in `meta.housekeeping` when a run reached its limit of a
  million rows of one store; the next runs continue.

**Re-running and backfill.** Clear the task: it resumes where it stopped. There is nothing to backfill. Without Airflow:
`python -m include.cli housekeeping`, with `--dry-run` to only count.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: a week without it costs disk space and nothing else, unless you have promised somebody a
retention period.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("housekeeping"),
    description="Deletes old batches, results, quarantined rows, message bodies and logs",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("40 3 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["7-operate", "tier:2"],
)
def housekeeping() -> None:
    @task(doc_md="Deletes what is too old, store by store, in pieces of five thousand rows; counts it.")
    def delete_old() -> list[Any]:
        from include.operations import retention
        from include.orchestration.connections import log_folder
        from include.orchestration.results import as_json

        return [as_json(one) for one in retention.run_housekeeping(airflow_logs=log_folder())]

    delete_old()


housekeeping()
