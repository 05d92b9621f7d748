"""Imitate the HubSpot calls of published connectors, in this environment, without storing anything.

Two connectors cannot be installed from a package index, so their calls are made here after their published source, with
the same pagination and the same extra requests:

* ``airbyte``: airbytehq/airbyte, airbyte-integrations/connectors/source-hubspot, manifest.yaml and components.py of
  2025. Without state, a stream is listed with its associations, 100 per page. With state it is searched, 200 per page,
  and each page is followed by a batch of associations for each of them. Line items are listed in full every time. An
  object's fields are requested for the schema and again for the request. Archived companies, contacts, deals and owners
  are separate streams.
* ``meltano``: MeltanoLabs/tap-hubspot, tap_hubspot/client.py of 2026-03-02. Listed 100 per page, later searched 100 per
  page; neither associations nor archived records.

State is stored in the given file: object -> the newest update time seen.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

WHO, URL, TOKEN, STATE = sys.argv[1:5]
OBJECTS = {
    "contacts": ("lastmodifieddate", ("companies",)),
    "companies": ("hs_lastmodifieddate", ("contacts",)),
    "deals": ("hs_lastmodifieddate", ("contacts", "companies", "line_items")),
    "line_items": ("hs_lastmodifieddate", ()),
}
_CHARACTERS = 3000  # length of the field names in one URL; the connector cuts at 15,000
_session = requests.Session()
_session.trust_env = False
_session.headers["Authorization"] = f"Bearer {TOKEN}"


def main() -> None:
    """Read everything, or changes since the state, and print the number of rows."""
    path = Path(STATE)
    state: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    rows = sum((_airbyte if WHO == "airbyte" else _meltano)(name, state) for name in OBJECTS)
    for archived in ("false", "true") if WHO == "airbyte" else ("false",):
        rows += len(_listed("/crm/v3/owners", {"archived": archived}))
    path.write_text(json.dumps(state))
    print(json.dumps({"rows": rows}))


def _airbyte(name: str, state: dict[str, int]) -> int:
    cursor, ties = OBJECTS[name]
    names, _ = _fields(name), _fields(name)
    listed = {"archived": "false", "properties": names}
    if name == "line_items":
        return len(_listed(f"/crm/v3/objects/{name}", listed))
    if name not in state:
        rows = _listed(f"/crm/v3/objects/{name}", listed | {"associations": ",".join(ties)})
    else:
        rows = _searched(name, cursor, state[name], 200, names.split(","), ties)
    _note(name, rows, state)
    _fields(name), _fields(name)  # for the stream of archived records
    return len(rows) + len(_listed(f"/crm/v3/objects/{name}", listed | {"archived": "true"}))


def _meltano(name: str, state: dict[str, int]) -> int:
    cursor, _ = OBJECTS[name]
    names = _fields(name)
    if name not in state:
        rows = _listed(f"/crm/v3/objects/{name}", {"properties": names})
    else:
        rows = _searched(name, cursor, state[name], 100, names.split(","), ())
    _note(name, rows, state)
    return len(rows)


def _fields(name: str) -> str:
    names = ",".join(row["name"] for row in _get(f"/crm/v3/properties/{name}", {})["results"])
    return names[:_CHARACTERS].rpartition(",")[0]


def _listed(path: str, params: dict[str, str]) -> list[dict[str, Any]]:
    rows, after = [], None
    while True:
        page = _get(path, {"limit": "100", **params, **({"after": after} if after else {})})
        rows += page["results"]
        after = page.get("paging", {}).get("next", {}).get("after")
        if not after:
            return rows


def _searched(
    name: str, cursor: str, since: int, limit: int, names: list[str], ties: tuple[str, ...]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        filters = [{"propertyName": cursor, "operator": "GTE", "value": str(since)}]
        body = {"filterGroups": [{"filters": filters}], "sorts": [], "properties": names, "limit": limit}
        page = _post(f"/crm/v3/objects/{name}/search", body | {"after": str(len(rows))})
        found = page["results"]
        for tie in ties if found else ():
            _post(f"/crm/v4/associations/{name}/{tie}/batch/read", {"inputs": [{"id": row["id"]} for row in found]})
        rows += found
        if len(rows) >= page["total"] or not found:
            return rows


def _note(name: str, rows: list[dict[str, Any]], state: dict[str, int]) -> None:
    times = [int(datetime.fromisoformat(row["updatedAt"]).timestamp() * 1000) for row in rows]
    state[name] = max([*times, state.get(name, 0)])


def _get(path: str, params: dict[str, str]) -> Any:
    answer = _session.get(f"{URL}/hubspot{path}", params=params, timeout=120)
    answer.raise_for_status()
    return answer.json()


def _post(path: str, body: dict[str, Any]) -> Any:
    answer = _session.post(f"{URL}/hubspot{path}", json=body, timeout=120)
    answer.raise_for_status()
    return answer.json()


if __name__ == "__main__":
    main()
