"""Make dlt's HubSpot calls in dlt's own environment, extracting without loading.

dlt's HubSpot source is not a package: ``dlt init`` copies it from a repository. Here dlt's REST source makes the same
calls (dlt-hub/verified-sources, sources/hubspot, of 2026): the fields of each object, then its list, 100 per page with
associations, again for archived records, and owners. It has no state: every run reads everything. It has no line items
either; here they are listed the way it lists other objects.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

URL, TOKEN, HOME = sys.argv[1:4]
os.environ.update(
    {
        "DLT_DATA_DIR": HOME,
        "DLT_CONFIG_FOLDER": HOME,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
    }
)
OBJECTS = {"contacts": "deals,companies", "companies": "contacts,deals", "deals": "", "line_items": "deals"}


def main() -> None:
    """Extract everything and print the number of rows."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    Path(HOME).mkdir(parents=True, exist_ok=True)
    resources = []
    for name, ties in [*OBJECTS.items(), ("owners", "")]:
        is_object = name != "owners"
        if is_object:
            resources.append({"name": f"{name}_fields", "endpoint": {"path": f"/crm/v3/properties/{name}"}})
        for archived in ("false", "true"):
            params = {"limit": 100, "archived": archived} | ({"associations": ties} if ties else {})
            path = f"/crm/v3/objects/{name}" if is_object else "/crm/v3/owners"
            resources.append({"name": f"{name}_{archived}", "endpoint": {"path": path, "params": params}})
    paginator = {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"}
    client = {"base_url": f"{URL}/hubspot", "auth": {"type": "bearer", "token": TOKEN}, "paginator": paginator}
    defaults = {"endpoint": {"data_selector": "results"}}
    source = rest_api_source({"client": client, "resource_defaults": defaults, "resources": resources})
    pipeline = dlt.pipeline("calls", pipelines_dir=HOME, destination="filesystem", dataset_name="calls")
    pipeline.extract(source)
    rows = sum(
        metrics.items_count
        for loads in pipeline.last_trace.last_extract_info.metrics.values()
        for one in loads
        for name, metrics in one["table_metrics"].items()
        if not name.startswith("_dlt") and not name.endswith("_fields")
    )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
