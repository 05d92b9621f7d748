"""# Run the monthly analyses

**What it does.** On the sixth of each month, answers questions about all customers and stores the answers for the page
*Analyses* and the command `analysis`. Task `judge_features`: which features go with renewal, compared within tier, age
and total use, and which customers do not use them. Task `list_discounts`: discounts of last month that nobody approved,
and what green accounts were given. Task `judge_growth`: channels that run but never convert, the funnel's bottleneck,
and campaigns without a read-out. Task `list_competitors`: reasons for which deals were lost while a competitor was
named, and that nothing answers. The head of customer success is notified of new findings, unapproved discounts, new
such channels and campaigns to explain; the owner of a competitor's answers, else the head, of such reasons.

**Inputs and outputs.** Reads `marts.feature_checkpoint`, `marts.health_checkpoint`, `marts.renewal_due`,
`marts.renewal_discount`, `marts.funnel_cohort`, `marts.channel_cohort` and `marts.competitor_outcome`. Writes one month
of `meta.feature_effect` and `meta.feature_unused`.

**When it fails.**

- a task is red: the warehouse did not answer. Clear it: analysing a month again replaces the same rows.
- `judge_features` is green and stores nothing: there are fewer than 30 lost renewals with known use.
- `list_discounts` is green and returns nothing: no won renewal has a list price.
- `list_competitors` is green and returns nothing: no competitor is in the settings, or no deal was lost with a reason.
- `judge_growth` is green and returns nothing: the CRM has no leads, or none of them is old enough.

**Re-running and backfill.** Clear the task. The result is stored under the month before the current one. Without
Airflow, and without notices: `python -m include.cli analysis features --keep`, and `discounts unapproved --month
2026-11`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: alerts and tasks continue without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("run_analyses"),
    description="Monthly: judges features, the funnel and channels, and lists discounts that nobody approved",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("20 5 6 * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["3-score", "tier:2"],
)
def run_analyses() -> None:
    @task(doc_md="Judges which features go with renewal, stores the month's result, and reports new ones.")
    def judge_features() -> dict[str, str]:
        from include.orchestration import analysis_tasks

        return analysis_tasks.judge_features()

    @task(doc_md="Reports last month's discounts that nobody approved, and what green accounts were given.")
    def list_discounts() -> dict[str, int]:
        from include.orchestration import analysis_tasks

        return analysis_tasks.list_discounts()

    @task(doc_md="Reports channels that run but never convert, the bottleneck, and campaigns that nobody explained.")
    def judge_growth() -> dict[str, list[str]]:
        from include.orchestration import analysis_tasks

        return analysis_tasks.judge_growth()

    @task(doc_md="Reports reasons for which deals were lost while a competitor was named, and that nothing answers.")
    def list_competitors() -> dict[str, int]:
        from include.orchestration import competitor_notices

        return competitor_notices.list_competitors()

    judge_features()
    list_discounts()
    list_competitors()
    judge_growth()


run_analyses()
