"""# Notify the owners of the data of what is wrong with it

**What it does.** Finds current data problems: quarantined rows, batches on hold, late sources, and features that are no
longer measured. Each is an incident. Its owner is notified when it begins, gets worse (twice as bad as reported and at
least ten more rows, or back within six hours) and ends, not on every run.

**Inputs and outputs.** Reads `quarantine.record` and `meta`. Writes `meta.incident` and `meta.notification`. Sends over
the channels that are turned on in `config/channels.yaml`. Without any, notifications appear only in the task's log.
`report_health` sends gauges on Perennial's health (`docs/how-to/watch-perennial.md`) to Airflow's monitoring, if there
is one.

**When it fails.**

- `notify` is red: the warehouse could not be read. A failed message does not fail the run: it is retried five times,
  and `python -m include.cli incidents list --all` shows its state.
- `report_health` is red: the warehouse could not be read. Monitoring keeps its last values until the next run.

**Re-running and backfill.** Clear the task, or trigger a run: nobody is notified twice. There is nothing to backfill.
Without Airflow: `python -m include.cli incidents notify`. To silence notifications temporarily: `incidents silence
PATTERN --until DAY --reason ...`.

**Owner.** The queue of `config/people.yaml` is notified once per outage of this DAG itself.

**Triage notes.** Tier 2: nothing that CSMs see depends on it. If it has been red for a day, check the page *Data
quality* instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("notify_incidents"),
    description="Notifies data owners once when an incident begins, gets worse or ends",
    doc_md=__doc__,
    schedule="7-59/15 * * * *",  # between the ingest runs
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=["1-ingest", "tier:2"],
)
def notify_incidents() -> None:
    @task(doc_md="Records incidents that changed since the last scan, and notifies the owners.")
    def notify() -> dict[str, Any]:
        from include.operations.incidents import notify as incidents
        from include.orchestration.results import as_json

        return as_json(incidents.run())

    @task(doc_md="Sends the health of sources, builds and messages to the monitoring that Airflow is set up for.")
    def report_health() -> int:
        from include.orchestration import monitoring

        return monitoring.report()

    notify()
    report_health()


notify_incidents()
