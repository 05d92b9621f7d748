"""Perennial's own steps of one source and entity, each in a process of its own, as Airflow runs them."""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    """Run the step given, of the source and entity given; imports are not timed."""
    step, source, entity = sys.argv[1:4]
    from include.common import connections
    from include.connectors import registry
    from include.ingest import pipeline
    from include.warehouse import raw_tables

    # Set-up and imports, which others have before their clocks start too.
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
