"""# Triage tickets

**What it does.** Each morning, labels new and changed tickets: bug, how_to, management, request or unknown. Then finds
frequent questions of the last 28 days, and requests that ask for much the same. Once a month, if agents corrected
enough labels, it fits the model again and keeps it only if it is better. Task `note_goals` stores the goals
of `config/releases/`, whatever becomes of the other tasks. Task `judge_releases` counts adoption of the releases whose
28 days are not final, with the tickets that name them.

**Inputs and outputs.** Reads `core.ticket` and the desk's subjects and comments; for releases `marts.account_day` and
`core.usage_day`. Adds rows to `meta.ticket_label`, `meta.triage_model`, `meta.qa_cluster`, `meta.request_hint`,
`meta.release_goal` and `meta.release_adoption`, which `core.ticket_triage`, `marts.triage_period`,
`marts.qa_candidate`, `core.request_ask`, `requests similar` and `releases list` show. It stores no texts.

**When it fails.**

- a task is red: the warehouse did not answer, or `config/triage.yaml` is wrong. The log names file and line. Clear it:
  labels that are stored are not stored again.
- it is green and labels nothing: no ticket is new, or the support desk is not connected.

**Re-running and backfill.** Clear the task. Tickets of the last 400 days without a label get one. Without Airflow:
`python -m include.cli analysis triage --keep`.

**Owner.** The queue of `config/people.yaml` is notified once per outage.

**Triage notes.** Tier 2: alerts and tasks continue without it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("triage_tickets"),
    description="Labels tickets as bug, how-to, management or request, daily",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("10 4 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    default_args=DEFAULT_ARGS,
    tags=["3-score", "tier:2"],
)
def triage_tickets() -> None:
    @task(doc_md="Fits the model again if a month has passed and labels were corrected; returns its version.")
    def refit() -> int:
        from include.analyses.triage import store
        from include.warehouse.engine import engine

        with engine("builder").begin() as connection:
            return store.refit(connection)

    @task(doc_md="Labels new and changed tickets, in batches, and returns the number of new labels.")
    def label() -> dict[str, int]:
        from include.analyses.triage import store
        from include.warehouse.engine import engine

        return store.label_all(engine("builder").begin)

    @task(doc_md="Groups the questions of the last 28 days, and returns the number of frequent ones.")
    def find_questions() -> int:
        from include.analyses.triage import routes
        from include.warehouse.engine import engine

        with engine("builder").begin() as connection:
            return routes.keep_questions(connection)

    @task(doc_md="Finds requests for much the same, for a person to merge, and returns the number of similar tickets.")
    def compare_requests() -> int:
        from include.analyses import request_hints
        from include.warehouse.engine import engine

        with engine("builder").begin() as connection:
            return request_hints.keep(connection)

    @task(doc_md="Stores the goals of releases, since later changes do not count, and returns how many changed.")
    def note_goals() -> int:
        from include.analyses import releases
        from include.warehouse.engine import engine

        with engine("builder").begin() as connection:
            return releases.note_goals(connection)

    @task(doc_md="Counts adoption of releases in their first 28 days, and returns the verdicts.")
    def judge_releases() -> dict[str, str]:
        from include.analyses import releases
        from include.warehouse.engine import engine

        with engine("builder").begin() as connection:
            return releases.judge(connection)

    judged = judge_releases()
    refit() >> label() >> [find_questions(), compare_requests(), judged]
    note_goals() >> judged


triage_tickets()
