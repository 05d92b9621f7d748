"""Read some entities, or their history, with Perennial: a separate instance per entity, as under Airflow."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Read the given entities of a source; with ``past`` first, the history that the vendor keeps of them."""
    from include.common import connections
    from include.connectors import registry
    from include.ingest import pipeline
    from include.warehouse import raw_tables

    what, source, *entities = sys.argv[1:]
    if what == "past":
        reader = registry.connect(connections.get(source))
        rows = sum(len(page.records) for entity in entities for page in reader.history(entity))  # type: ignore[attr-defined]
    else:
        raw_tables.ensure_raw_tables()
        rows = sum(pipeline.extract(source, entity).n_rows for entity in entities)
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
