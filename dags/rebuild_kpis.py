"""# Build one past day again

**What it does.** Builds every SQL model for one day, the day of its partition, with what is known now: every night for
yesterday, and for any stretch of days that is backfilled. Where that changes other days they are built too. Days that
late rows have touched are not its work: `build_kpis` builds them within minutes. It never decides and never sends: what
it builds can be wrong for a while without any notification.

**Inputs and outputs.** Reads `raw`. Writes the day's rows in `core` and `marts`, and `meta.build`. It publishes no
asset.

**When it fails.**

- `plan` is red: the partition's key is not a day, or the warehouse or a setting is wrong; its log says which.
- a model is red: its query or a `fail` check of its `checks.sql` failed. Its table keeps its former content.
- all models are skipped: the day is outside the history, or nothing is built yet.

**Re-running and backfill.** Clear a day's run, or use Airflow's own backfill (*Trigger*, then *Backfill*, with
*reprocess* for days that have run before): one run per day, the days one after the other. Every day may be built again
at any time; the same rows come out. Without Airflow: `python -m include.cli build --from 2026-01-01 --to 2026-01-31`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: it finds nothing to change unless something bypassed the loaders, so a night that failed can
wait; clear it when convenient. The next night builds its own day only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronPartitionTimetable, dag

from include.orchestration.build_tasks import build_between, finish, plan
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("rebuild_kpis"),
    description="Rebuilds past days: last night, and any day that is backfilled",
    doc_md=__doc__,
    # At midnight, since a backfill up to a day ends at that day's midnight; for the day that has just ended.
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


rebuild_kpis()
