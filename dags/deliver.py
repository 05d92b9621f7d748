"""# Deliver what the outbox holds

**What it does.** Sends every due delivery: Slack and e-mail messages, CRM tasks, and values of fields in the CRM's
accounts. Before each, it checks again that the sources are green, the signal is still open and the owner is unchanged.
A delivery that may or may not have arrived becomes *uncertain*. It is looked up, not sent again.

**Inputs and outputs.** Reads and writes `ops.outbox`. Uses the Airflow connections `slack`, `smtp` and `crm`. A channel
that is on hold, or has `dry_run: true` in `config/channels.yaml`, sends nothing.

**When it fails.**

- `deliver_due` is red: credentials were refused, or a channel was unreachable after four tries. Its log names the
  channel and the fix. Sent deliveries stay sent. The others wait in the outbox.
- it is green, but nothing arrives: the channel is in dry run or on hold. The page *Data health* says which.

**Re-running and backfill.** Clear the task, or trigger a run: nothing is sent twice. There is nothing to backfill:
overdue deliveries expire. Without Airflow: `python -m include.cli deliver`, with `--dry-run` to only count due
deliveries.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 1. It runs after every decision, and every ten minutes for retries. If it has been red for a day,
first check the deadlines in the outbox.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from include.orchestration.assets import OUTBOX
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("deliver"),
    description="Sends the due rows of the outbox: Slack, e-mail, CRM tasks",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("*/10 * * * *", timezone="UTC"), assets=[OUTBOX]),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # two senders would race for the same row
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    tags=["5-deliver", "tier:1"],
)
def deliver() -> None:
    @task(doc_md="Sends each due row of the outbox once, and looks up uncertain ones.")
    def deliver_due() -> dict[str, Any]:
        from include.deliver import deliver as delivery
        from include.orchestration.results import as_json

        return as_json(delivery.deliver())

    deliver_due()


deliver()
