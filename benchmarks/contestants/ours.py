"""Run one of Perennial's steps for a source and entity, in its own process, as Airflow does."""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Run the given step of a source and entity. Imports are not timed."""
    step, source, entity = sys.argv[1:4]
    from include.common import connections
    from include.connectors import registry
    from include.ingest import pipeline
    from include.warehouse import raw_tables

    # Set-up and imports, which the other contestants also do before their clocks start.
    registry.connect(connections.get(source))
    raw_tables.ensure_raw_tables()
    if step == "validate":
        from include.contracts import engine, validate

        assert validate
        engine.context()
    started = time.perf_counter()
    if step == "extract":
        rows = pipeline.extract(source, entity).n_rows
    elif step == "validate":
        rows = pipeline.validate(source).n_rows
    else:
        rows = pipeline.merge(source).n_merged
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


if __name__ == "__main__":
    main()
