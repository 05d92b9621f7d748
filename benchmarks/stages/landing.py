"""Landing what vendors have: ours against the floor, on the same answers.

* *floor*: the calls that ours makes, again, each answer parsed and thrown away.
* *ours, closed batch*: read, mapped, landed, the batch closed.
* *ours, merged*: and judged by the contracts and merged into the raw tables and their versions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import requests

from benchmarks import house, measure
from benchmarks.measure import Failed, Run
from benchmarks.rows import Row

MOST_MB = 250.0
SIZES = {
    "small": {"contacts": 6000, "deals": 3000, "tickets": 6000},
    "full": {"contacts": 60_000, "deals": 50_000, "tickets": 60_000},
}
REPEATS = {"small": 1, "full": 3}
# name of the case, its records at the vendor, our source and entity
CASES = (
    ("HubSpot contacts", "contacts", "crm", "contact"),
    ("HubSpot deals", "deals", "crm", "opportunity"),
    ("Zendesk tickets", "tickets", "support", "ticket"),
)


class Case:
    """One kind of record, served by a replay of its own.

    Args:
        sandbox: Whose answers are replayed.
        kind: The vendor's name of the records.
        source: Our connection id.
        entity: Our entity.
        count: How many there are.
    """

    def __init__(self, sandbox: house.Sandbox, kind: str, source: str, entity: str, count: int) -> None:
        self.kind, self.source, self.entity, self.count = kind, source, entity, count
        ready = house.home() / f"replay-{kind}-{count}.json"
        arguments = ["--sandbox", sandbox.url, "--counts", json.dumps({kind: count}), "--ready", str(ready)]
        self._replay = house.Process([sys.executable, "-m", "benchmarks.replay", *arguments], ready)
        self.url = self._replay.note["url"]
        self.vendor = "zendesk" if source == "support" else "hubspot"
        given = sandbox.connection(source)
        self.token = given["password"]
        self._connection = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(given | {"host": f"{self.url}/{self.vendor}"})}
        self._calls = house.home() / f"calls-{kind}-{count}.json"

    def close(self) -> None:
        """End the replay."""
        self._replay.stop()

    def learn_calls(self) -> None:
        """Land once, unmeasured: it fills the replay, and tells the floor which calls to repeat."""
        session = requests.Session()
        session.trust_env = False
        session.get(f"{self.url}/_bench/start", timeout=60)
        self.ours(is_merged=False)
        self._calls.write_bytes(session.get(f"{self.url}/_bench/log", timeout=60).content)

    def floor(self) -> Run:
        """Repeat the calls."""
        command = [sys.executable, "-m", "benchmarks.contestants.floor", str(self._calls), self.url]
        run = measure.run([*command, f"Bearer {self.token}"])
        return Run(run.seconds, self.count, run.peak_mb, run.told)

    def ours(self, is_merged: bool) -> Run:
        """Land, and judge and merge where asked for, in a new warehouse."""
        url = house.database(is_warehouse=True)
        environment = {
            **self._connection,
            "PERENNIAL_DATABASE_URL": url,
            "PERENNIAL_NOW": house.NOW,
            "PERENNIAL_HOME": str(house.home() / "ours"),
        }
        runs = {}
        try:
            for step in ("extract", "validate", "merge") if is_merged else ("extract",):
                command = [sys.executable, "-m", "benchmarks.contestants.ours", step, self.source, self.entity]
                runs[step] = measure.run(command, environment=environment)
        finally:
            house.drop(url)
        if runs["extract"].rows < self.count:
            raise Failed(f"{runs['extract'].rows} rows instead of {self.count}")
        # Judging has a process of its own, most of whose memory is Great Expectations itself.
        peak = max(run.peak_mb for step, run in runs.items() if step != "validate")
        told = {f"{step} s": round(run.seconds, 2) for step, run in runs.items()}
        if is_merged:
            told["judge MB"] = round(runs["validate"].peak_mb)
        return Run(sum(run.seconds for run in runs.values()), self.count, peak, told)


def run(size: str) -> list[Row]:
    """Measure every case."""
    sandbox = house.Sandbox("landing")
    rows: list[Row] = []
    for name, kind, source, entity in CASES:
        case = Case(sandbox, kind, source, entity, SIZES[size][kind])
        try:
            rows += _measured(name, case, REPEATS[size])
        finally:
            case.close()
    rows += _flat(sandbox, size)
    sandbox.stop()
    return rows


def _measured(name: str, case: Case, repeats: int) -> list[Row]:
    house.say(f"{name}, {case.count:,}")
    case.learn_calls()
    contestants: dict[str, Callable[[], Run]] = {
        "floor": case.floor,
        "ours, closed batch": lambda: case.ours(is_merged=False),
        "ours, merged": lambda: case.ours(is_merged=True),
    }
    done = measure.in_turns(contestants, repeats, house.say)
    return [_row(name, who, case.count, runs) for who, runs in done.items()]


WANTED = {"ours, closed batch": 0.5, "ours, merged": 0.25}


def _row(case: str, who: str, count: int, runs: list[Run] | Failed) -> Row:
    if isinstance(runs, Failed):
        return Row(case, who, note=f"failed: {str(runs).splitlines()[0][:80]}")
    is_ours = who.startswith("ours")
    return Row(
        case,
        who,
        n=count,
        seconds=measure.seconds_of(runs),
        peak_mb=max(run.peak_mb for run in runs),
        against="" if who == "floor" else "floor",
        wanted=WANTED.get(who, 0.0),
        most_mb=MOST_MB if is_ours else 0.0,
        note=_note(runs[-1].told),
    )


def _note(told: dict[str, Any]) -> str:
    hidden = ("seconds", "rows")
    return ", ".join(f"{name} {value}" for name, value in told.items() if name not in hidden)


def _flat(sandbox: house.Sandbox, size: str) -> list[Row]:
    """Land four times as many contacts: the memory must not grow with them."""
    count = 4 * SIZES[size]["contacts"]
    case = Case(sandbox, "contacts", "crm", "contact", count)
    try:
        run = case.ours(is_merged=True)
    finally:
        case.close()
    house.say(f"four times as many: {run.rows:,} rows in {run.seconds:.2f} s, {run.peak_mb:.0f} MB")
    row = _row("HubSpot contacts, 4 times", "ours, merged", count, [run])
    return [Row(row.case, row.who, row.n, row.seconds, row.peak_mb, most_mb=MOST_MB, note=row.note)]
