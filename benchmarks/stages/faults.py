"""Count records lost and duplicated when vendors misbehave: ours, dlt and Singer taps on the same sequences.

Each case is run for each contestant separately. First a full load. Then something happens at the vendor, and a run
takes place while it misbehaves, repeated up to twice if it fails. Then the vendor works again for two hours, and a last
run follows. After that the tables should match the vendor. Counted are:

* *lost*: records that the vendor has but the tables lack or mark as deleted;
* *stale*: edited records without their edit;
* *doubled*: rows beyond one per record;
* *ghosts*: records that the vendor no longer has but the tables still show.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from benchmarks import measure, services
from benchmarks.contestants import singer
from benchmarks.measure import Failed
from benchmarks.rows import Row

CUSTOMERS = 24
EDITED = "Edited by the measurement"
HTML = "<html><head><title>502</title></head><body>Bad Gateway</body></html>"
_NOW = datetime.fromisoformat(services.NOW)


@dataclass
class VendorRecords:
    """The records of one vendor under test.

    Args:
        vendor: ``hubspot`` or ``zendesk``.
        kind: The sandbox's name of the records.
        stream: The vendor's name of them.
        source: Our connection id.
        entity: Our entity.
        field: The vendor's field that is edited.
        reads: Contestant -> query for id, that field, and whether the row is deleted.
    """

    vendor: str
    kind: str
    stream: str
    source: str
    entity: str
    field: str
    reads: dict[str, str]


VENDOR_RECORDS = {
    "hubspot": VendorRecords(
        "hubspot", "contact", "contacts", "crm", "contact", "jobtitle",
        {
            "ours": "select id, job_title, _is_deleted from raw.hubspot__contact",
            "dlt": "select id, jobtitle, is_deleted from loaded.contacts",
            "Singer": "select id, property_jobtitle, coalesce(archived, false) from loaded.contacts",
        },
    ),
    "zendesk": VendorRecords(
        "zendesk", "ticket", "tickets", "support", "ticket", "subject",
        {
            "ours": "select id, subject, _is_deleted from raw.zendesk__ticket",
            "dlt": "select id, subject, status = 'deleted' from loaded.tickets",
            "Singer": "select id, subject, status = 'deleted' from loaded.tickets",
        },
    ),
}  # fmt: skip


@dataclass
class Scenario:
    """One sequence in progress.

    Args:
        sandbox: The vendor.
        target: Its records.
        edited: Ids of edited records.
    """

    sandbox: services.Sandbox
    target: VendorRecords
    edited: set[str] = field(default_factory=set)

    def truth(self) -> dict[str, Any]:
        """Return the vendor's records."""
        return self.sandbox.ask("truth?ids=1")[self.target.entity]

    def edit(self, ids: list[int], **more: Any) -> None:
        """Edit records at the vendor."""
        for number in ids:
            self.sandbox.control("mutate", kind=self.target.kind, id=number, set={self.target.field: EDITED}, **more)
        self.edited |= {str(number) for number in ids}

    def fault(self, kind: str, **rule: Any) -> None:
        """Make calls fail."""
        self.sandbox.control("faults", vendor=self.target.vendor, kind=kind, **rule)


def _many_of_one_moment(scenario: Scenario) -> None:
    """Create more records than the search returns, all with the same millisecond."""
    scenario.sandbox.control("mutate", kind=scenario.target.kind, op="create", count=10_050)
    touched = scenario.sandbox.control(
        "mutate", kind=scenario.target.kind, op="touch", set={scenario.target.field: EDITED}
    )
    scenario.edited |= {str(number) for number in touched["ids"]}


def _many_of_one_second(scenario: Scenario) -> None:
    """Create more records in one second than a page of an export holds."""
    scenario.sandbox.control("mutate", kind=scenario.target.kind, op="create", count=1100)
    touched = scenario.sandbox.control(
        "mutate", kind=scenario.target.kind, op="touch", set={scenario.target.field: EDITED}
    )
    scenario.edited |= {str(number) for number in touched["ids"]}


def _late(scenario: Scenario) -> None:
    """Delay the search index, so that edits appear only after the run that should have read them."""
    scenario.sandbox.control("switches", **{"hubspot.index_lag_seconds": 900})
    scenario.edit(scenario.truth()["live_ids"][:15])


def _back_dated(scenario: Scenario) -> None:
    """Make edits with an update time before the last run."""
    scenario.edit(scenario.truth()["live_ids"][:10], at=(_NOW + timedelta(minutes=50)).isoformat())


def _gone(scenario: Scenario) -> None:
    """Delete records, delete and restore some, and merge some."""
    live = scenario.truth()["live_ids"]
    for number in live[:12]:
        scenario.sandbox.control("mutate", kind=scenario.target.kind, id=number, op="delete")
    for number in live[:3]:
        scenario.sandbox.control("mutate", kind=scenario.target.kind, id=number, op="restore")
    if scenario.target.vendor == "hubspot":
        for loser, winner in ((live[20], live[21]), (live[22], live[23])):
            scenario.sandbox.control("mutate", kind=scenario.target.kind, id=loser, op="merge", into=winner)


def _unmoved(scenario: Scenario) -> None:
    """Edit records without moving their update time, as the vendor's own processes do."""
    scenario.edit(scenario.truth()["live_ids"][:15], quiet=True)


def _failing(scenario: Scenario) -> None:
    """Make calls be throttled, fail, break off, and return a web page."""
    scenario.edit(scenario.truth()["live_ids"][:15])
    scenario.fault("status", status=429, retry_after=1, times=1, skip=1)
    scenario.fault("status", status=502, body=HTML, times=1, skip=2)
    scenario.fault("truncate", times=1, skip=3)
    scenario.fault("drop_before", times=1, skip=4)
    scenario.fault("status", status=503, chance=0.2, seed=7, times=4)


def _page_for_json(scenario: Scenario) -> None:
    """Return a web page with status 200 instead of data."""
    scenario.edit(scenario.truth()["live_ids"][:15])
    scenario.fault("status", status=200, body=HTML, times=2)


def _expired(scenario: Scenario) -> None:
    """Refuse the token as expired for a while."""
    scenario.edit(scenario.truth()["live_ids"][:15])
    body = {
        "status": "error",
        "message": "The OAuth token used to make this call expired",
        "category": "EXPIRED_AUTHENTICATION",
    }
    scenario.fault("status", status=401, body=body, times=1)


CASES: tuple[tuple[str, str, Callable[[Scenario], None]], ...] = (
    ("over 10,000 in one millisecond", "hubspot", _many_of_one_moment),
    ("lagging index", "hubspot", _late),
    ("back-dated edits", "hubspot", _back_dated),
    ("deleted, restored, merged", "hubspot", _gone),
    ("throttled and failing", "hubspot", _failing),
    ("web page instead of data", "hubspot", _page_for_json),
    ("expired token", "hubspot", _expired),
    ("over a page in one second", "zendesk", _many_of_one_second),
    ("update time unchanged", "zendesk", _unmoved),
    ("deleted, restored", "zendesk", _gone),
    ("throttled and failing", "zendesk", _failing),
)
IN_TRIAL = ("lagging index", "update time unchanged", "expired token")


class Contestant:
    """One way to load one vendor's records, with its state between runs.

    Args:
        who: ours, dlt or Singer.
        target: The records.
        sandbox: The vendor.
    """

    def __init__(self, who: str, target: VendorRecords, sandbox: services.Sandbox) -> None:
        self.who, self._target, self._sandbox = who, target, sandbox
        self.url = services.database(is_warehouse=who == "ours")
        self._state, self._is_first = "", True
        self.n_held = 0

    def load(self, now: datetime) -> None:
        """Run once.

        Raises:
            Failed: The run failed.
        """
        target, given = self._target, self._sandbox.connection(self._target.source)
        if self.who == "ours":
            environment = {
                f"AIRFLOW_CONN_{target.source.upper()}": json.dumps(given),
                "PERENNIAL_DATABASE_URL": self.url,
                "PERENNIAL_NOW": now.isoformat(),
                "PERENNIAL_HOME": str(services.home() / "ours"),
            }
            command = [sys.executable, "-m", "benchmarks.contestants.ours_run", target.source, target.entity]
            self.n_held += measure.run(command, environment=environment, timeout=240).result.get("held", 0)
        elif self.who == "dlt":
            command = [str(services.tool("dlt") / "python"), "benchmarks/contestants/dlt_load.py", target.stream]
            place = services.home() / f"dlt-faults-{target.vendor}"
            if self._is_first:
                services.emptied(place)
            token = given["password"]
            measure.run([*command, self._sandbox.url, token, services.plain(self.url), str(place)], timeout=240)
        else:
            token, url = given["password"], services.plain(self.url)
            loaded = singer.load(target.vendor, target.stream, self._sandbox.url, token, url, self._state)
            self._state = loaded.state
        self._is_first = False

    def rows(self) -> list[tuple[str, Any, bool]]:
        """Return the rows of the tables."""
        with psycopg.connect(services.plain(self.url)) as connection:
            found = connection.execute(self._target.reads[self.who]).fetchall()  # type: ignore[call-overload]
        return [(str(one), value, bool(is_deleted)) for one, value, is_deleted in found]


def run(size: str) -> list[Row]:
    """Run every case for every contestant, both vendors in parallel: results are counted, not timed."""
    services.drop(services.database(is_warehouse=True))
    for name in ("dlt", "target-postgres", *(f"tap-{vendor}" for vendor in VENDOR_RECORDS)):
        services.tool(name)
    with ThreadPoolExecutor(len(VENDOR_RECORDS)) as pool:
        return [row for rows in pool.map(lambda vendor: _of_vendor(vendor, size), VENDOR_RECORDS) for row in rows]


def _of_vendor(vendor: str, size: str) -> list[Row]:
    sandbox = services.Sandbox(f"faults-{vendor}", CUSTOMERS)
    rows = []
    for name, its_vendor, event in CASES:
        if its_vendor != vendor or (size == "small" and name not in IN_TRIAL):
            continue
        for who in ("ours", "dlt", "Singer"):
            figures = _run_case(sandbox, VENDOR_RECORDS[vendor], who, event)
            services.say(f"{vendor}, {name}, {who}: {figures}")
            note = str(figures.pop("note", ""))
            rows.append(Row(f"{vendor}: {name}", _shown(who, vendor), figures=figures, note=note))
    sandbox.stop()
    return rows


def _shown(who: str, vendor: str) -> str:
    return f"tap-{vendor}" if who == "Singer" else who


def _run_case(
    sandbox: services.Sandbox, target: VendorRecords, who: str, event: Callable[[Scenario], None]
) -> dict[str, Any]:
    sandbox.control("reset", at=_NOW.isoformat())
    sandbox.control("limits", lift=True)
    contestant, scenario = Contestant(who, target, sandbox), Scenario(sandbox, target)
    n_failed = 0
    try:
        contestant.load(_NOW)
        # After an hour the event happens; a quarter of an hour later comes the next run.
        sandbox.control("clock", at=(_NOW + timedelta(hours=1)).isoformat())
        event(scenario)
        during = _NOW + timedelta(minutes=75)
        sandbox.control("clock", at=during.isoformat())
        for _ in range(3):
            try:
                contestant.load(during)
                break
            except Failed:
                n_failed += 1
        sandbox.drop_faults()
        sandbox.control("switches", **{"hubspot.index_lag_seconds": None})
        after = _NOW + timedelta(minutes=195)
        sandbox.control("clock", at=after.isoformat())
        try:
            contestant.load(after)
        except Failed as failure:
            services.say(str(failure)[:600])
            n_failed += 1
        found = judged(contestant.rows(), scenario.truth(), scenario.edited) | {"failed runs": n_failed}
        return found | ({"note": f"{contestant.n_held} held batch accepted"} if contestant.n_held else {})
    except Failed as failure:
        services.say(str(failure)[:600])
        return {"note": "did not load"}
    finally:
        services.drop(contestant.url)


def judged(rows: list[tuple[str, Any, bool]], truth: dict[str, Any], edited: set[str]) -> dict[str, int]:
    """Count the differences from the vendor.

    Args:
        rows: Id, edited field, and whether deleted, from the tables.
        truth: The vendor's ``live_ids``.
        edited: Ids whose field was set to ``EDITED``.
    """
    live = {str(number) for number in truth["live_ids"]}
    shown = {one for one, _, is_deleted in rows if not is_deleted}
    fresh = {one for one, value, _ in rows if value == EDITED}
    return {
        "lost": len(live - shown),
        "stale": len((edited & live & shown) - fresh),
        "doubled": len(rows) - len({one for one, _, _ in rows}),
        "ghosts": len(shown - live),
    }
