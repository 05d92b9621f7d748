"""The tasks of the two build DAGs: a plan, one task per SQL model, an end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from airflow.sdk import Asset, Metadata, TaskGroup, get_current_context, task

from include.warehouse import models


def build_id() -> str:
    """Return the id of this run's build, the same for each of its tasks and for each of their tries."""
    context = get_current_context()
    return f"{context['dag'].dag_id}/{context['run_id']}"


@task.short_circuit(doc_md="Fixes the window, the accounts and `known_at` of this build; skips it if nothing changed.")
def plan(kind: str, *, partition_key: str | None = None) -> bool:
    """Plan a build.

    Args:
        kind: ``forward`` for the newest day, ``rebuild`` for the day of the run's partition.
        partition_key: That day; filled in by Airflow.
    """
    from include.warehouse import build

    if kind == "forward":
        return build.plan(build_id(), "forward")
    day = _day(partition_key)
    return build.plan(build_id(), "rebuild", start=day, end=day + timedelta(days=1))


@task
def build_model(name: str) -> Any:
    """Build one model and check it."""
    from include.orchestration.results import as_json
    from include.warehouse import build

    return as_json(build.build_model(build_id(), name))


@task(doc_md="Closes the build: what it has built is not dirty any more.")
def finish() -> Any:
    """Close the build."""
    from include.orchestration.results import as_json
    from include.warehouse import build

    return as_json(build.finish(build_id()))


@task(doc_md="Closes the build and tells those who decide that the tables have moved.")
def publish_kpis(asset: Asset) -> Iterator[Metadata]:
    """Close the build and publish the KPI asset."""
    from include.orchestration.results import as_json
    from include.warehouse import build

    yield Metadata(asset, {"build": as_json(build.finish(build_id()))})


def build_tables() -> TaskGroup:
    """Wire one task per SQL model; an edge is a reference in a model's own query."""
    with TaskGroup("tables", prefix_group_id=False, tooltip="One task per SQL model") as group:
        tasks = {name: build_model.override(task_id=name, task_display_name=name)(name) for name in models.names()}
        for upstream, downstream in models.edges():
            tasks[upstream] >> tasks[downstream]
    return group


def _day(partition_key: str | None) -> date:
    from include.errors import ConfigError

    try:
        return date.fromisoformat(partition_key or "")
    except ValueError:
        raise ConfigError(
            f"the run's partition key {partition_key!r} is no day",
            cure="trigger rebuild_kpis with a partition key such as 2026-01-31, or use a backfill",
        ) from None
