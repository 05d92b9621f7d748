"""# Draw the charts of the pages

**What it does.** After each build it draws the charts that the pages inside Airflow show, as far as their figures have
changed. The pages show tables and small bars where a chart is missing.

**Inputs and outputs.** Reads `core` and `marts`. Writes `ops.chart`.

**When it fails.**

- `draw_charts` is red: the warehouse did not answer, or a chart could not be drawn; its log says which. Clear it. Pages
  keep the charts of before.

**Re-running and backfill.** Clear the task, or `python -m include.cli report charts`. The same figures
give the same chart.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: nothing waits for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from include.orchestration.assets import KPIS
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("publish_reports"),
    description="Draws the charts of the pages",
    doc_md=__doc__,
    schedule=[KPIS],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=["6-report", "tier:2"],
)
def publish_reports() -> None:
    @task(doc_md="Draws the charts whose figures have changed.")
    def draw_charts() -> int:
        from include.charts import draw

        return draw.draw()

    draw_charts()


publish_reports()
