"""Measure the KPI models at scale: a day's build after a long and a short history; full rebuilds by DuckDB and dbt.

Both histories have the same accounts, the same contracts and the same rows per day, and advance in turns. The cost of a
day must not grow with the history. DuckDB and dbt run the same models on the same rows of the long history. Seconds are
those of the models alone, as recorded by the builds, DuckDB and dbt, without loading and planning.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from benchmarks import measure, services
from benchmarks.measure import Run, TookTooLong
from benchmarks.rows import Row

# Accounts, and usage rows per day. The largest size has 20 million rows in 800 days and takes hours.
SIZES = {"small": (200, 100), "full": (2_000, 1_000), "largest": (50_000, 25_000)}
# Days -> months of history before the current one that give exactly this many days up to the newest.
HISTORIES = {40: 1, 800: 26}
NEWEST = date(2026, 6, 9)
NEW_DAYS = 2
RATES = "{2022: 1.1}"
# Targets: a day after 800 days costs at most 1.2 times a day after 40; a full build at most 8 times DuckDB's.
LEAST_AFTER_LONG, LEAST_OF_DUCKDB, LEAST_OF_DBT = round(1 / 1.2, 2), 1 / 8, 10.0
_LONGEST = 6 * 3600.0
# dbt is killed after this many of our days, but not before a quarter of an hour. The ratio is then at least the shown
# one.
_DAYS_FOR_DBT, _LEAST_FOR_DBT = 3 * LEAST_OF_DBT, 900.0


def run(size: str) -> list[Row]:
    """Fill and build both histories, advance them in turns, then let the others rebuild everything."""
    accounts, per_day = SIZES[size]
    worlds = {days: World(days, accounts, per_day) for days in HISTORIES}
    whole = {days: _of_models(world.step("build", NEWEST)) for days, world in worlds.items()}
    days_run: dict[int, list[dict[str, Run]]] = {days: [] for days in worlds}
    for number in range(1, NEW_DAYS + 1):
        for days, world in worlds.items():
            day = NEWEST + timedelta(days=number)
            steps = ("load", "build", "decide") if days == max(worlds) else ("load", "build")
            days_run[days].append({step: world.step(step, day) for step in steps})
    by_day = {days: [_of_models(steps["build"]) for steps in each] for days, each in days_run.items()}
    long, short = max(worlds), min(worlds)
    duckdb = worlds[long].contestant("duckdb_build")
    day = median(run.seconds for run in by_day[long])
    dbt = worlds[long].contestant(
        "dbt_build", str(services.tool("dbt") / "dbt"), timeout=max(_LEAST_FOR_DBT, _DAYS_FOR_DBT * day)
    )
    for world in worlds.values():
        services.drop(world.url)
    return [
        _row("a day's build", f"after {short} days", accounts, by_day[short]),
        _row("a day's build", f"after {long} days", accounts, by_day[long], f"after {short} days", LEAST_AFTER_LONG),
        _row("full rebuild", "DuckDB", accounts, [duckdb]),
        _row("full rebuild", "ours", accounts, [whole[long]], "DuckDB", LEAST_OF_DUCKDB),
        _row("a day, or full rebuild", "DuckDB, full rebuild", accounts, [duckdb]),
        _row("a day, or full rebuild", "ours, a day", accounts, by_day[long], "DuckDB, full rebuild", 1.0),
        _row("a day, or full refresh", "dbt, full refresh", accounts, [dbt]),
        _row("a day, or full refresh", "ours, a day", accounts, by_day[long], "dbt, full refresh", LEAST_OF_DBT),
        _chain(accounts, days_run[long]),
    ]


class World:
    """A history of some days, and its settings."""

    def __init__(self, days: int, accounts: int, per_day: int) -> None:
        self.days, self.accounts, self.per_day = days, accounts, per_day
        self.url = services.database(is_warehouse=True)
        self.overlay = _overlay(days)
        self.step("fill", NEWEST)

    def step(self, name: str, day: date) -> Run:
        """Run one step in its own process, at noon of a day."""
        sizes = [str(self.accounts), str(self.per_day), str(self.days)]
        done = self._run("warehouse_steps", [name, *sizes, str(NEWEST), str(day)], day)
        services.say(f"{self.days} days, {day}, {name}: {done.rows:,} rows in {done.seconds:.1f} s")
        return done

    def contestant(self, name: str, *arguments: str, timeout: float = _LONGEST) -> Run:
        """Let a contestant rebuild all models after the last day. If it is killed, its time is the timeout."""
        try:
            done = self._run(name, [str(services.home()), *arguments], NEWEST + timedelta(days=NEW_DAYS), timeout)
        except TookTooLong:
            done = Run(timeout, 0, 0.0, {"models": {}, "is_ended": True})
        services.say(f"{name}: {done.seconds:.1f} s")
        return done

    def _run(self, contestant: str, arguments: list[str], day: date, timeout: float = _LONGEST) -> Run:
        environment = {
            "PERENNIAL_DATABASE_URL": self.url,
            "PERENNIAL_CONFIG_DIR": str(self.overlay),
            "PERENNIAL_NOW": f"{day}T12:00:00+00:00",
        }
        command = [sys.executable, "-m", f"benchmarks.contestants.{contestant}", *arguments]
        return measure.run(command, environment=environment, timeout=timeout, server=services.postgres_pid())


def _overlay(days: int) -> Path:
    settings = services.home() / f"history_{days}" / "config" / "settings.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f"history_start_months: {HISTORIES[days]}\n")
    settings.with_name("kpis.yaml").write_text(f"plan_rates: {{EUR: {RATES}}}\n")
    return settings.parent.parent


def _of_models(done: Run) -> Run:
    """Return a build's run with the seconds of the models alone."""
    return Run(float(done.result["sql_seconds"]), done.rows, done.peak_mb, done.result)


def _row(case: str, who: str, accounts: int, runs: list[Run], against: str = "", wanted: float = 0.0) -> Row:
    models: dict[str, float] = runs[-1].result["models"]
    slowest = sorted(models, key=lambda name: -models[name])[:3]
    note = "slowest: " + ", ".join(f"{name} {models[name]:.1f} s" for name in slowest)
    if runs[-1].result.get("is_ended"):
        note = "killed at the time limit: it takes longer"
    return Row(case, who, accounts, measure.seconds_of(runs), against=against, wanted=wanted, note=note)


def _chain(accounts: int, days: list[dict[str, Run]]) -> Row:
    """Return the row of a whole day without Airflow, with the peak memory of process and server together."""
    typical = {step: median(each[step].seconds for each in days) for step in days[0]}
    return Row(
        "a day of the chain",
        "ours",
        accounts,
        tuple(round(sum(run.seconds for run in each.values()), 3) for each in days),
        peak_mb=max(run.peak_mb + run.server_mb for each in days for run in each.values()),
        most_mb=1500,
        note=", ".join(f"{step} {seconds:.1f} s" for step, seconds in typical.items()) + "; target: at most 600 s",
    )
