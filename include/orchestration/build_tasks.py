"""The tasks of the two build DAGs: a plan, one task per layer and subject, and a task that closes the build."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any

from airflow.sdk import Asset, Metadata, RetryAction, TriggerRule, XComArg, get_current_context, task

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


@task(execution_timeout=timedelta(hours=2))
def build_models(names: list[str]) -> Any:
    """Build the models of a task that are not built yet, and run their checks.

    A failed model fails the task, after the models that do not read it are built. A task whose models wait for one that
    failed in another task is skipped, so that only the failure itself is red.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from include.models import build_group
    from include.orchestration.results import as_json

    if not (build_id := _planned()):
        raise AirflowSkipException("no build is planned")
    found = build_group.run(build_id, names)
    if found.failed:
        log.error("failed: %s", ", ".join(found.failed))
        raise error_of(found.failed)
    if found.waiting:
        raise AirflowSkipException(f"not built: {', '.join(found.waiting)}")
    return as_json(found.built)


def error_of(failed: Mapping[str, Exception]) -> Exception:
    """Return the error of a task: one that is retried, if any of its models failed with such an error.

    Args:
        failed: Model -> its error.
    """
    from include.common.errors import PerennialError, Unavailable
    from include.gate.source_failures import as_perennial_error
    from include.orchestration.defaults import RETRY_POLICY

    def is_retried(error: Exception) -> bool:
        return RETRY_POLICY.evaluate(error, try_number=1, max_tries=1).action is RetryAction.RETRY

    name = next((name for name, error in failed.items() if is_retried(error)), next(iter(failed)))
    one = failed[name]
    if len(failed) == 1:
        return one
    text, kind = as_perennial_error(one), Unavailable if is_retried(one) else PerennialError
    return kind(f"{', '.join(failed)} failed; {name}: {text.message}", cure=text.cure)


@task(task_id="finish", doc_md="Closes the build, and clears the dirty ranges that it built.")
def finish() -> Any:
    """Close the build."""
    from include.models import build
    from include.orchestration.results import as_json

    return as_json(build.finish(_planned()))


@task(
    task_id="run_backfills",
    execution_timeout=timedelta(hours=3),
    doc_md="Runs each file of `config/backfills/` that has not run: days to rebuild, with reason and approver.",
)
def run_backfills() -> None:
    """Run the pending backfills one after the other. One that fails does not keep the others from running."""
    from include.models import backfill

    failed: dict[str, Exception] = {}
    for one in backfill.pending():
        log.info("backfill %s, %s to %s: %s (requested by %s, approved by %s)", one.name, one.first_day, one.last_day,
                 one.reason, one.requested_by, one.approved_by)  # fmt: skip
        try:
            for line in backfill.steps(one.build_id, backfill.plan(one)):
                log.info("%s", line)
        except Exception as error:
            log.exception("backfill %s failed", one.name)
            failed[f"backfill {one.name}"] = error
    if failed:
        raise error_of(failed)


@task(task_id="publish_kpis", doc_md="Closes the build, and publishes the asset of the changed tables.")
def publish_kpis(asset: Asset) -> Iterator[Metadata]:
    """Close the build and publish the KPI asset."""
    from include.models import build
    from include.orchestration.notices import notify_contracts
    from include.orchestration.results import as_json

    yield Metadata(asset, as_json(build.finish(_planned())))
    notify_contracts()


def build_between(planned: XComArg, closed: XComArg) -> None:
    """Wire one task per layer and subject between the plan and the closing task.

    An edge means that a model of one task reads a model of the other. A task starts after those that it reads, even if
    one of them failed, and builds what can be built. The closing task follows all of them, so any failure stops it.
    """
    groups = grouped(registry.names(), registry.edges())
    task_of = {name: group for group, names in groups.items() for name in names}
    upstream: dict[str, set[str]] = {group: set() for group in groups}
    for parent, name in registry.edges():
        upstream[task_of[name]] |= {task_of[parent]} - {task_of[name]}
    tasks = {
        group: build_models.override(
            task_id=group,
            trigger_rule=TriggerRule.ALL_DONE if upstream[group] else TriggerRule.ALL_SUCCESS,
            doc_md=f"Builds the changed ranges of these tables, and runs their checks: `{'`, `'.join(names)}`.",
        )(names)
        for group, names in groups.items()
    }
    for group, one in tasks.items():
        for parent in sorted(upstream[group]):
            tasks[parent] >> one
        if not upstream[group]:
            planned >> one
        one >> closed


def grouped(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return task -> its models: those of the same layer and subject (the first tag of their metadata).

    A model that would close a circle of tasks, such as one of an overlay, begins another task of its layer and subject.

    Args:
        names: The models in build order.
        edges: Pairs of a model and one that reads it.
    """
    parents: dict[str, set[str]] = {name: set() for name in names}
    for parent, name in edges:
        parents[name].add(parent)
    groups: dict[str, list[str]] = {}
    newest: dict[str, str] = {}
    task_of: dict[str, str] = {}
    above: dict[str, set[str]] = {}  # task -> all tasks that must end before it
    for name in names:
        subject = f"{name.partition('.')[0]}_{registry.get(name).metadata.tags[0]}"
        read = {task_of[parent] for parent in parents[name]}
        needed = read.union(*(above[each] for each in read))
        group = newest.get(subject, subject)
        if any(group in above[each] for each in read):
            group += "_later"
        newest[subject], task_of[name] = group, group
        groups.setdefault(group, []).append(name)
        for task_id in (group, *(each for each, its in above.items() if group in its)):
            above[task_id] = above.get(task_id, set()) | needed - {task_id}
    return groups


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
