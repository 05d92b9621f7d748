"""# Bring the product's usage into the warehouse

**What it does.** Every 15 minutes, extracts the rows that have changed in the product database since the last run:
accounts, users, usage per day and seats. It lands them page by page, validates every batch with Great Expectations and
merges the valid rows into `raw`. The first run goes back as many months as `history_start_months` says.

**Inputs and outputs.** Reads the Airflow connection of each product database in the settings (`product_db`, unless you
list others) through the queries in `sql/sources/product/`, or in `sql/sources/ID/` if that folder exists. Writes
`raw.<vendor>__<entity>`, `quarantine.record` and `meta.*`. For each connection it publishes the asset with the same
name, with verdict and watermark, even after a failure. If there are several connections, each has its own task group,
and none waits for another.

**When it fails.**

- `extract_*` is red: the database refused our credentials or a query, or was unreachable after four tries. The last
  line of its log names the fix. An interrupted extract resumes where it stopped.
- `validate` or `merge` is red: the validation or the warehouse failed. See the log. Landed rows wait, and no batch is
  half merged.
- only `show_verdict` is red: everything worked, but a batch is **held** because it broke a rule of its contract. Check
  it on the page *Data health*, then run `python -m include.cli batch accept ID --reason ...` or `batch drop ID --reason
  ...`.

While the product database is red, no decision or delivery uses its data. Everything else continues.

**Re-running and backfill.** Clear the red task, or trigger a run: every task is safe to run again. To extract a period
again, trigger with *Extract again since*, or run `python -m include.cli ingest ID --since 2026-01-31`. A day that the
product has corrected is extracted automatically, because its `updated_at` has changed.

**Owner.** The owner of the connection in `config/settings.yaml` is notified once when an outage begins and once
when it is over.

**Triage notes.** Tier 1: usage baselines and activity depend on it. If the vendor has an outage, the first run after it
succeeds without your help. Act when three runs in a row are red, or at once if the reason is credentials or a held
batch.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS
from include.orchestration.ingest_tasks import PARAMS, ingest_all, max_parallel_tasks, schedule_of


@dag(
    dag_id=dag_id("ingest_product"),
    description="Extracts usage, users and seats from the product database, validates and merges them",
    doc_md=__doc__,
    schedule=schedule_of("product"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=max_parallel_tasks("product"),
    dagrun_timeout=timedelta(hours=6),
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["1-ingest", "tier:1"],
)
def ingest_product() -> None:
    ingest_all("product")


ingest_product()
