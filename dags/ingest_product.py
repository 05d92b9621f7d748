"""# Bring the product's usage into the warehouse

**What it does.** Every 15 minutes it reads what has changed in the product database since the last run (accounts,
users, usage per day, seats), lands it page by page, validates every batch with Great Expectations, merges what passed
into `raw`. The first run reads as many months as `history_start_months` says.

**Inputs and outputs.** Reads the Airflow connection of each product database in the settings (`product_db`, unless you
list others) through the queries in `sql/sources/product/`, or in `sql/sources/ID/` where there is such a folder. Writes
`raw.<vendor>__<entity>`, `quarantine.record` and `meta.*`, and publishes for each connection the asset of its name with
the verdict and watermark, also when something failed. Several connections have a group of tasks each, and none waits
for another.

**When it fails.**

- `extract_*` is red: the database refused our credentials or a query, or was out of reach after four tries. The last
  line of its log names the cure. A read that was cut resumes where it stopped.
- `validate` or `merge` is red: the judging or the warehouse broke; see the log. The landed rows wait, nothing is half
  merged.
- only `show_verdict` is red: everything worked, and a batch is **held** because it broke a rule of its contract. Look
  at it on the page *Data health*, then `python -m include.cli batch accept ID --reason ...` or `batch drop ID --reason
  ...`.

While the product database is red, nothing is decided or sent that reads it; the rest continues.

**Re-running and backfill.** Clear the red task, or trigger a run: every task may be run again at any time. To read a
stretch of time again, trigger with *Read again since*, or `python -m include.cli ingest ID --since 2026-01-31`. A
day that the product has corrected comes with its new `updated_at`, by itself.

**Owner.** The owner of the connection in `config/settings.yaml` is notified once when an outage begins and once
when it is over.

**Triage notes.** Tier 1: usage baselines and activity read it. A run that is red for an outage of the vendor fixes
itself with the next one. Look when three in a row are red, or at once when the reason says credentials or held.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS
from include.orchestration.ingest_tasks import PARAMS, at_once, ingest_all, schedule_of


@dag(
    dag_id=dag_id("ingest_product"),
    description="Reads new usage, users and seats from the product database, validates and merges them",
    doc_md=__doc__,
    schedule=schedule_of("product"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=at_once("product"),
    dagrun_timeout=timedelta(hours=6),
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["1-ingest", "tier:1"],
)
def ingest_product() -> None:
    ingest_all("product")


ingest_product()
