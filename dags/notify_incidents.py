"""# Tell the owners of the data what is wrong with it

**What it does.** Looks what is wrong now: rows in quarantine, held batches, sources that are late, features that are
not measured any more. Each is an incident. Its owner is told when it begins, when it grows worse (twice as bad as was
told and ten rows more, or back within six hours) and when it is over; not at every run.

**Inputs and outputs.** Reads `quarantine.record` and `meta`. Writes `meta.incident` and `meta.notification`, and sends
by the channels that are turned on in `config/channels.yaml`; without any, the task's log is where it is told.

**When it fails.**

- `tell` is red: the warehouse could not be read. A message that could not be sent fails no run: it is tried again five
  times, and `python -m include.cli incidents list --all` shows what happened to it.

**Re-running and backfill.** Clear the task, or trigger a run: nothing is told twice. There is nothing to backfill. By
hand: `python -m include.cli incidents tell`. To be silent for a time:
`incidents silence PATTERN --until DAY --reason ...`.

**Owner.** The queue of `config/people.yaml` is told once per outage of this DAG itself.

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
    description="Tells owners of data once when something begins to be wrong, grows worse, or is over",
    doc_md=__doc__,
    schedule="7-59/15 * * * *",  # between the ingest runs
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=["act", "tier:2"],
)
def notify_incidents() -> None:
    @task(doc_md="Notes what has changed since the last look, and sends what is to be told of it.")
    def tell() -> dict[str, Any]:
        from include.operations.incidents import notify as telling
        from include.orchestration.results import as_json

        return as_json(telling.tell())

    tell()


notify_incidents()
