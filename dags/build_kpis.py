"""# Build the tables of core and marts

**What it does.** Builds every SQL model from each source's last good state, for the newest day and for the accounts and
days that a merge has changed. Its graph is the lineage: one task per model, and an edge where one model reads another.

**Inputs and outputs.** Reads `raw`. Writes `staging`, `core` and `marts`, and `meta.build`, and publishes the asset
**kpis**.

**When it fails.**

- `plan` is red: the warehouse or a setting is wrong. Its log names file and line.
- a model is red: its query or a `fail` check of its `checks.sql` failed. Its log names the model, the check and the
  keys of the first five rows. Its table keeps its previous content, and no decisions are made from a half-built day.
- all models are skipped: nothing has changed since the last build. This is the normal case.

**Re-running and backfill.** Clear the red model with its downstream tasks. To rebuild past days, backfill
`rebuild_kpis`. Without Airflow: `python -m include.cli build`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 1: no decisions are made while it is red. It runs after every update of a source and once an
hour, so a lost event delays a build by an hour at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import AssetAny, AssetOrTimeSchedule, CronTriggerTimetable, dag

from include.orchestration.assets import KPIS, SOURCES
from include.orchestration.build_tasks import build_between, plan, publish_kpis
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("build_kpis"),
    description="Builds the changed ranges of the KPI tables; its graph shows the lineage",
    doc_md=__doc__,
    # Any source, not all of them: joining by AND loses events when producers end together.
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("5 * * * *", timezone="UTC"), assets=AssetAny(*SOURCES.values())
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # the next run builds what arrived in the meantime
    max_active_tasks=3,
    dagrun_timeout=timedelta(hours=4),
    default_args=DEFAULT_ARGS,
    tags=["2-build", "tier:1"],
)
def build_kpis() -> None:
    build_between(plan("forward"), publish_kpis.override(outlets=[KPIS])(KPIS))


build_kpis()
