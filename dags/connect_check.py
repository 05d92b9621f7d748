"""# Check the connections: what works, and what exactly to fix

**What it does.** Looks at each connection that the settings name, from the host to the first rows: reachability, TLS,
credentials, missing scopes by name, limits left, the clock, entities with their counts, how much of the mapping is
filled. It reads little (a page of each entity), changes nothing and sends nothing.

**Inputs and outputs.** Reads the Airflow connections of all sources, Slack and the mail server. The table is in the log
of its task and, as JSON, in its XCom. Values that identify a person are masked; secrets are in neither.

**When it fails.** A line of the table says `failed`: its last column says what to do. All other connections were looked
at too.

**Re-running and backfill.** Trigger it again after each correction, if you like with the connection's id alone. By
hand: `python -m include.cli connect check`. There is nothing to backfill.

**Owner.** Anyone who set up the connection; a failure is reported to the queue of `config/people.yaml`.

**Triage notes.** Tier 2: nothing depends on it. Start with the first line that failed; what follows from it is left
out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from include.orchestration.connect_tasks import PARAMS, check_connections
from include.orchestration.dag_ids import dag_id
from include.orchestration.defaults import DEFAULT_ARGS


@dag(
    dag_id=dag_id("connect_check"),
    description="Checks each connection and says what to fix",
    doc_md=__doc__,
    schedule=None,
    is_paused_upon_creation=False,  # it runs only when asked to, and a run of a paused DAG waits for ever
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
