"""Build several models in one process. A failed model leaves out only those that read it, directly or not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from include.models import build, build_store, registry
from include.models.build_store import Built
from include.warehouse.engine import engine

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of each model.

    Args:
        built: Those that this build has built, now or before.
        failed: Model -> its error.
        waiting: Model -> the models that it reads and that are not built.
    """

    built: list[Built] = field(default_factory=list)
    failed: dict[str, Exception] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)


def run(build_id: str, names: Sequence[str]) -> Outcome:
    """Build models, each in its own transaction. A repeated call builds those that are not built yet.

    In a build that is done or superseded, no model waits: there is nothing left to build.

    Args:
        names: In build order.
    """
    found = Outcome()
    with engine("reader").connect() as connection:
        done = build_store.done_models(connection, build_id)
    if build_store.is_settled(build_id):
        done |= {*registry.names()}
    for name in names:
        if missing := [each for each in registry.get(name).models if each not in done]:
            found.waiting[name] = missing
            log.warning("%s waits for %s", name, ", ".join(missing))
            continue
        try:
            one = build.build_model(build_id, name)
        except Exception as error:
            found.failed[name] = error
            log.error("%s failed: %s", name, error)
            continue
        log.info("%s: %s in %s s, %s rows changed", name, one.scope, one.seconds, one.n_changed)
        found.built.append(one)
        done.add(name)
    return found
