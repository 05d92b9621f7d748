"""Judge signals by the sandbox's hidden truth, on worlds that no rule was tuned on; and decide on 50,000 accounts.

The seeds and parameters of these worlds (``benchmarks.other_world``) differ from those that rules were tuned on. The
renewal ladder is not counted. Each world is loaded and built normally, and its days up to the anchor are replayed, two
worlds at a time. These figures are shares, not rates, so a busy machine does not change them. The 50,000 accounts are
decided in one process, as in production.
"""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from benchmarks import measure, services
from benchmarks.alerts_truth import NAMES
from benchmarks.rows import Row
from include.common import paths

SEEDS = {"small": (104,), "full": (104, 105, 106, 107, 108)}
CUSTOMERS = {"small": 120, "full": 240}
FIRST, LAST = "2025-09-01", "2026-06-29"
# Two worlds at a time: as many as a small machine has cores.
PARALLEL = 2
BOOK_MB = 500.0


def run(size: str) -> list[Row]:
    seeds = SEEDS[size]
    products = [services.database() for _ in seeds]
    warehouses = [services.database(is_warehouse=True) for _ in seeds]
    with ThreadPoolExecutor(PARALLEL) as threads:
        worlds = list(threads.map(_world, seeds, [CUSTOMERS[size]] * len(seeds), products, warehouses))
    rows = [_of(f"seed {seed}", [world]) for seed, world in zip(seeds, worlds, strict=True)]
    rows.append(_of("all seeds", worlds))
    rows += _causes(worlds)
    rows += _signals(worlds)
    rows.append(_load(worlds))
    return [*rows, *_book()]


def _world(seed: int, customers: int, product: str, warehouse: str) -> dict[str, Any]:
    overlay = with_competitors(f"alerts {seed}")
    vendors = services.Sandbox(
        f"alerts-{seed}", customers, seed=str(seed), product_url=product, module="benchmarks.other_world"
    )
    try:
        done = measure.run(
            [sys.executable, "-m", "benchmarks.contestants.alerts_world", str(seed), str(customers), FIRST, LAST],
            environment={
                **vendors.note["connections"],
                "PERENNIAL_DATABASE_URL": warehouse,
                "PERENNIAL_HOME": str(overlay),
                "PERENNIAL_CONFIG_DIR": str(overlay),
                "PERENNIAL_NOW": services.NOW,
            },
            timeout=1800,
        )
    finally:
        vendors.stop()
        services.drop(warehouse)
        services.drop(product)
    services.say(f"seed {seed}: {done.seconds:.0f} s, {done.result['steps']}")
    return done.result


def _of(case: str, worlds: list[dict[str, Any]]) -> Row:
    """Return the row of the requirements' figures, for one world or several."""
    risks = _risks(worlds)
    judged = [world["judged"] for world in worlds]
    naming = sum((counts for name, counts in risks.items() if name in NAMES), Counter())
    every = sum(risks.values(), Counter())
    return Row(
        case,
        "all signals",
        figures={
            "leavers": sum(each["n_leavers"] for each in judged),
            "named": sum(each["n_named"] for each in judged),
            "opened": every["all"],
            "real": _share(every, "real"),
            "with a cause of leaving": _share(every, "cause"),
            "the same, signals that name a cause": _share(naming, "cause"),
        },
        note="target: 80% of leavers named, 60% real",
    )


def _causes(worlds: list[dict[str, Any]]) -> list[Row]:
    found: dict[str, Counter[str]] = {}
    for world in worlds:
        for cause, counts in world["judged"]["per_cause"].items():
            found.setdefault(cause, Counter()).update(counts)
    return [
        Row(f"leavers: {cause}", "all signals", figures={"leavers": counts["leavers"], "named": counts["named"]})
        for cause, counts in sorted(found.items())
    ]


def _signals(worlds: list[dict[str, Any]]) -> list[Row]:
    return [
        Row(
            "risks, all seeds",
            name,
            figures={
                "opened": counts["all"],
                "real": _share(counts, "real"),
                "with a cause of leaving": _share(counts, "cause"),
            },
        )
        for name, counts in sorted(_risks(worlds).items())
    ]


def _load(worlds: list[dict[str, Any]]) -> Row:
    alerts = [number for world in worlds for number in world["alerts"]]
    accounts = [number for world in worlds for number in world["accounts"]]
    return Row(
        "new alerts per CSM and working day",
        "all signals, before the budget",
        n=len(alerts),
        figures={
            "accounts per CSM": f"{min(accounts)} to {max(accounts)}, mean {mean(accounts):.0f}",
            "mean": f"{mean(alerts):.2f}",
            "p95": f"{quantiles(alerts, n=20, method='inclusive')[-1]:.0f}",
            "maximum": max(alerts),
            "days above 5": sum(number > 5 for number in alerts),
        },
        note="target: at most 5 with 60 accounts",
    )


def _book() -> list[Row]:
    """Decide on 50,000 accounts. The soak test measures this, so that there is one measurement only."""
    test = "tests/decide/signals/test_scale.py"
    command = [sys.executable, "-m", "pytest", "-m", "soak", "-p", "no:cacheprovider", "-q", "-s", test]
    try:
        result = measure.run(command).result
    except measure.Failed as failure:
        # The test also fails if the decision takes too long. Everything else has been measured by now.
        services.say(str(failure))
        return [Row("deciding a book", "first day", note="failed, or over 30 s or 500 MB")]
    return [
        Row(
            "deciding a book",
            who,
            n=result["rows"],
            seconds=(result[step],),
            peak_mb=result["peak_mb"],
            most_mb=BOOK_MB,
            figures={"opened": result["episodes"]},
            note="target: 30 s",
        )
        for who, step in (("first day", "first"), ("next day", "second"))
    ]


def _risks(worlds: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for world in worlds:
        for name, counts in world["judged"]["risks"].items():
            found.setdefault(name, Counter()).update(counts)
    return found


def _share(counts: Counter[str], what: str) -> str:
    return f"{counts[what]} ({counts[what] / counts['all']:.0%})" if counts["all"] else ""


def with_competitors(name: str) -> Path:
    """Create an overlay whose settings name the world's competitors, as a team's would. Return its folder."""
    from include.sandbox.world import names

    overlay = services.home() / name
    (overlay / "config").mkdir(parents=True, exist_ok=True)
    text = (paths.ROOT / "include" / "defaults" / "config" / "settings.yaml").read_text()
    named = text.replace("competitors: []", f"competitors: [{', '.join(names.COMPETITORS)}]")
    (overlay / "config" / "settings.yaml").write_text(named)
    return overlay
