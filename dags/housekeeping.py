"""# Delete what is kept no longer

**What it does.** Once a night, deletes data that is older than `config/retention.yaml` allows: batches and their rule
results, settled rows of quarantine, message bodies, builds, old notices and log files. It counts the deleted rows. Data
that figures depend on is never deleted.

**Inputs and outputs.** Reads the settings. Deletes from `meta`, `quarantine` and `ops`, and log files below
`PERENNIAL_HOME`. Writes the counts to `meta.housekeeping`.

**When it fails.**

- `delete_old` is red: the warehouse did not answer, or a setting is wrong. Its log names it. Deleted rows stay deleted,
  and the next night continues with the rest.
- it is green, but a store stays large: a run stops at a million rows per store, and `is_complete` in
  `meta.housekeeping` is then false. The next runs continue.

**Re-running and backfill.** Clear the task: it resumes where it stopped. There is nothing to backfill. Without Airflow:
`python -m include.cli housekeeping`, with `--dry-run` to only count.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: a week without it only costs disk space, unless you have promised somebody a retention period.
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
    @task(doc_md="Deletes expired rows and files in batches of 5,000 rows, store by store, and counts them.")
    def delete_old() -> list[Any]:
        from include.operations import retention
        from include.orchestration.connections import log_folder
        from include.orchestration.results import as_json

        return [as_json(one) for one in retention.run_housekeeping(airflow_logs=log_folder())]

    delete_old()


housekeeping()
