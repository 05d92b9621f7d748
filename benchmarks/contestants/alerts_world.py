"""Load and build one sandbox world, replay its signals up to its anchor day, and judge them.

Arguments: seed, customers, first and last day. Connections, warehouse and time come from the environment. Prints one
line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date

SOURCES = ("crm", "support", "product_db")


def main() -> None:
    from benchmarks import alerts_truth, other_world, services
    from include.decide.signals.load import load
    from include.ingest import pipeline
    from include.models import build
    from include.sandbox.truth import causes
    from include.sandbox.world.build import build as build_world
    from include.simulation import signals
    from include.simulation.history import replayed
    from include.warehouse.engine import engine

    seed, customers, first, last = sys.argv[1:]
    started, steps = time.perf_counter(), {}

    def done(step: str) -> None:
        steps[step] = round(time.perf_counter() - started - sum(steps.values()), 1)

    for source in SOURCES:
        pipeline.run(source, run_id=f"alerts {seed}")
    done("ingest")
    built = build.run(f"alerts {seed}")
    if not isinstance(built, build.Finished):
        raise SystemExit(f"no build: {built.reason}")
    # Autovacuum's statistics of freshly filled tables come only a minute later.
    with engine("owner").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("analyze")
    done("build")
    rules = load()
    with replayed(
        date.fromisoformat(first), date.fromisoformat(last), {rule.about for rule in rules.values()}
    ) as history:
        done("tables")
        replay = signals.replay(history, rules)
    done("replay")
    with other_world.in_force():
        truth = causes(build_world(int(seed), date.fromisoformat(services.ANCHOR), int(customers)).customers)
    judged = alerts_truth.judge(replay, truth)
    result = {
        "rows": len(replay.notified),
        "seconds": time.perf_counter() - started,
        "steps": steps,
        "judged": vars(judged),
        "alerts": alerts_truth.alerts_by_person_and_day(replay),
        "accounts": list(replay.accounts.values()),
    }
    print(json.dumps(result, default=str))


if __name__ == "__main__":
    main()
