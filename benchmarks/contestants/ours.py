"""Perennial's own steps of one source and entity, each in a process of its own, as Airflow runs them."""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Run the step given, of the source and entity given; imports are not timed."""
    step, source, entity = sys.argv[1:4]
    from include import connections
    from include.sources import ingest, registry
    from include.warehouse import loader

    # Set-up and imports, which others have before their clocks start too.
    registry.connect(connections.get(source))
    loader.ensure_raw_tables()
    if step == "validate":
        from include.contracts import engine, validate

        assert validate
        engine.context()
    started = time.perf_counter()
    if step == "extract":
        rows = ingest.extract(source, entity).n_rows
    elif step == "validate":
        rows = ingest.validate(source).n_rows
    else:
        rows = ingest.merge(source).n_merged
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


if __name__ == "__main__":
    main()
