"""Load one sandbox world, play it on by quarters, and store what the back-tests of scores and forecast read.

Arguments: seed, customers, quarters to play, folder for the result. Connections, warehouse, time and the sandbox's
address come from the environment. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

SOURCES = ("crm", "support", "product_db")
# The day of a quarter on which it is read and built: the forecast of its start is kept up to the third day.
DAY, HOUR = 2, "T12:00:00+00:00"
# After the last quarter, until all its renewals are settled.
AFTER = timedelta(days=32)


def main() -> None:
    import numpy as np

    from benchmarks import scores_pool, services
    from include.common import quarters
    from include.sandbox.truth import causes
    from include.sandbox.world.build import build as build_world
    from include.scores.forecast import past
    from include.scores.health import checkpoints, record
    from include.warehouse.engine import engine

    seed, customers, n_quarters, folder = sys.argv[1:]
    started, spent = time.perf_counter(), []
    anchor = date.fromisoformat(services.ANCHOR)
    _step(f"scores {seed} 0")
    spent.append(round(time.perf_counter() - started, 1))
    first = quarters.plus(quarters.start(anchor), 1)
    starts = [quarters.plus(first, number) for number in range(int(n_quarters) + 1)] if int(n_quarters) else []
    moments = [each + timedelta(days=DAY - 1) for each in starts] + [each + AFTER for each in starts[-1:]]
    for number, day in enumerate(moments, 1):
        _advance(f"{day}{HOUR}")
        _step(f"scores {seed} {number}")
        spent.append(round(time.perf_counter() - started - sum(spent), 1))
    profile = record.profile_of()
    with engine("reader").connect() as connection:
        found = checkpoints.read(connection, profile)
        frozen = past.read(connection)
        accounts = connection.exec_driver_sql(
            "select renewal_id || ' ' || days_before, account_key, as_of from marts.health_checkpoint"
        ).all()
    truth = causes(build_world(int(seed), anchor, int(customers)).customers)
    account_of = {key: (account, as_of) for key, account, as_of in accounts}
    seen = [
        account_of[f"{renewal} {days}"]
        for renewal, days in zip(found.rows.renewal.tolist(), found.rows.checkpoint.tolist(), strict=True)
    ]
    reader = [scores_pool.reader(truth.get(account.partition(":")[2]), as_of) for account, as_of in seen]
    place = Path(folder) / f"{seed}.npz"
    np.savez(place, **scores_pool.packed(found), reader=np.array(reader))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "steps": spent,
                "rows": len(reader),
                "kept": str(place),
                "n_open": found.n_open,
                "frozen": [asdict(row) for row in frozen],
            },
            default=str,
        )
    )


def _step(run_id: str) -> None:
    """Read all sources, and build."""
    from include.ingest import pipeline
    from include.models import build
    from include.warehouse.engine import engine

    for source in SOURCES:
        pipeline.run(source, run_id=run_id)
    built = build.run(run_id)
    if not isinstance(built, build.Finished):
        raise SystemExit(f"no build: {built.reason}")
    # Autovacuum's statistics of freshly filled tables come only a minute later.
    with engine("owner").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("analyze")


def _advance(moment: str) -> None:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        address = f"{os.environ['BENCH_SANDBOX']}/_control/clock"
        session.post(address, json={"at": datetime.fromisoformat(moment).isoformat()}, timeout=600).raise_for_status()
    os.environ["PERENNIAL_NOW"] = moment


if __name__ == "__main__":
    main()
