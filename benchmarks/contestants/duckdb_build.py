"""Rebuild all models in DuckDB on copies of the same rows. Only the models' statements are timed.

Long histories are built in the same pieces as ours. In one go, tens of millions of rows do not fit into memory, and
DuckDB's spill files have filled 36 GB of disk.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Rebuild all models from the rows of the warehouse in force."""
    from benchmarks.duckdb_models import LEFT_OUT, DuckDbModels
    from include.models import build_store, increments, registry
    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        newest = build_store.frontier(connection)
        n_accounts = increments.n_accounts(connection)
    if newest is None:
        raise SystemExit("nothing is built yet")
    known = registry.load()
    made = [model for name, model in known.items() if name not in LEFT_OUT]
    with tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
        on_duckdb = DuckDbModels(Path(folder), newest, f"{folder}/models.duckdb")
        for model in made:
            on_duckdb.copy_inputs(model, made={each.name for each in made})
        on_duckdb.duck.execute("checkpoint")
        seconds = {}
        for model in made:
            started = time.perf_counter()
            everything = increments.Piece(*newest.all_days)
            is_cut = model.metadata.materialisation in increments.CUT
            on_duckdb.make(model, list(increments.parts(everything, n_accounts)) if is_cut else ())
            seconds[model.name] = time.perf_counter() - started
        rows = sum(on_duckdb.count(model) for model in made if model.metadata.materialisation != "view")
        on_duckdb.close()
    print(json.dumps({"rows": rows, "seconds": sum(seconds.values()), "models": seconds}))


if __name__ == "__main__":
    main()
