"""# Draw the charts, make and mail the reports

**What it does.** After each decision it draws the charts of the pages inside Airflow, as far as their figures have
changed. Then it makes the reports whose period is over (`include/defaults/reports`, overlaid by yours), keeps each
edition in the archive, and plans its mails. A report whose figures have not changed is neither made nor sent again; one
whose figures were corrected becomes a corrected edition, and both stay.

**Inputs and outputs.** Reads `core`, `marts` and `meta`. Writes `ops.chart`, `ops.report` and `ops.outbox`, and
publishes the asset **outbox**, after which `deliver` runs.

**When it fails.**

- `draw_charts` is red: the warehouse did not answer, or a chart could not be drawn; its log says which. Clear it. Pages
  keep the charts of before, and reports are made with them.
- `make_reports` is red: a report's file is wrong (the log names file and line), or the warehouse did not answer. The
  reports that could be made were made. Clear it.

**Re-running and backfill.** Clear the tasks, or `python -m include.cli report charts` and `report make`. The same
figures give the same chart and the same report. One report of a past period: `report make NAME --period 2026-10`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: nothing waits for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from include.orchestration.assets import DECISIONS, OUTBOX
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("publish_reports"),
    description="Draws the charts of the pages, makes the reports that are due, and plans their mails",
    doc_md=__doc__,
    # Not after the build alone: open risks are shown, and would be those of the day before, or none.
    schedule=[DECISIONS],
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

    # Without a chart a report says so, and goes out.
    @task(
        outlets=[OUTBOX],
        trigger_rule="all_done",
        doc_md="Makes the reports that are due, keeps each edition, and plans its mails, each once.",
    )
    def make_reports(*, outlet_events: Any = None) -> list[dict[str, Any]]:
        from include.orchestration.results import as_json
        from include.reports import publish

        made: list[dict[str, Any]] = as_json(publish.publish())
        outlet_events[OUTBOX].extra = {"reports": made}
        return made

    draw_charts() >> make_reports()


publish_reports()
