"""# Build the tables of core and marts

**What it does.** Builds every SQL model from each source's last good state, for the newest day and for the accounts and
days that a merge has changed. Its graph is the lineage: one task per layer and subject, such as `core_renewals`, and an
edge where a model of one task reads a model of another. A task builds its models one after the other.

**Inputs and outputs.** Reads `raw`. Writes `staging`, `core` and `marts`, and `meta.build`, and publishes the asset
**kpis**.

**When it fails.**

- `plan` is red: the warehouse or a setting is wrong. Its log names file and line.
- a task of models is red: the query of one of its models or a `fail` check of a `checks.sql` failed. The task's log and
  the notice name the model, the check and the keys of the first five rows. The model's table keeps its previous
  content. All models that do not read it are built, and no decisions are made from a half-built day.
- a task of models is skipped while another is red: some of its models read the failed one. Its log names them.
- all tasks of models are skipped: nothing has changed since the last build. This is the normal case.

**Re-running and backfill.** Clear the red task with its downstream tasks; models that are built are not built
again. To rebuild past days, backfill `rebuild_kpis`. Without Airflow: `python -m include.cli build`.

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
