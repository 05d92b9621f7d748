"""The tasks of an ingest DAG; each calls one function of ``include.ingest.pipeline``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, Metadata, Param, TaskGroup, TriggerRule, chain, task

from include.config import load
from include.entities.catalog import Kind, of_kind
from include.orchestration.assets import SOURCES

# A part after its whole: whose that is need then not be asked for each part.
_AFTER = {"contract_line": "opportunity"}
# What a person can fill in when triggering a run by hand.
PARAMS = {
    "since": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Read again since",
        description="Read what changed since this time again, whatever was read before. Rows that did not change stay.",
    ),
    "full": Param(
        False,
        type="boolean",
        title="Read everything again",
        description="Read the whole source, and mark as deleted what it does not have any more.",
    ),
}


@task(execution_timeout=timedelta(hours=3), doc_md="Reads what changed and lands it page by page. Killed, it resumes.")
def extract(
    source: str, entity: str, *, run_id: str | None = None, params: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Land what one entity's source has that is new."""
    from include.ingest import pipeline
    from include.orchestration.results import as_json

    options = params or {}
    return as_json(
        pipeline.extract(source, entity, run_id=str(run_id), since=options.get("since"), full=bool(options.get("full")))
    )


@task(
    trigger_rule=TriggerRule.ALL_DONE,
    doc_md="Judges the landed batches against their contracts: bad rows to quarantine, a bad batch is held.",
)
def validate(source: str, *, run_id: str | None = None) -> dict[str, Any]:
    """Validate all that this source has landed, in one Great Expectations process."""
    from include.ingest import pipeline
    from include.orchestration.results import as_json

    return as_json(pipeline.validate(source, run_id=str(run_id)))


@task(
    execution_timeout=timedelta(hours=3),
    doc_md="Reads what only some have: activities, invoices, surveys and the like. What is not there is no failure.",
)
def extract_optional(
    source: str, entities: list[str], *, run_id: str | None = None, params: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Land what is new of several entities, one after the other; one that fails does not keep the others waiting."""
    from include.ingest import pipeline
    from include.orchestration.results import as_json

    options = params or {}
    return as_json(
        pipeline.extract_each(
            source, entities, run_id=str(run_id), since=options.get("since"), full=bool(options.get("full"))
        )
    )


@task(
    doc_md="Merges the good batches into `raw`: rows, cursor and dirty ranges in one transaction each. After a first "
    "load it also asks the vendor, once, what the records were before."
)
def merge(source: str, *, run_id: str | None = None) -> dict[str, Any]:
    """Merge what passed."""
    from include.ingest import pipeline
    from include.ingest.history_backfill import backfill
    from include.orchestration.results import as_json

    merged = as_json(pipeline.merge(source, run_id=str(run_id)))
    return merged | {"past": as_json(backfill(source))}


@task(
    trigger_rule=TriggerRule.ALL_DONE,
    doc_md="Publishes the source's verdict and watermark, also when something before it failed.",
)
def publish(source: str, asset: Asset) -> Iterator[Metadata | dict[str, Any]]:
    """Tell everybody who reads this source how far it is and whether to trust it."""
    from include.ingest import pipeline
    from include.orchestration.notices import notify_changes
    from include.orchestration.results import as_json

    verdict = as_json(pipeline.publish(source))
    notify_changes(source)
    yield Metadata(asset, verdict)


@task(retries=0, doc_md="Fails when the verdict is red, so that a red source is a red run. Its message names the cure.")
def show_verdict(source: str) -> None:
    """End the run in the colour of the verdict."""
    from include.common.errors import ContractError
    from include.gate import verdicts
    from include.orchestration.notices import notify_incidents

    verdict = next(verdict for verdict in verdicts.verdicts() if verdict.source == source and not verdict.entity)
    if verdict.state == "red":
        notify_incidents()
        raise ContractError(
            f"{source} is red since {verdict.since:%Y-%m-%d %H:%M} UTC: {verdict.reason}", cure=verdict.cure
        )


def schedule_of(kind: Kind) -> str | None:
    """Return when a kind of source is read: every quarter of an hour, or never if the settings list none."""
    return "*/15 * * * *" if load().of_kind(kind) else None


def at_once(kind: Kind) -> int:
    """Return how many tasks of a kind may run together: two for each connection, whose system must not feel us."""
    return 2 * max(1, len(load().of_kind(kind)))


def ingest_all(kind: Kind) -> None:
    """Wire the tasks of every connection of a kind inside a DAG; where there are several, each in a group of its own.

    They do not wait for each other: what one of them lacks holds up none of the others.

    Args:
        kind: The kind of source.
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
    always = [entity.name for entity in of_kind(kind) if not entity.is_optional]
    optional = [entity.name for entity in of_kind(kind) if entity.is_optional]
    extracts = [
        extract.override(task_id=f"extract_{name}", trigger_rule=TriggerRule.ALL_DONE)(source, name) for name in always
    ]
    for name, whole in _AFTER.items():
        if name in always:
            chain(extracts[always.index(whole)], extracts[always.index(name)])
    extracts += [extract_optional(source, optional)] if optional else []
    judged = validate(source)
    merged = merge(source)
    published = publish.override(outlets=[asset])(source, asset)
    shown = show_verdict(source)
    chain(extracts, judged, merged, published, shown)
    # The leaf decides the run's colour: it must not run green after an extract that failed.
    chain([*extracts, judged, merged], shown)
