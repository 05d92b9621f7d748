"""Judge health scores and the forecast on worlds that nothing was tuned on; and score a book of 50,000 accounts.

Each world is loaded and built normally, 18 months in one first load. Checkpoints of all worlds are judged together,
like those of one vendor. Some worlds are then played on, quarter by quarter: the interval of a quarter's forecast, as
stored when it began, is compared with what came. The figures are shares, so a busy machine does not change them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure, scores_pool, services
from benchmarks.rows import Row
from benchmarks.stages.alerts import PARALLEL, with_competitors
from include.scores import statistics
from include.scores.health import backtest, record
from include.scores.health.backtest import Judged

SEEDS = {"small": (301,), "full": (301, 302, 303, 304, 305, 306)}
PLAYED = {"small": (), "full": (401, 402, 403, 404, 405, 406, 407, 408, 409, 410)}
QUARTERS = 4
CUSTOMERS = {"small": 60, "full": 240}
BOOK = {"small": 2_000, "full": 50_000}
BOOK_SECONDS, BOOK_MB = 30.0, 500.0
DAYS = (90, 60, 30)
# AUC that a useful score reaches at each checkpoint. Above the second one at T-90, information leaked.
TARGETS, LEAK = {90: 0.68, 60: 0.76, 30: 0.82}, 0.84
READER = "reader of every symptom, two weeks late"


def run(size: str) -> list[Row]:
    folder = services.home() / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    customers = CUSTOMERS[size]
    with ThreadPoolExecutor(PARALLEL) as threads:
        worlds = list(threads.map(lambda seed: world(seed, customers, 0, folder), SEEDS[size]))
        played = list(threads.map(lambda seed: world(seed, customers, QUARTERS, folder), PLAYED[size]))
    return [*judged(worlds), *_quarters(played), _book(BOOK[size])]


def world(seed: int, customers: int, n_quarters: int, folder: Path) -> dict[str, Any]:
    """Return the result of a world.

    Args:
        n_quarters: Number of quarters to play on.
        folder: For its checkpoints.
    """
    product, warehouse = services.database(), services.database(is_warehouse=True)
    overlay = with_competitors(f"scores {seed}")
    vendors = services.Sandbox(f"scores-{seed}", customers, seed=str(seed), product_url=product)
    try:
        arguments = [str(seed), str(customers), str(n_quarters), str(folder)]
        done = measure.run(
            [sys.executable, "-m", "benchmarks.contestants.scores_world", *arguments],
            environment={
                **vendors.note["connections"],
                "PERENNIAL_DATABASE_URL": warehouse,
                "PERENNIAL_HOME": str(overlay),
                "PERENNIAL_CONFIG_DIR": str(overlay),
                "PERENNIAL_NOW": services.NOW,
                "BENCH_SANDBOX": vendors.url,
            },
            timeout=7200,
        )
    finally:
        vendors.stop()
        services.drop(warehouse)
        services.drop(product)
    services.say(f"seed {seed}: {done.seconds:.0f} s, {done.result['steps']}")
    return done.result


def judged(worlds: Sequence[dict[str, Any]]) -> list[Row]:
    """Return a row per method with its AUC at each checkpoint, and one with the other targets."""
    n_open = sum(each["n_open"] for each in worlds)
    found, reader = scores_pool.pooled([Path(each["kept"]) for each in worlds], n_open)
    result = backtest.judge(found, record.profile_of())
    methods = dict.fromkeys(one.method for one in result.judged if one.segment == backtest.ALL)
    at = {(one.method, one.days_before): one for one in result.judged if one.segment == backtest.ALL}
    rows = [
        Row(
            f"AUC, {len(worlds)} worlds, {result.n_losses} losses",
            method,
            figures={f"T-{days}": _shown(at.get((method, days))) for days in DAYS},
        )
        for method in methods
    ]
    areas = {}
    for days in DAYS:
        chosen = found.rows.checkpoint == days
        area = statistics.auc(reader[chosen].tolist(), found.rows.is_lost[chosen].tolist())
        areas[f"T-{days}"] = "" if area is None else f"{area:.2f}"
    rows.append(Row(rows[0].case, READER, figures=areas))
    figures = {
        "red lost, times all": result.red_multiple,
        "lost below green 60 to 90 days before": result.lost_below_green,
        "green": result.share_green,
        "median lead, days": result.lead_days,
        "coverage": result.coverage,
        **{f"slope at T-{days}": at[backtest.SCORE, days].slope for days in DAYS},
        **{f"lift at T-{days}": at[backtest.SCORE, days].lift for days in DAYS},
    }
    shown = {name: "" if value is None else f"{value:.2f}" for name, value in figures.items()}
    wanted = "targets: AUC 0.68, 0.76, 0.82; red 3; lost below green 0.67; green at most 0.80; slopes 0.8 to 1.2"
    return [*rows, *(Row(name, backtest.SCORE, figures={"value": value}) for name, value in shown.items()),
            Row("all", backtest.SCORE, note=wanted)]  # fmt: skip


def _shown(one: Judged | None) -> str:
    if one is None or one.auc is None:
        return ""
    return f"{one.auc:.2f}" + (f" ({one.low:.2f} to {one.high:.2f})" if one.low is not None else "")


def _quarters(worlds: Sequence[dict[str, Any]]) -> list[Row]:
    """Return how often the interval of a quarter's forecast held what came."""
    pasts = [one for each in worlds for one in scores_pool.quarters(each["frozen"])]
    if not pasts:
        return []
    held = [one.p10 <= one.actual <= one.p90 for one in pasts]
    below = [one.actual < one.p10 for one in pasts]
    error = [one.actual / one.p50 - 1 for one in pasts if one.p50]
    return [
        Row(
            "quarters of played worlds",
            "P10 to P90, as stored when the quarter began",
            n=len(pasts),
            figures={
                "held": f"{np.mean(held):.0%}",
                "below P10": f"{np.mean(below):.0%}",
                "median of came / P50 - 1": f"{np.median(error):+.1%}",
            },
            note="target: 75% to 85%",
        )
    ]


def _book(n: int) -> Row:
    warehouse = services.database(is_warehouse=True)
    try:
        done = measure.run(
            [sys.executable, "-m", "benchmarks.contestants.scores_book", str(n)],
            environment={"PERENNIAL_DATABASE_URL": warehouse},
            timeout=3600,
        )
    finally:
        services.drop(warehouse)
    steps = ", ".join(f"{name} {seconds} s" for name, seconds in done.result["steps"].items())
    return Row(
        "a day's scores with explanations",
        "ours, CPU seconds, without changes",
        n=n,
        seconds=(done.seconds,),
        peak_mb=done.peak_mb,
        most_mb=BOOK_MB,
        note=f"{steps}; target: {BOOK_SECONDS:.0f} s",
    )
