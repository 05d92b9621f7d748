"""# List touches

**What it does.** Each morning, makes the hand-off list of each live touch of `config/touches/`: the contacts of its
audience who may be written to, with subject and body in their language, as CSV for your own mailing tool. Everybody who
is not listed is counted by reason. It sends nothing.

**Inputs and outputs.** Reads `marts.act_account`, `marts.account_rfm`, `core.contact`, earlier lists and the playbooks'
deliveries in `ops.outbox`. Writes `ops.touch_list`, `ops.touch_contact`, the arms of hold-outs
(`ops.experiment_account`) and each account's start (`ops.episode`).

**When it fails.**

- the task is red: the warehouse did not answer, or a touch is wrong. The log names file and line; all other lists were
  made. Clear it: lists of today that exist stay as they are.
- it is green and returns nothing: no touch is live.
- it is green and makes no list of a live touch: nobody was left. `python -m include.cli touches plan NAME` counts the
  reasons. `opt_out_unknown` means that the CRM's mapping does not read opt-outs.

**Re-running and backfill.** Clear the task. A list is made for today only, and never changed. Without Airflow:
`python -m include.cli touches make`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: alerts and tasks continue without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("list_touches"),
    description="Makes the hand-off lists of touches for your own mailing tool, daily",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 6 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["4-decide", "tier:2"],
)
def list_touches() -> None:
    # Only numbers are returned: XComs are kept, and many people read them.
    @task(doc_md="Makes today's list of each live touch, and returns the number of contacts on it.")
    def make_lists() -> dict[str, int]:
        from include.decide.touches import lists

        return {name: made.list.n_listed for name, made in lists.make().items() if made.list}

    make_lists()


list_touches()
