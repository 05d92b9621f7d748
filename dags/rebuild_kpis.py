"""# Build one past day again

**What it does.** Builds every SQL model for one day, the day of its partition, with everything that is known now: every
night for yesterday, and for any period that you backfill. If that changes other days, they are built too. Days changed
by late rows are built by `build_kpis` within minutes, not by this DAG. The task `run_backfills` runs each file of
`config/backfills/` that has not run. It makes no decisions and sends nothing, so
nobody is notified while its result is temporarily wrong.

**Inputs and outputs.** Reads `raw`. Writes the day's rows in `core` and `marts`, and `meta.build`. It publishes no
asset.

**When it fails.**

- `plan` is red: the partition's key is not a day, or the warehouse or a setting is wrong. Its log says which.
- a task of models is red: the query of one of its models or a `fail` check of a `checks.sql` failed. The log names the
  model. Its table keeps its previous content.
- `run_backfills` is red: its log names the file of the backfill and the model. Others have run.
- all tasks of models are skipped: the day is outside the history, or nothing is built yet.

**Re-running and backfill.** Clear a day's run, or use Airflow's own backfill (*Trigger*, then *Backfill*, with
*reprocess* for days that have run before): one run per day, one after the other. Every day is safe to build again: the
result is the same rows. To have a backfill reviewed, write it as a file (`docs/how-to/backfill.md`); `run_backfills` is
safe to clear: a file that has run is left out. Without Airflow: `python -m include.cli build --from 2026-01-01
--to 2026-01-31`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: it finds nothing to change unless something bypassed the loaders, so a failed night can wait.
Clear it when convenient. The next night builds only its own day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronPartitionTimetable, dag

from include.orchestration.build_tasks import build_between, finish, plan, run_backfills
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("rebuild_kpis"),
    description="Rebuilds past days: the last one every night, and any day of a backfill",
    doc_md=__doc__,
    # At midnight, because a backfill up to a day ends at that day's midnight. The run is for the day that has just
    # ended.
    schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=3,
    dagrun_timeout=timedelta(hours=4),
    default_args=DEFAULT_ARGS,
    tags=["2-build", "tier:2"],
)
def rebuild_kpis() -> None:
    build_between(plan("rebuild"), finish())
    run_backfills()


rebuild_kpis()
