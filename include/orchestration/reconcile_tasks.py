"""The tasks of the reconcile DAG, one for each connection in the settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, task

from include.config import load

# The form of a manual run.
PARAMS = {
    "source": Param(
        None,
        type=["null", "string"],
        title="Only this source",
        description="A connection's id, such as crm. Leave empty for all.",
    ),
    "entity": Param(
        None,
        type=["null", "string"],
        title="Only this entity",
        description="Such as account or ticket. Leave empty for all of the source.",
    ),
}


@task(
    execution_timeout=timedelta(hours=3),
    doc_md="Compares the stored records with those of the source, and fixes differences. After a kill, it resumes.",
)
def reconcile(source: str, *, run_id: str | None = None, params: dict[str, Any] | None = None) -> list[Any]:
    """Reconcile one source. Fail if an entity is held or could not be compared."""
    from include.common.errors import ContractError, Unavailable
    from include.ingest import reconcile as reconciling
    from include.orchestration.results import as_json

    options = params or {}
    only = [options["entity"]] if options.get("entity") else []
    if source not in reconciling.sources_to_reconcile(options.get("source") or "", only):
        return []
    reports = reconciling.run(source, only, run_id=str(run_id))
    bad = [report for report in reports if report.state in ("held", "failed")]
    if bad:
        kind = ContractError if bad[0].state == "held" else Unavailable
        raise kind(f"{source}.{bad[0].entity} is {bad[0].state}", cure=bad[0].note)
    return [as_json(report) for report in reports]


def reconcile_all() -> None:
    """Wire one task for each source. They do not wait for each other."""
    for source in load().sources:
        reconcile.override(task_id=f"reconcile_{source.id}")(source.id)
