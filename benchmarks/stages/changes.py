"""Measure a build after a changed setting or query, next to a full rebuild and a day's build, after 800 days.

Every case is built on a copy of the same warehouse, on the same day, in its own process. Its seconds are planning and
building together. A change should cost as much as the rows it affects: nothing for a reworded comment, less than a day
for an account that counts in no figure.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from benchmarks import measure, services
from benchmarks.measure import Run
from benchmarks.rows import Row
from benchmarks.stages.warehouse import HISTORIES, NEWEST, RATES, SIZES, World
from include.common import paths

_CASE, _DAY = "a change", "a day's build"
_LEAST = 1.0


def run(size: str) -> list[Row]:
    """Build a history, add two days, then make each change on a copy."""
    accounts, per_day = SIZES[size]
    world = World(max(HISTORIES), accounts, per_day)
    whole = world.step("build", NEWEST)
    days = []
    for number in (1, 2):
        day = NEWEST + timedelta(days=number)
        world.step("load", day)
        if number == 2:
            world.step("try", day)
        days.append(world.step("build", day))
    rows = [
        Row(_CASE, "full rebuild", accounts, measure.seconds_of([whole])),
        Row(_CASE, _DAY, accounts, measure.seconds_of(days)),
    ]
    for who, (change, wanted) in _CHANGES.items():
        changed = _changed(world, who, change)
        done = changed.step("change", NEWEST + timedelta(days=2))
        services.drop(changed.url)
        note = _in_words(done)
        rows.append(Row(_CASE, who, accounts, measure.seconds_of([done]), against=_DAY, wanted=wanted, note=note))
    services.drop(world.url)
    return rows


def _changed(world: World, who: str, change: Callable[[Path], None]) -> World:
    """Return a copy of a world with a change in its settings or queries."""
    overlay = services.emptied(services.home() / f"changed {who}")
    shutil.copytree(world.overlay, overlay)
    change(overlay)
    copy = object.__new__(World)
    copy.__dict__ |= vars(world) | {"url": services.database(like=world.url), "overlay": overlay}
    return copy


def _in_words(done: Run) -> str:
    models: dict[str, float] = done.result.get("models", {})
    slowest = sorted(models, key=lambda name: -models[name])[:3]
    if not models:
        return "no build"
    return f"{done.rows:,} rows changed; slowest: " + ", ".join(f"{name} {models[name]:.1f} s" for name in slowest)


def _add(text: str) -> Callable[[Path], None]:
    def change(overlay: Path) -> None:
        file = overlay / "config" / "settings.yaml"
        file.write_text(f"{file.read_text()}{text}\n")

    return change


def _exclude(*accounts: str) -> Callable[[Path], None]:
    excluded = (f"{{account: 'crm:{one}', reason: test, owner: operations, until: 2030-01-01}}" for one in accounts)
    return _add(f"exclusions: [{', '.join(excluded)}]")


def _rates(later: str) -> Callable[[Path], None]:
    def change(overlay: Path) -> None:
        text = f"plan_rates: {{EUR: {RATES.replace('}', f', {later}}}')}}}\n"
        (overlay / "config" / "kpis.yaml").write_text(text)

    return change


def _redefine(name: str, before: str, after: str) -> Callable[[Path], None]:
    def change(overlay: Path) -> None:
        text = (paths.SQL / name / "query.sql").read_text()
        if before not in text:
            raise ValueError(f"{name} does not contain {before}")
        place = overlay / "sql" / name
        place.mkdir(parents=True)
        (place / "query.sql").write_text(text.replace(before, after))

    return change


# Change -> function, and how many times faster than a day's build it should be at least; 0 for no target.
_CHANGES: dict[str, tuple[Callable[[Path], None], float]] = {
    "a comment reworded": (_redefine("core/account", "-- Purpose:", "-- What for:"), _LEAST),
    "a trial excluded": (_exclude("trial"), _LEAST),
    "a customer excluded": (_exclude("5"), _LEAST),
    "20 customers excluded": (_exclude(*map(str, range(5, 25))), _LEAST),
    "a plan rate from 2027 on": (_rates("2027: 1.2"), 0.0),
    "a plan rate from 2026 on": (_rates("2026: 1.2"), 0.0),
    "the grace period of one tier": (_add("grace_days: {default: 30, mid: 20}"), 0.0),
    "the cohort query": (_redefine("marts/cohort_period", "sum(kept_arr) as", "sum(kept_arr) + 1 as"), 0.0),
    "the retention query": (_redefine("marts/retention_period", "sum(overage_amount) as", "sum(arr) as"), 0.0),
    "a query that every model reads": (
        _redefine("core/account", "coalesce(v.name, v.account_key)", "trim(v.name)"),
        0.0,
    ),
}
