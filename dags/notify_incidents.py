"""# Notify the owners of the data of what is wrong with it

**What it does.** Finds what is wrong now: rows in quarantine, batches on hold, sources that are late, features that are
not measured any more. Each is an incident. Its owner is notified when it begins, when it grows worse (twice as bad as
reported and ten rows more, or back within six hours) and when it is over; not at every run.

**Inputs and outputs.** Reads `quarantine.record` and `meta`. Writes `meta.incident` and `meta.notification`, and sends
by the channels that are turned on in `config/channels.yaml`; without any, it is in the task's log.

**When it fails.**

- `notify` is red: the warehouse could not be read. A message that could not be sent fails no run: it is tried again
  five times, and `python -m include.cli incidents list --all` shows what happened to it.

**Re-running and backfill.** Clear the task, or trigger a run: nobody is notified twice. There is nothing to backfill.
By hand: `python -m include.cli incidents notify`. To be silent temporarily:
`incidents silence PATTERN --until DAY --reason ...`.

**Owner.** The queue of `config/people.yaml` is notified once per outage of this DAG itself.

**Triage notes.** Tier 2: nothing that CSMs see depends on it. If it has been red for a day, look at the page *Data
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
    description="Notifies data owners once when something breaks, gets worse or is fixed",
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
    @task(doc_md="Notes what has changed since the last scan, and notifies the owners.")
    def notify() -> dict[str, Any]:
        from include.operations.incidents import notify as incidents
        from include.orchestration.results import as_json

        return as_json(incidents.run())

    notify()


notify_incidents()
