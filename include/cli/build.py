"""``build``."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from include.common import clock
from include.common.errors import ConfigError
from include.models import build, build_store, registry
from include.models.increments import DAY


def run(since: str, until: str, build_id: str) -> Iterator[str]:
    """Build forward, or rebuild the given days; yield one line per step.

    Args:
        since: First day to rebuild as ``2026-01-31``; empty to build forward.
        until: Last day to rebuild; the first by default.
        build_id: Resume the build of this name, or give a new one it; a name of its own by default.

    Raises:
        ConfigError: A day is not a day, the last comes before the first, or a build of that name has ended.
    """
    if build_id and build_store.is_settled(build_id):
        raise ConfigError(f"build {build_id} has ended; nothing was built", cure="leave out --id, or give a new id")
    build_id = build_id or f"cli/{clock.now():%Y-%m-%dT%H:%M:%S}-{secrets.token_hex(4)}"
    if since or until:
        first, last = clock.day(since or until, "--from"), clock.day(until or since, "--to")
        if last < first:
            raise ConfigError(f"--to {last} comes before --from {first}", cure="swap them")
        planned = build.plan(build_id, "rebuild", first, last + DAY)
    else:
        planned = build.plan(build_id)
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
