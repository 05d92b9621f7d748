"""The task of the DAG that checks connections."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, task

log = logging.getLogger(__name__)

# The form of a manual run.
PARAMS = {
    "connections": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        title="Connections",
        description="Ids of the connections to check. Leave empty for all in the settings.",
    ),
}


@task(
    task_id="show_connections",
    retries=0,
    execution_timeout=timedelta(minutes=20),
    doc_md="Checks each connection, and writes the results to the log. Fails if a check failed.",
)
def check_connections(*, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Check connections and return the findings."""
    from include.common.errors import ConfigError
    from include.operations.connection_check import run
    from include.orchestration.results import as_json

    lines = list(run.check((params or {}).get("connections") or ()))
    for line in lines:
        fix = f" -> {line.to_fix}" if line.to_fix else ""
        log.info("%s  %s  %s: %s%s", line.connection, line.what, line.state, line.found, fix)
    failed = [line for line in lines if line.state == "failed"]
    if failed:
        named = "; ".join(f"{line.connection}, {line.what}: {line.found}" for line in failed[:5])
        raise ConfigError(f"{len(failed)} checks failed: {named}", cure=failed[0].to_fix)
    return [as_json(line) for line in lines]
