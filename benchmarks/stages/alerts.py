"""Signals judged by the sandbox's hidden truth, on worlds whose seeds no rule was tuned on; the ladder is not counted.

Each world is loaded and built as for real, and the stretch up to its anchor is replayed. The figures are shares, not
rates: a busy machine does not change them.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from benchmarks import house
from benchmarks.alerts_truth import NAMES, judge
from benchmarks.rows import Row
from include import paths

SEEDS = {"small": (202,), "full": (202, 303, 404)}
CUSTOMERS = 240
FIRST, LAST = date(2025, 9, 1), date(2026, 6, 29)
SOURCES = ("crm", "support", "product_db")


def run(size: str) -> list[Row]:
    """Measure."""
    rows = []
    for seed in SEEDS[size]:
        house.say(f"seed {seed}")
        rows += _seed(seed)
    return rows


def _seed(seed: int) -> list[Row]:
    from include.alerts.signals.load import load
    from include.sandbox.truth import causes
    from include.sandbox.world import names
    from include.sandbox.world.build import build as build_world
    from include.simulation import signals
    from include.simulation.history import replayed
    from include.sources import ingest
    from include.warehouse import build

    product, warehouse = house.database(), house.database(is_warehouse=True)
    overlay = house.home() / f"alerts {seed}"
    (overlay / "config").mkdir(parents=True, exist_ok=True)
    _competitors(overlay, names.COMPETITORS)
    before = dict(os.environ)
    os.environ |= {
        "PERENNIAL_DATABASE_URL": warehouse,
        "PERENNIAL_CONFIG_DIR": str(overlay),
        "PERENNIAL_NOW": house.NOW,
    }
    vendors = house.Sandbox(f"alerts-{seed}", CUSTOMERS, seed=str(seed), product_url=product)
    try:
        os.environ |= vendors.note["connections"]
        for source in SOURCES:
            ingest.run(source, run_id=f"alerts {seed}")
        build.run(f"alerts {seed}")
        rules = load()
        with replayed(FIRST, LAST, {loaded.signal.about for loaded in rules.values()}) as history:
            replay = signals.replay(history, rules)
    finally:
        vendors.stop()
        os.environ.clear()
        os.environ |= before
    found = judge(replay, causes(build_world(seed, date.fromisoformat(house.ANCHOR), CUSTOMERS).customers))
    case = f"seed {seed}"
    rows = [
        Row(case, "all", figures={
            "leavers named": f"{found.n_named} of {found.n_leavers}",
            "real, of those that name a cause": f"{found.share('any', set(NAMES)):.0%}",
            "real, of all risks": f"{found.share('any'):.0%}",
            "most of one person and day": max(replay.new_by_person_and_day().values(), default=0),
        })
    ]  # fmt: skip
    return rows + [
        Row(f"{case}: {name}", "signal", figures={"opened": counts["all"], "real": counts["any"]})
        for name, counts in sorted(found.risks.items())
    ]


def _competitors(overlay: Path, known: tuple[str, ...]) -> None:
    """Name the world's competitors, as a team would name its own."""
    text = (paths.ROOT / "include" / "config" / "settings.yaml").read_text()
    named = text.replace("competitors: []", f"competitors: [{', '.join(known)}]")
    (overlay / "config" / "settings.yaml").write_text(named)
