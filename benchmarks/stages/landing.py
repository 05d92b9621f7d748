"""Measure landing of vendor data: ours against the floor, dlt and Singer taps, all on the same responses.

* *floor*: the calls that ours makes, repeated, each response parsed and discarded.
* *ours, closed batch*: read, mapped and landed, and the batch closed.
* *ours, merged*: also validated by the contracts and merged into the raw tables and their versions.
* *dlt*: its REST client into PostgreSQL, merged by id; see ``dlt_load``.
* *Singer*: the vendor's tap into ``pipelinewise-target-postgres``, merged by id; once, by the wall clock.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import requests

from benchmarks import measure, services
from benchmarks.contestants import singer, steps
from benchmarks.measure import Failed, Run
from benchmarks.rows import Row

MOST_MB = 250.0
SIZES = {
    "small": {"contacts": 6000, "deals": 3000, "tickets": 6000},
    "full": {"contacts": 60_000, "deals": 50_000, "tickets": 60_000},
}
REPEATS = {"small": 1, "full": 3}
WANTED = {"ours, closed batch": 0.5, "ours, merged": 0.25}
# name of the case, the vendor's name of its records, our source and entity
CASES = (
    ("HubSpot contacts", "contacts", "crm", "contact"),
    ("HubSpot deals", "deals", "crm", "opportunity"),
    ("Zendesk tickets", "tickets", "support", "ticket"),
)


class Case:
    """One kind of record, served by its own replay.

    Args:
        sandbox: Its responses are replayed.
        kind: The vendor's name of the records.
        source: Our connection id.
        entity: Our entity.
        count: Number of records.
    """

    def __init__(self, sandbox: services.Sandbox, kind: str, source: str, entity: str, count: int) -> None:
        self.kind, self.source, self.entity, self.count = kind, source, entity, count
        ready = services.home() / f"replay-{kind}-{count}.json"
        arguments = ["--sandbox", sandbox.url, "--counts", json.dumps({kind: count}), "--ready", str(ready)]
        self._replay = services.Process([sys.executable, "-m", "benchmarks.replay", *arguments], ready)
        self.url = self._replay.note["url"]
        self.vendor = "zendesk" if source == "support" else "hubspot"
        given = sandbox.connection(source)
        self.token = given["password"]
        self._connection = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(given | {"host": f"{self.url}/{self.vendor}"})}
        self._calls = services.home() / f"calls-{kind}-{count}.json"

    def close(self) -> None:
        self._replay.stop()

    def learn_calls(self) -> None:
        """Land once, untimed, to fill the replay's cache and to record the calls for the floor."""
        session = requests.Session()
        session.trust_env = False
        session.get(f"{self.url}/_bench/start", timeout=60)
        self.ours(is_merged=False)
        self._calls.write_bytes(session.get(f"{self.url}/_bench/log", timeout=60).content)

    def floor(self) -> Run:
        command = [sys.executable, "-m", "benchmarks.contestants.floor", str(self._calls), self.url]
        run = measure.run([*command, f"Bearer {self.token}"])
        return Run(run.seconds, self.count, run.peak_mb, run.result)

    def ours(self, is_merged: bool) -> Run:
        """Land in a new warehouse; validate and merge if ``is_merged``."""
        return steps.Steps(self.source, self.entity, self.count, self._connection).run(is_merged)

    def dlt(self) -> Run:
        """Load with dlt into an empty database."""
        url = services.database()
        place = services.emptied(services.home() / "dlt")
        try:
            command = [str(services.tool("dlt") / "python"), "benchmarks/contestants/dlt_load.py", self.kind]
            return self._complete(measure.run([*command, self.url, self.token, services.plain(url), str(place)]))
        finally:
            services.drop(url)

    def singer(self) -> Run:
        """Load with a tap and a target into an empty database."""
        url = services.database()
        try:
            return self._complete(singer.load(self.vendor, self.kind, self.url, self.token, services.plain(url)).run)
        finally:
            services.drop(url)

    def _complete(self, run: Run) -> Run:
        if run.rows < self.count:
            raise Failed(f"{run.rows} rows instead of {self.count}")
        return Run(run.seconds, self.count, run.peak_mb, run.result)


def run(size: str) -> list[Row]:
    sandbox = services.Sandbox("landing")
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
    services.say(f"{name}, {case.count:,}")
    case.learn_calls()
    contestants: dict[str, Callable[[], Run]] = {
        "floor": case.floor,
        "ours, closed batch": lambda: case.ours(is_merged=False),
        "ours, merged": lambda: case.ours(is_merged=True),
        "dlt": case.dlt,
    }
    done = measure.in_turns(contestants, repeats, services.say)
    if case.kind != "deals":  # tap-hubspot reads deals from endpoints of an older API, which the sandbox does not have
        done |= measure.in_turns({"Singer": case.singer}, 1, services.say)
    rows = [
        steps.row(
            name, who, case.count, runs, against="floor", wanted=WANTED.get(who, 0.0),
            most_mb=MOST_MB if who.startswith("ours") else 0.0,
        )
        for who, runs in done.items()
    ]  # fmt: skip
    merged = next(row for row in rows if row.who == "ours, merged")
    # The second target for the same figures.
    return [*rows, Row(name, "ours, merged, against dlt", merged.n, merged.seconds, against="dlt", wanted=3.0)]


def _flat(sandbox: services.Sandbox, size: str) -> list[Row]:
    """Land four times as many contacts: memory must not grow with their number."""
    count = 4 * SIZES[size]["contacts"]
    case = Case(sandbox, "contacts", "crm", "contact", count)
    try:
        run = case.ours(is_merged=True)
    finally:
        case.close()
    services.say(f"four times as many: {run.rows:,} rows in {run.seconds:.2f} s, {run.peak_mb:.0f} MB")
    return [steps.row("HubSpot contacts, 4 times the rows", "ours, merged", count, [run], against="", most_mb=MOST_MB)]
