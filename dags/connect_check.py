"""# Check the connections: what works, and what exactly to fix

**What it does.** Checks each connection that the settings name, from the host to the first rows: reachability, TLS,
credentials, missing scopes by name, remaining quota, clock difference, entities with their counts, and the share of
mapped fields that are filled. It reads one page of each entity, changes nothing and sends nothing.

**Inputs and outputs.** Reads the Airflow connections of all sources, Slack and the mail server. The results are in the
log of its task as a table, and in its XCom as JSON. Values that identify a person are masked. Secrets appear in
neither.

**When it fails.** A line of the table says `failed`. Its last column says how to fix it. All other connections were
still checked.

**Re-running and backfill.** Trigger it again after each fix, for all connections or for one id. Without Airflow:
`python -m include.cli connect check`. There is nothing to backfill.

**Owner.** The person who set up the connection. A failure is reported to the queue of `config/people.yaml`.

**Triage notes.** Tier 2: nothing depends on it. Start with the first failed line: checks that depend on it were
skipped.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from include.orchestration.connect_tasks import PARAMS, check_connections
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("connect_check"),
    description="Checks each connection, and lists what to fix",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # triggered on demand only, and a run of a paused DAG would wait forever
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    default_args=DEFAULT_ARGS,
    params=PARAMS,
    tags=["1-ingest", "tier:2"],
)
def connect_check() -> None:
    check_connections()


connect_check()
