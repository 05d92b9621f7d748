"""Ingest in a separate process, killed at a random moment: ``python -m tests.connectors.story_process``."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.fixtures.children import Child

if TYPE_CHECKING:
    from tests.connectors.story import Vendor

# From its first call to well after its last, not counting the start of the process.
_SOONEST, _LATEST = 0.0, 2.5


def killed(seed: int) -> Callable[[Vendor], None]:
    """Return a step that starts ingest and kills it at a random moment unless it has ended."""
    rng = random.Random(f"killed {seed}")

    def step(vendor: Vendor) -> None:
        child = Child("tests.connectors.story_process", vendor.source, *vendor.entities)
        assert child.says("ready")
        if not child.ends_within(rng.uniform(_SOONEST, _LATEST)):
            child.kill()
        child.end()

    return step


def main() -> None:
    import include.contracts
    from include.common.errors import PerennialError
    from include.http import client, limiter
    from include.ingest import pipeline
    from tests.fixtures.ingest import FakeContracts

    include.contracts.validate = FakeContracts()  # type: ignore[attr-defined]
    client._wait = lambda state: 0.0
    limiter.Limiter.block = lambda self, kind, seconds: None  # type: ignore[method-assign]
    source, *entities = sys.argv[1:]
    print("ready", flush=True)
    try:
        pipeline.run(source, only=entities)
    except PerennialError:
        sys.exit(1)


if __name__ == "__main__":
    main()
