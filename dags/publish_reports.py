"""# Draw the charts, make and mail the reports

**What it does.** After each decision, draws the charts of the pages inside Airflow whose figures have changed. Then it
makes the reports whose period is over (`include/defaults/reports`, overlaid by yours), archives each edition, and plans
its mails. If a report's figures have not changed, it is neither made nor sent again. If they were corrected, a
corrected edition is made, and both stay.

For each customer it drafts the usage and value report, which the account's CSM approves on the page *Account*. For an
approved one it plans the CRM task in which the CSM sends it.

**Inputs and outputs.** Reads `core`, `marts` and `meta`. Writes `ops.chart`, `ops.report`, `ops.customer_report` and
`ops.outbox`. Publishes the asset **outbox**, which triggers `deliver`.

**When it fails.**

- `draw_charts` is red: the warehouse did not answer, or a chart could not be drawn. Its log says which. Clear it. Until
  then, pages and reports use the previous charts.
- `make_reports` is red: a report's file is wrong (the log names file and line), or the warehouse did not answer. All
  other reports were made. Clear it.
- `draft_customer_reports` is red: `customer_report.yaml` is wrong (the log names file and line), or the warehouse did
  not answer: nothing was drafted. Or the error names accounts: all others were drafted. Clear it.

**Re-running and backfill.** Clear the tasks, or run `python -m include.cli report charts`, `report customer draft` and
`report make`. The same figures produce the same chart and the same report. For one report of a past period: `report
make NAME --period 2026-10`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: no other DAG depends on it.
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
    description="Draws the pages' charts, creates due reports, and plans their e-mails",
    doc_md=__doc__,
    # Not right after the build: reports show open risks, which would still be those of the day before, or none.
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

    @task(doc_md="Drafts customers' usage reports that are due, and plans the CRM tasks of approved ones, each once.")
    def draft_customer_reports() -> dict[str, Any]:
        from include.orchestration.results import as_json
        from include.reports.customer import draft

        made: dict[str, Any] = as_json(draft.draft())
        return made

    # A report without its chart says so, and is still sent.
    @task(
        outlets=[OUTBOX],
        trigger_rule="all_done",
        doc_md="Creates due reports, archives each edition, and plans each e-mail once.",
    )
    def make_reports(*, outlet_events: Any = None) -> list[dict[str, Any]]:
        from include.orchestration.results import as_json
        from include.reports import publish

        made: list[dict[str, Any]] = as_json(publish.publish())
        outlet_events[OUTBOX].extra = {"reports": made}
        return made

    [draw_charts(), draft_customer_reports()] >> make_reports()


publish_reports()
