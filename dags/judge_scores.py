"""# Judge the health score by what happened

**What it does.** On the fifth of each month, back-tests the health score on all settled renewals: how well the score of
180 to 30 days before the decision separated lost renewals from kept ones. It compares this with each single measure,
equal weights, learned weights and the CRM's own forecast category. The head of customer success is notified of a missed
floor.

**Inputs and outputs.** Reads `marts.health_checkpoint` (the scores as known then, never changed) and
`marts.renewal_due` (the outcomes). Writes one month of `meta.health_backtest` and `meta.health_backtest_method`.

**When it fails.**

- `judge` is red: the warehouse did not answer, or a profile in `sql/health/` is wrong. Its log names file and line.
  Clear it: judging a month again writes the same rows.
- it is green and reports a missed floor: see "When the score is poor" in `docs/reference/scores.md`.

**Re-running and backfill.** Clear the task. A month is judged by the renewals that are settled when it runs. Past
months keep their result. Without Airflow: `python -m include.cli score backtest`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: scores, alerts and tasks continue without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("judge_scores"),
    description="Backtests the health score against renewal outcomes, monthly",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("20 5 5 * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["3-score", "tier:2"],
)
def judge_scores() -> None:
    @task(doc_md="Backtests the score on all settled renewals, stores the month's result, and reports missed minimums.")
    def judge() -> dict[str, Any]:
        from include.orchestration import score_notices
        from include.orchestration.results import as_json

        return as_json(score_notices.judge())

    judge()


judge_scores()
