"""Run one step of Perennial on a warehouse of a given size, in its own process: fill, load, try, build or decide.

Prints the seconds of the step and, for builds, of each model.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date


def main() -> None:
    """Run the given step for a world and a day."""
    from benchmarks import big_world
    from include.models import build

    step, accounts, per_day, days, newest, day = sys.argv[1:]
    world = big_world.World(int(accounts), int(per_day), int(days), date.fromisoformat(newest))
    started = time.perf_counter()
    result: dict[str, object] = {"rows": world.usage_per_day}
    if step == "fill":
        big_world.fill(world)
        result["rows"] = world.usage_rows
    elif step == "load":
        big_world.load_next_day(world, date.fromisoformat(day))
    elif step == "try":
        big_world.load_trial(world, date.fromisoformat(day))
    elif step == "change":
        done = build.run("change")
        if isinstance(done, build.Finished):
            result |= {"rows": done.n_changed, "models": _models("change")}
    elif step == "decide":
        result["rows"] = _decided(day)
    else:
        done = build.run(f"build {day}")
        if not isinstance(done, build.Finished):
            raise SystemExit(f"no build: {done.reason}")
        result |= {"rows": done.n_rows, "sql_seconds": done.seconds, "models": _models(f"build {day}")}
    print(json.dumps(result | {"seconds": time.perf_counter() - started}))


def _decided(day: str) -> int:
    """Decide, and send due deliveries. Every channel has its default settings, which suppress them."""
    from include.decide import decide
    from include.deliver import deliver

    planned = decide.decide(f"day {day}").n_planned
    deliver.deliver()
    return planned


def _models(build_id: str) -> dict[str, float]:
    import sqlalchemy as sa

    from include.warehouse.engine import engine

    with engine("reader").connect() as connection:
        found = connection.execute(
            sa.text("select model, seconds from meta.build_model where build_id = :id"), {"id": build_id}
        )
        return {row.model: row.seconds for row in found}


if __name__ == "__main__":
    main()
