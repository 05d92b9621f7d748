"""The KPI models on a warehouse as large as is asked for: built whole, and day by day after a short and a long history.

Both histories have the same accounts, contracts and rows a day; only the number of days differs. What a day costs must
not grow with it. Seconds are those of the models alone, as the builds note them; loading and planning come beside.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

from benchmarks import house, measure
from benchmarks.measure import Run
from benchmarks.rows import Row

# Accounts, and usage rows of a day: 20 million in 800 days of the full size.
SIZES = {"small": (1_000, 500), "full": (50_000, 25_000)}
# Days -> months of history before the current one that make just so many days up to the newest.
HISTORIES = {40: 1, 800: 26}
NEWEST = date(2026, 6, 9)
NEW_DAYS = 2
# A day after 800 days costs at most 1.2 times what it costs after 40.
LEAST = round(1 / 1.2, 2)
_LONGEST = 4 * 3600.0


def run(size: str) -> list[Row]:
    """Fill and build both histories, then live on in turns."""
    accounts, per_day = SIZES[size]
    worlds = {days: _World(days, accounts, per_day) for days in HISTORIES}
    whole = {days: _built(world, NEWEST) for days, world in worlds.items()}
    lived: dict[int, list[Run]] = {days: [] for days in worlds}
    for number in range(1, NEW_DAYS + 1):
        for days, world in worlds.items():
            world.step("load", NEWEST + timedelta(days=number))
            lived[days].append(_built(world, NEWEST + timedelta(days=number)))
    newest = max(worlds)
    rows = [
        _row("a day's build", f"after {days} days", accounts, lived[days], f"after {min(worlds)} days")
        for days in worlds
    ]
    rows.append(_row("whole or by the day", f"whole, {newest} days", accounts, [whole[newest]], ""))
    rows.append(_row("whole or by the day", "by the day", accounts, lived[newest], f"whole, {newest} days"))
    for world in worlds.values():
        house.drop(world.url)
    return rows


class _World:
    def __init__(self, days: int, accounts: int, per_day: int) -> None:
        self.days, self.accounts, self.per_day = days, accounts, per_day
        self.url = house.database(is_warehouse=True)
        self.overlay = _overlay(days)
        self.step("fill", NEWEST)

    def step(self, name: str, day: date) -> Run:
        """Run one step in a process of its own, at noon of a day."""
        command = [sys.executable, "-m", "benchmarks.contestants.warehouse_steps", name]
        sizes = [str(self.accounts), str(self.per_day), str(self.days)]
        environment = {
            "PERENNIAL_DATABASE_URL": self.url,
            "PERENNIAL_CONFIG_DIR": str(self.overlay),
            "PERENNIAL_NOW": f"{day}T12:00:00+00:00",
        }
        done = measure.run([*command, *sizes, str(NEWEST), str(day)], environment=environment, timeout=_LONGEST)
        house.say(f"{self.days} days, {day}, {name}: {done.rows:,} rows in {done.seconds:.1f} s")
        return done


def _overlay(days: int) -> Path:
    settings = house.home() / f"history_{days}" / "config" / "settings.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f"history_start_months: {HISTORIES[days]}\n")
    return settings.parent.parent


def _built(world: _World, day: date) -> Run:
    """Build, and return the run with the seconds of the models alone."""
    done = world.step("build", day)
    return Run(float(done.told["sql_seconds"]), done.rows, done.peak_mb, done.told)


def _row(case: str, who: str, accounts: int, runs: list[Run], against: str) -> Row:
    models: dict[str, float] = runs[-1].told["models"]
    slowest = sorted(models, key=lambda name: -models[name])[:3]
    is_compared = against not in ("", who)
    return Row(
        case,
        who,
        n=accounts,
        seconds=measure.seconds_of(runs),
        against=against if is_compared else "",
        wanted=LEAST if is_compared and case == "a day's build" else 0.0,
        note="slowest: " + ", ".join(f"{name} {models[name]:.1f} s" for name in slowest),
    )
