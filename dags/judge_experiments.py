"""# Judge playbooks by their hold-outs

**What it does.** Each Monday, reads out the experiments: for each playbook with a hold-out, the renewal rate of the
accounts with tasks minus that of the held-out accounts, with its interval and a confidence sequence that allows a look
every week. Stores the reading. The head of customer success is notified when a verdict changes to works, harms, not
shown, or not valid.

**Inputs and outputs.** Reads `marts.experiment_account`, `marts.account_day` and `ops.experiment`. Writes one row
per experiment of `meta.experiment_reading`.

**When it fails.**

- `judge` is red: the warehouse did not answer, or a playbook's file is wrong. Its log names file and line. Clear it:
  reading a day again replaces the same rows.
- it is green without readings: no live playbook has a hold-out, or no table has been built yet.

**Re-running and backfill.** Clear the task. A reading is about the newest built day. Past readings stay. Without
Airflow: `python -m include.cli experiments judge`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: alerts and tasks continue without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("judge_experiments"),
    description="Reads out the hold-outs of playbooks, weekly",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("50 6 * * 1", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["3-score", "tier:2"],
)
def judge_experiments() -> None:
    @task(doc_md="Reads out each experiment, stores the readings, and reports verdicts that changed.")
    def judge() -> dict[str, str]:
        from include.orchestration import experiment_notices

        return experiment_notices.judge()

    judge()


judge_experiments()
