"""A Singer tap piped into a Singer target, each from an environment of its own, as their documents say.

Both taps have their vendor's address fixed in their code; ``benchmarks/shims`` sends their calls to the sandbox. Two
of the streams are selected: contacts of HubSpot, tickets of Zendesk. The tap's catalogue is made by its own code for
that stream, since discovery of all streams asks for many addresses that the sandbox has not.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from benchmarks import measure, services
from benchmarks.measure import ROOT, Run

CATALOG = {
    "hubspot": """
import json, sys, tap_hubspot as tap
tap.CONFIG.update(json.load(open(sys.argv[1])))
stream = next(each for each in tap.STREAMS if each.tap_stream_id == sys.argv[2])
schema, mdata = tap.load_discovered_schema(stream)
found = {"stream": sys.argv[2], "tap_stream_id": sys.argv[2], "schema": schema, "metadata": mdata}
wanted = {"property_" + name for name in sys.argv[3].split(",")}
for each in mdata:
    name = each["breadcrumb"][-1] if each["breadcrumb"] else ""
    each["metadata"]["selected"] = not name.startswith("property_") or name in wanted
json.dump({"streams": [found]}, sys.stdout)
""",
    "zendesk": """
import json, sys, singer
from tap_zendesk.discover import load_shared_schema_refs
from tap_zendesk.streams import STREAMS
stream = STREAMS[sys.argv[2]](None, json.load(open(sys.argv[1])))
stream._add_custom_fields = lambda schema: schema
schema = singer.resolve_schema_references(stream.load_schema(), load_shared_schema_refs())
found = {"stream": stream.name, "tap_stream_id": stream.name, "schema": schema, "metadata": stream.load_metadata()}
for each in found["metadata"]:
    each["metadata"]["selected"] = True
json.dump({"streams": [found]}, sys.stdout)
""",
}
# What ours reads too; HubSpot shows no others unless asked.
PROPERTIES = (
    "email,firstname,lastname,jobtitle,hs_buying_role,hubspot_owner_id,notes_last_contacted,createdate,"
    "lastmodifieddate,hs_merged_object_ids,hs_calculated_merged_vids"
)
# The sandbox's portal has no custom objects and no address that says so. The other tap rests after 450 tickets for the
# rest of a minute, meant for audits that are not even selected.
START = {
    "hubspot": "import tap_hubspot as tap; tap.generate_custom_streams = lambda mode, catalog=None: []; tap.main()",
    "zendesk": "import tap_zendesk as tap; tap.streams.AUDITS_REQUEST_PER_MINUTE = 10**9; tap.main()",
}
EPOCH = "1970-01-02T00:00:00Z"


@dataclass(frozen=True)
class Loaded:
    """One pipe from tap to target.

    Args:
        run: As measured, by the wall clock.
        state: The last state that the target let through; the next run's start.
    """

    run: Run
    state: str


def load(vendor: str, stream: str, url: str, token: str, database: str, state: str = "") -> Loaded:
    """Load one stream.

    Args:
        vendor: ``hubspot`` or ``zendesk``.
        stream: Its name in the tap.
        url: Of the sandbox or replay.
        token: The vendor's token.
        database: libpq URL.
        state: Of the run before; "" for a first load.

    Raises:
        Failed: Tap or target ended badly.
    """
    place = services.emptied(services.home() / f"singer-{vendor}")
    place.mkdir(parents=True)
    tap, target = services.tool(f"tap-{vendor}"), services.tool("target-postgres")
    _write(place / "tap.json", configuration(vendor, token))
    _write(place / "target.json", _target(database))
    (place / "state.json").write_text(state or "{}")
    shim = f"PYTHONPATH={shlex.quote(str(ROOT / 'benchmarks' / 'shims'))} BENCH_VENDORS={url}"
    made = f"{shim} {tap}/python -c {shlex.quote(CATALOG[vendor])} {place}/tap.json {stream} {PROPERTIES}"
    measure.run(["sh", "-c", f"{made} > {place}/catalog.json"])
    chosen = "--properties" if vendor == "hubspot" else "--catalog"
    # The target writes the states that it has committed, one a line; only the last counts.
    pipe = (
        f"set -o pipefail; {shim} {tap}/python -c {shlex.quote(START[vendor])} --config {place}/tap.json"
        f" {chosen} {place}/catalog.json --state {place}/state.json 2> {place}/tap.log | tee {place}/messages"
        f" | {target}/target-postgres --config {place}/target.json > {place}/states 2> {place}/target.log"
        f" || (tail -qn 4 {place}/tap.log {place}/target.log >&2; exit 1)"
    )
    run = measure.run(["bash", "-c", pipe])
    states = (place / "states").read_text().strip().splitlines()
    rows = sum(1 for line in (place / "messages").open() if '"type": "RECORD"' in line)
    return Loaded(Run(run.seconds, rows, run.peak_mb, {}), states[-1] if states else state)


def configuration(vendor: str, token: str) -> dict[str, object]:
    """Return what a tap is told."""
    if vendor == "hubspot":
        return {"start_date": EPOCH, "api_key": token, "request_timeout": 60}
    return {"start_date": EPOCH, "subdomain": "sandbox", "access_token": token, "request_timeout": 60}


def _target(database: str) -> dict[str, object]:
    url = make_url(database)
    return {
        "host": url.host, "port": url.port, "user": url.username, "password": url.password, "dbname": url.database,
        "default_target_schema": "loaded", "primary_key_required": True, "batch_size_rows": 100_000,
    }  # fmt: skip


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content))
