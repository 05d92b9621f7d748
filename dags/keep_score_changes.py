"""# Keep why health scores changed

**What it does.** Each morning, stores why scores changed in the last full week and month, unless they are already
stored: one row per cause, for accounts whose score moved by at least 3 points or whose band changed. The causes of an
account add up to its change. `score show ACCOUNT --since 2026-10-01` names the same causes.

**Inputs and outputs.** Reads `marts.health_input` and `marts.account_health`. Adds rows to `meta.health_change`. They
are written once, after the last day of the period, and never changed.

**When it fails.**

- `keep` is red: the warehouse did not answer, or a profile in `sql/health/` is wrong. Its log names file and line.
  Clear it: nothing is stored twice.
- it is green, but stores nothing: the period is already stored, is not yet built to its end, or no account moved.

**Re-running and backfill.** Clear the task. Only the last week and the last month are stored. `score show ACCOUNT
--since DAY --as-of DAY` explains any other period. Without Airflow: `python -m include.cli score changes --keep`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: scores, alerts and tasks continue without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("keep_score_changes"),
    description="Stores why health scores changed in the last week and month",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("40 6 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["3-score", "tier:2"],
)
def keep_score_changes() -> None:
    @task(
        doc_md="Stores the changes of last week and month, unless stored already, and returns the number of new lines."
    )
    def keep() -> dict[str, int]:
        from include import config
        from include.scores.health import changes

        today = config.today()
        return {"week": changes.keep("week", today), "month": changes.keep("month", today)}

    keep()


keep_score_changes()
