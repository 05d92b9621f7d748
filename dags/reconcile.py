"""# Compare the warehouse with its sources

**What it does.** Every Sunday night, compares the warehouse with each source: by counts if the vendor can count
cheaply, else by all ids. Entities that differ are extracted again in full: missing records are added, and records that
the source no longer has are marked as deleted. This also finds deletions that no vendor reports, such as a purge.

**Inputs and outputs.** Reads every connection of `config/settings.yaml`. Writes `raw.<vendor>__<entity>` and
`meta.reconciliation`: per entity, the number of records in the source and in the warehouse, the number missing and
gone, and the outcome. The next run of `build_kpis` builds the changes.

**When it fails.**

- a task is red, "is held": more than 2% of an entity has disappeared from its source at once. That is rarely real:
  check whether a filter or a lost permission hides records, then run `python -m include.cli batch accept ID --reason
  ...`, or `batch drop ID --reason ...`.
- a task is red, "is failed": the source did not answer, or its quota is used up. It is retried, and a full read resumes
  at the page where it stopped.

**Re-running and backfill.** Trigger it at any time, for all sources, one source or one entity. Without Airflow: `python
-m include.cli reconcile support --entity ticket`. There is nothing to backfill.

**Owner.** The owner of the source in `config/settings.yaml` is notified once per outage.

**Triage notes.** Tier 2: everything else continues without it. Purged records count as present for another week.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS
from include.orchestration.reconcile_tasks import PARAMS, reconcile_all


@dag(
    dag_id=dag_id("reconcile"),
    description="Compares the stored records with those of the sources, and fixes differences",
    doc_md=__doc__,
    schedule="0 2 * * 0",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=2,
    dagrun_timeout=timedelta(hours=12),
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["1-ingest", "tier:2"],
)
def reconcile() -> None:
    reconcile_all()


reconcile()
