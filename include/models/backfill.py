"""Run the backfills of ``config/backfills/``, each once."""

from __future__ import annotations

from collections.abc import Iterator

from include.common.errors import ConfigError
from include.config import backfills
from include.config.backfills import Backfill
from include.models import build, build_store, registry
from include.models.build import Plan
from include.models.increments import DAY
from include.warehouse.engine import engine


def named(name: str) -> Backfill:
    """Return a backfill.

    Raises:
        ConfigError: There is no such file.
    """
    listed = backfills.load()
    if name not in listed:
        known = ", ".join(sorted(listed)) or "there is none"
        raise ConfigError(f"no backfill {name!r}: {known}", cure=f"write config/backfills/{name}.yaml into your folder")
    return listed[name]


def pending() -> list[Backfill]:
    """Return the backfills that have not run, by name."""
    return [one for _, one in sorted(backfills.load().items()) if not build_store.is_settled(one.build_id)]


def plan(one: Backfill) -> Plan:
    """Plan a backfill, or resume one that was interrupted.

    Raises:
        ConfigError: One of its days is not built. Before the first build, it waits instead.
    """
    with engine("reader").connect() as connection:
        newest = build_store.frontier(connection)
    if newest and not (newest.all_days.start <= one.first_day and one.last_day < newest.all_days.end):
        raise ConfigError(
            f"backfill {one.name}: {one.first_day} to {one.last_day} is not within the days that are built,"
            f" {newest.all_days.start} to {newest.newest_day}",
            cure=f"correct the days in config/backfills/{one.name}.yaml",
        )
    return build.plan(one.build_id, "rebuild", one.first_day, one.last_day + DAY)


def steps(build_id: str, planned: Plan) -> Iterator[str]:
    """Build all models of a planned build one after the other, and close it. Yield one line per step."""
    if not planned:
        yield f"nothing to build: {planned.reason}"
        return
    yield f"build {build_id}: {planned.reason}"
    for name in registry.names():
        built = build.build_model(build_id, name)
        if built.reason:
            yield f"  {name}: {built.scope} ({built.reason})"
        for check in built.warnings:
            yield f"  {name}: {check.n_bad} rows, {check.name}: {check.meaning}"
    done = build.finish(build_id)
    yield (
        f"built {done.n_models} tables up to {done.newest_day} in {done.seconds:.1f} s:"
        f" {done.n_rows} rows made, {done.n_changed} changed"
    )
