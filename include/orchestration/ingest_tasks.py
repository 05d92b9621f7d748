"""The tasks of an ingest DAG. Each calls one function of ``include.ingest.pipeline``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Metadata, Param, TaskGroup, TriggerRule, chain, task

from include.config import load
from include.entities.catalog import Kind, of_kind
from include.orchestration.assets import SOURCES

# Entity -> the entity to extract before it, so that the link between them need not be requested for each record.
_EXTRACTED_AFTER = {"contract_line": "opportunity"}
# The form of a manual run.
PARAMS = {
    "since": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Extract again since",
        description="Extract all changes since this time again. Unchanged rows stay as they are.",
    ),
    "full": Param(
        False,
        type="boolean",
        title="Full refresh",
        description="Extract the whole source, and mark records that it no longer has as deleted.",
    ),
}


@task(
    execution_timeout=timedelta(hours=3),
    doc_md="Extracts changed records, and lands them page by page. After a kill, it resumes.",
)
def extract(
    source: str, entity: str, *, run_id: str | None = None, params: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Land the new records of one entity."""
    from include.ingest import pipeline
    from include.orchestration.results import as_json

    options = params or {}
    return as_json(
        pipeline.extract(source, entity, run_id=str(run_id), since=options.get("since"), full=bool(options.get("full")))
    )


@task(
    trigger_rule=TriggerRule.ALL_DONE,
    doc_md="Validates the landed batches. Bad rows go to quarantine, and bad batches are held.",
)
def validate(source: str, *, run_id: str | None = None) -> dict[str, Any]:
    """Validate all landed batches of a source, in one Great Expectations process."""
    from include.ingest import pipeline
    from include.orchestration.results import as_json

    return as_json(pipeline.validate(source, run_id=str(run_id)))


@task(
    execution_timeout=timedelta(hours=3),
    doc_md="Extracts optional entities, such as activities, invoices and surveys. Missing ones are not an error.",
)
def extract_optional(
    source: str, entities: list[str], *, run_id: str | None = None, params: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Land the new records of several entities in sequence. A failing entity does not block the others."""
    from include.ingest import pipeline
    from include.orchestration.results import as_json

    options = params or {}
    return as_json(
        pipeline.extract_each(
            source, entities, run_id=str(run_id), since=options.get("since"), full=bool(options.get("full"))
        )
    )


@task(
    doc_md="Merges valid batches into `raw`, each with its cursor and dirty ranges in one transaction. After a first "
    "load, it also backfills the history that the vendor keeps."
)
def merge(source: str, *, run_id: str | None = None) -> dict[str, Any]:
    """Merge the validated batches. After a first load, also backfill the vendor's history."""
    from include.ingest import pipeline
    from include.ingest.history_backfill import backfill
    from include.orchestration.results import as_json

    merged = as_json(pipeline.merge(source, run_id=str(run_id)))
    return merged | {"past": as_json(backfill(source))}


@task(
    trigger_rule=TriggerRule.ALL_DONE,
    doc_md="Publishes the source's verdict and watermark, even if an earlier task failed.",
)
def publish(source: str, asset: Asset) -> Iterator[Metadata | dict[str, Any]]:
    """Publish the source's verdict and watermark for all downstream DAGs."""
    from include.ingest import pipeline
    from include.orchestration.notices import notify_changes, notify_incidents
    from include.orchestration.results import as_json

    verdict = as_json(pipeline.publish(source))
    notify_changes(source)
    notify_incidents()
    yield Metadata(asset, verdict)


@task(retries=0, doc_md="Fails if the verdict is red, so that the run is red too. The error names the fix.")
def show_verdict(source: str) -> None:
    """Fail if the verdict is red, so that the run is red too."""
    from include.common.errors import ContractError
    from include.gate import verdicts

    verdict = next(verdict for verdict in verdicts.verdicts() if verdict.source == source and not verdict.entity)
    if verdict.state == "red":
        raise ContractError(
            f"{source} has been red since {verdict.since:%Y-%m-%d %H:%M} UTC: {verdict.reason}", cure=verdict.cure
        )


def schedule_of(kind: Kind) -> str | None:
    """Return the schedule of a kind of source: every 15 minutes, or none if the settings list no source of it."""
    return "*/15 * * * *" if load().of_kind(kind) else None


def max_parallel_tasks(kind: Kind) -> int:
    """Return the number of parallel tasks for a kind of source: two per connection, to limit the load on vendors."""
    return 2 * max(1, len(load().of_kind(kind)))


def ingest_all(kind: Kind) -> None:
    """Wire the tasks of every connection of a kind inside a DAG, with a task group for each if there are several.

    Connections do not wait for each other: a failing one does not block the others.
    """
    sources = load().of_kind(kind)
    if len(sources) == 1:
        _ingest(sources[0].id, kind)
        return
    for source in sources:
        with TaskGroup(source.id, tooltip=f"The connection {source.id}"):
            _ingest(source.id, kind)


def _ingest(source: str, kind: Kind) -> None:
    asset = SOURCES[source]
    required = [entity.name for entity in of_kind(kind) if not entity.is_optional]
    optional = [entity.name for entity in of_kind(kind) if entity.is_optional]
    extracts = [
        extract.override(task_id=f"extract_{name}", trigger_rule=TriggerRule.ALL_DONE)(source, name)
        for name in required
    ]
    for name, parent in _EXTRACTED_AFTER.items():
        if name in required:
            chain(extracts[required.index(parent)], extracts[required.index(name)])
    extracts += [extract_optional(source, optional)] if optional else []
    validated = validate(source)
    merged = merge(source)
    published = publish.override(outlets=[asset])(source, asset)
    verdict_task = show_verdict(source)
    chain(extracts, validated, merged, published, verdict_task)
    # The leaf task decides the run's state, so it must not be green after a failed extract.
    chain([*extracts, validated, merged], verdict_task)
