"""Count HubSpot calls of a first load and of a quiet quarter of an hour: ours and other readers.

All read the same sandbox, with a given number of contacts, companies, deals and line items and their associations. The
sandbox counts the calls, including refused and repeated ones. Three sizes are measured. If the calls grow by the same
number from the first to the second as from the second to the third, they are linear in pages and can be extrapolated.

``seconds`` are not measured. They are the time that HubSpot's published limits require for that many calls.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import measure, services
from benchmarks.contestants import singer
from benchmarks.measure import ROOT, Failed
from benchmarks.rows import Row

RECORDS = 100_000
SIZES = {"small": (1000, 2000, 3000), "full": (2000, 6000, 10_000)}
ENTITIES = ("account", "contact", "owner", "opportunity", "contract_line")
# Sandbox kind -> our entity, in order of dependency.
KINDS = {"company": "account", "contact": "contact", "deal": "opportunity", "line_item": "contract_line"}
# Calls per second: https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
LIMITS = {"Starter": 10.0, "Professional": 19.0}
SEARCHES = 5.0
A_DAY = 250_000
_NOW = datetime.fromisoformat(services.NOW)
_QUARTER = timedelta(minutes=15)
# This many records share the same associated records.
_SHARING = 25


@dataclass(frozen=True)
class Calls:
    """The number of calls.

    Args:
        n: All calls.
        searches: Search calls, which have a separate limit.
    """

    n: float
    searches: float

    def __sub__(self, other: Calls) -> Calls:
        return Calls(self.n - other.n, self.searches - other.searches)

    def further(self, step: Calls, times: float) -> Calls:
        """Return the calls plus a multiple of a step's."""
        return Calls(self.n + times * step.n, self.searches + times * step.searches)


@dataclass
class Reader:
    """One way to read the portal, with its state between runs.

    Args:
        who: Its name in the table.
        note: What it does not read, or how it is measured.
        read: Reads the changes as of a time.
        quarters: Number of quiet quarters to run; their mean is shown.
        unmeasured: Number of records -> calls of a first load and of a quiet quarter without an endpoint here.
    """

    who: str
    note: str
    read: Callable[[datetime], Any]
    quarters: int = 4
    unmeasured: Callable[[int], tuple[int, int]] = lambda n: (0, 0)


def run(size: str) -> list[Row]:
    """Count calls at three sizes and extrapolate."""
    sandbox = services.Sandbox("calls")
    counted: dict[str, list[tuple[Calls, Calls]]] = {}
    notes: dict[str, str] = {}
    readers: dict[str, Reader] = {}
    for count in SIZES[size]:
        _fill(sandbox, count)
        url = services.database(is_warehouse=True)
        try:
            for reader in _readers(sandbox, url):
                readers[reader.who] = reader
                try:
                    counted.setdefault(reader.who, []).append(_counted(sandbox, reader, count))
                    services.say(f"{count:,}: {reader.who}: {counted[reader.who][-1]}")
                except Failed as failure:
                    services.say(str(failure)[:600])
                    notes[reader.who] = "failed"
        finally:
            services.drop(url)
    sandbox.stop()
    rows = []
    for number, case in enumerate((f"first load of {RECORDS:,} of each", "15 quiet minutes")):
        for who, reader in readers.items():
            sizes = [each[number] for each in counted.get(who, [])]
            if len(sizes) < len(SIZES[size]) or who in notes:
                rows.append(Row(case, who, note="failed"))
                continue
            calls, is_linear = _scaled(sizes, SIZES[size])
            unmeasured = reader.unmeasured(RECORDS)[number]
            rows.append(_row(case, who, Calls(calls.n + unmeasured, calls.searches), reader.note, is_linear))
    return rows


def _scaled(sizes: list[Calls], counts: tuple[int, ...]) -> tuple[Calls, bool]:
    """Return the calls for ``RECORDS`` records, and whether the measured ones grow linearly."""
    first, second, third = sizes
    step = third - second
    times = (RECORDS - counts[2]) / (counts[2] - counts[1])
    return third.further(step, times), abs(
        (second - first).n - step.n * (counts[1] - counts[0]) / (counts[2] - counts[1])
    ) <= 2


def _row(case: str, who: str, calls: Calls, note: str, is_linear: bool) -> Row:
    figures: dict[str, Any] = {"calls": round(calls.n) if calls.n >= 100 else round(calls.n, 1)}
    figures["of which searches"] = round(calls.searches) if calls.searches >= 100 else round(calls.searches, 1)
    for name, rate in LIMITS.items():
        figures[f"seconds, {name}"] = round((calls.n - calls.searches) / rate + calls.searches / SEARCHES, 1)
    if "quiet" in case:
        figures["share of a day's quota"] = f"{96 * calls.n / A_DAY:.1%}"
    return Row(case, who, figures=figures, note=note if is_linear else f"{note}; not linear")


def _fill(sandbox: services.Sandbox, count: int) -> None:
    """Create this many of each kind. Every tenth deal has only a contact; a deal has up to 25 lines."""
    sandbox.control("clock", at=_NOW.isoformat())
    at = (_NOW - timedelta(days=40)).isoformat()
    truth = sandbox.ask("truth?ids=1")
    ids = {kind: sorted(int(one) for one in truth[entity]["live_ids"]) for kind, entity in KINDS.items()}
    for kind, known in ids.items():
        while len(known) < count:
            number = len(known) // _SHARING
            company, contact = (
                ids["company"][number % len(ids["company"])],
                ids["contact"][number % len(ids["contact"])],
            )
            fields = {
                "company": {},
                "contact": {"company": company, "email": f"p{len(known)}@example.com"},
                "deal": {"company": None if number % 10 == 0 else company, "contacts": [contact]},
                "line_item": {"deal": ids["deal"][number % len(ids["deal"])]},
            }[kind]
            wanted = min(_SHARING, count - len(known))
            made = sandbox.control("mutate", kind=kind, op="create", count=wanted, at=at, set=fields)
            known += made["ids"]


def _counted(sandbox: services.Sandbox, reader: Reader, count: int) -> tuple[Calls, Calls]:
    """Return the calls of a first load, and the mean of some quiet quarters."""
    sandbox.control("clock", at=_NOW.isoformat())
    before = _so_far(sandbox)
    reader.read(_NOW)
    loaded = _so_far(sandbox)
    for quarter in range(1, reader.quarters + 1):
        at = _NOW + quarter * _QUARTER
        sandbox.control("clock", at=at.isoformat())
        reader.read(at)
    quiet = _so_far(sandbox) - loaded
    return loaded - before, Calls(quiet.n / reader.quarters, quiet.searches / reader.quarters)


def _so_far(sandbox: services.Sandbox) -> Calls:
    calls = sandbox.ask("status")["calls"]
    made = {name: n for name, n in calls.items() if name.startswith(("GET /hubspot/", "POST /hubspot/"))}
    return Calls(sum(made.values()), sum(n for name, n in made.items() if name.endswith("/search")))


def _readers(sandbox: services.Sandbox, database: str) -> list[Reader]:
    given = sandbox.connection("crm")
    token = given["password"]
    states = services.emptied(services.home() / "calls-state")
    states.mkdir(parents=True)

    def ours(at: datetime) -> None:
        environment = {
            "AIRFLOW_CONN_CRM": json.dumps(given),
            "PERENNIAL_DATABASE_URL": database,
            "PERENNIAL_NOW": at.isoformat(),
            "PERENNIAL_HOME": str(services.home() / "ours"),
        }
        command = [sys.executable, "-m", "benchmarks.contestants.ours_extract", "new", "crm", *ENTITIES]
        measure.run(command, environment=environment)

    def after_source(who: str) -> Callable[[datetime], Any]:
        command = [sys.executable, "-m", "benchmarks.contestants.calls_readers", who, sandbox.url, token]
        return lambda at: measure.run([*command, str(states / who)])

    def dlt(at: datetime) -> None:
        place = services.emptied(services.home() / "dlt-calls")
        command = [
            str(services.tool("dlt") / "python"),
            "benchmarks/contestants/dlt_calls.py",
            sandbox.url,
            token,
            str(place),
        ]
        measure.run(command)

    return [
        Reader("ours", "archived records too; each entity in its own instance", ours),
        Reader("Airbyte", "calls modelled on its source; lists all line items every time", after_source("airbyte")),
        Reader(
            "dlt", "its REST source, configured like its HubSpot source; reads everything every time", dlt, quarters=1
        ),
        Reader(
            "tap-hubspot (Singer)",
            "contacts and owners measured; companies and deals modelled on its source (older API); no line items",
            lambda at: _taps(sandbox.url, token, states),
            quarters=1,
            unmeasured=lambda n: (n // 250 + n + n // 100, n // 250 + n // 100),
        ),
        Reader(
            "tap-hubspot (Meltano)",
            "calls modelled on its source; no associations, no archived records",
            after_source("meltano"),
        ),
    ]


def _taps(url: str, token: str, states: Path) -> None:
    for name in ("contacts", "owners"):
        _tap(name, url, token, states)


def _tap(stream: str, url: str, token: str, states: Path) -> None:
    """Run the tap for one stream, from its last state."""
    tap, place = services.tool("tap-hubspot"), states / stream
    place.mkdir(exist_ok=True)
    (place / "tap.json").write_text(json.dumps(singer.configuration("hubspot", token)))
    if not (place / "state.json").exists():
        (place / "state.json").write_text("{}")
    shim = f"PYTHONPATH={shlex.quote(str(ROOT / 'benchmarks' / 'shims'))} BENCH_VENDORS={url}"
    catalog = singer.CATALOG["hubspot"]
    measure.run(
        ["sh", "-c", f"{shim} {tap}/python -c {shlex.quote(catalog)} {place}/tap.json {stream} {singer.PROPERTIES}"
                     f" > {place}/catalog.json"]
    )  # fmt: skip
    start = shlex.quote(singer.START["hubspot"])
    measure.run(
        ["sh", "-c", f"{shim} {tap}/python -c {start} --config {place}/tap.json --properties {place}/catalog.json"
                     f" --state {place}/state.json > {place}/messages 2> {place}/log"
                     f" || (tail -n 4 {place}/log >&2; exit 1)"]
    )  # fmt: skip
    result = [json.loads(line) for line in (place / "messages").open() if '"type": "STATE"' in line]
    if result:
        (place / "state.json").write_text(json.dumps(result[-1]["value"]))
