"""The tasks of the two build DAGs: a plan, one task per SQL model, and a task that closes the build."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any

from airflow.sdk import Asset, Metadata, TaskGroup, XComArg, get_current_context, task

from include.models import registry

log = logging.getLogger(__name__)


@task.short_circuit(
    task_id="plan",
    doc_md="Sets the window, the accounts and `known_at` of this build. Skips the other tasks if nothing has changed.",
)
def plan(kind: str, *, partition_key: str | None = None) -> str | None:
    """Plan a build.

    Args:
        kind: ``forward`` for the newest day, ``rebuild`` for the day of the run's partition.
        partition_key: That day. Airflow fills it in.

    Returns:
        The build's id, or None if there is nothing to build.
    """
    from include.models import build

    build_id = _build_id()
    if kind == "forward":
        planned = build.plan(build_id, "forward")
    else:
        day = _day(partition_key)
        planned = build.plan(build_id, "rebuild", start=day, end=day + timedelta(days=1))
    log.info("%s", planned.reason)
    return build_id if planned else None


@task
def build_model(name: str) -> Any:
    """Build one model and run its checks."""
    from include.models import build
    from include.orchestration.results import as_json

    return as_json(build.build_model(_planned(), name))


@task(task_id="finish", doc_md="Closes the build, and clears the dirty ranges that it built.")
def finish() -> Any:
    """Close the build."""
    from include.models import build
    from include.orchestration.results import as_json

    return as_json(build.finish(_planned()))


@task(task_id="publish_kpis", doc_md="Closes the build, and publishes the asset of the changed tables.")
def publish_kpis(asset: Asset) -> Iterator[Metadata]:
    """Close the build and publish the KPI asset."""
    from include.models import build
    from include.orchestration.notices import notify_contracts
    from include.orchestration.results import as_json

    yield Metadata(asset, as_json(build.finish(_planned())))
    notify_contracts()


def build_between(planned: XComArg, closed: XComArg) -> None:
    """Wire one task per SQL model between the plan and the closing task. An edge is a reference in a model's query.

    Models of the same layer and subject (the first tag of their metadata) form a task group, which keeps the graph
    readable.
    """
    edges = registry.edges()
    groups: dict[str, TaskGroup] = {}
    tasks = {}
    for name in registry.names():
        layer, subject = name.partition(".")[0], registry.get(name).metadata.tags[0]
        group = f"{layer}_{subject}"
        if group not in groups:
            groups[group] = TaskGroup(group, prefix_group_id=False, tooltip=f"Tables of {layer} about {subject}")
        about = f"Builds the changed ranges of `{name}`, and runs its checks."
        tasks[name] = build_model.override(task_id=name, task_group=groups[group], doc_md=about)(name)
    for upstream, downstream in edges:
        tasks[upstream] >> tasks[downstream]
    for name in tasks.keys() - {downstream for _, downstream in edges}:
        planned >> tasks[name]
    for name in tasks.keys() - {upstream for upstream, _ in edges}:
        tasks[name] >> closed


def _build_id() -> str:
    """Return the id of this run's build: the same for each retry, and a new one when a finished run is cleared."""
    from include.models import build_store
    from include.warehouse.engine import engine

    context = get_current_context()
    name = f"{context['dag'].dag_id}/{context['run_id']}"
    with engine("reader").connect() as connection:
        for number in count(1):
            candidate = name if number == 1 else f"{name}/{number}"
            found = build_store.find(connection, candidate)
            if found is None or found.state not in build_store.SETTLED:
                return candidate
    raise AssertionError("count() does not end")


def _planned() -> str:
    return get_current_context()["ti"].xcom_pull(task_ids="plan")


def _day(partition_key: str | None) -> date:
    from include.common.errors import ConfigError

    try:
        return date.fromisoformat(partition_key or "")
    except ValueError:
        raise ConfigError(
            f"the run's partition key {partition_key!r} is not a day",
            cure="trigger rebuild_kpis with a partition key such as 2026-01-31, or use a backfill",
        ) from None
