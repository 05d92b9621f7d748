"""Load with dlt in its own environment: its REST client and PostgreSQL loader, rows merged by id.

The reads follow dlt's published sources for the two vendors. HubSpot is listed in full every time, with archived
records marked as deleted. Zendesk's export starts at the newest ``updated_at``. CSV files are loaded by ``COPY``, and
nested values are kept as JSON instead of child tables. Parquet, INSERTs and a second worker were tried on a busy
machine only, where none was clearly faster.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

KIND, URL, TOKEN, DATABASE, HOME = sys.argv[1:6]
FORMAT = os.environ.get("BENCH_DLT_FORMAT", "csv")
os.environ.update(
    {
        "DLT_DATA_DIR": HOME,
        "DLT_CONFIG_FOLDER": HOME,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "NORMALIZE__WORKERS": os.environ.get("BENCH_DLT_WORKERS", "1"),
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    }
)
PROPERTIES = {
    "contacts": "email,firstname,lastname,jobtitle,hs_buying_role,hubspot_owner_id,notes_last_contacted,createdate,"
    "lastmodifieddate,hs_merged_object_ids,hs_calculated_merged_vids",
    "deals": "dealname,pipeline,dealstage,hs_is_closed,hs_is_closed_won,deal_kind,contract_number,amount,"
    "deal_currency_code,closedate,notice_period_months,auto_renew,notice_given_on,closed_lost_reason,hubspot_owner_id,"
    "createdate,hs_lastmodifieddate",
}
EPOCH = "1970-01-01T00:00:01Z"


def main() -> None:
    """Load once and print the number of rows."""
    import dlt
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
    from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

    Path(HOME).mkdir(parents=True, exist_ok=True)
    vendor = "zendesk" if KIND == "tickets" else "hubspot"
    client = RESTClient(base_url=f"{URL}/{vendor}", auth=BearerTokenAuth(TOKEN))

    @dlt.resource(name=KIND, primary_key="id", write_disposition="merge", max_table_nesting=0)
    def hubspot() -> Any:
        following = JSONResponseCursorPaginator(cursor_path="paging.next.after", cursor_param="after")
        for archived in ("false", "true"):
            params = {"limit": 100, "properties": PROPERTIES[KIND], "associations": "companies", "archived": archived}
            pages = client.paginate(
                f"/crm/v3/objects/{KIND}", params=params, paginator=following, data_selector="results"
            )
            for page in pages:
                yield [
                    {**row["properties"], "id": row["id"], "associations": row.get("associations"),
                     "is_deleted": archived == "true"}
                    for row in page
                ]  # fmt: skip

    newest = dlt.sources.incremental("updated_at", initial_value=EPOCH)

    @dlt.resource(name=KIND, primary_key="id", write_disposition="merge", max_table_nesting=0)
    def zendesk(since: Any = newest) -> Any:
        params: dict[str, Any] = {"start_time": _seconds(since.last_value), "include": "metric_sets", "per_page": 1000}
        while True:
            data = client.get("/api/v2/incremental/tickets/cursor", params=params).json()
            yield data["tickets"]
            if data["end_of_stream"]:
                return
            params = {"cursor": data["after_cursor"], "include": "metric_sets", "per_page": 1000}

    pipeline = dlt.pipeline(
        "bench", pipelines_dir=HOME, dataset_name="loaded", destination=dlt.destinations.postgres(DATABASE)
    )
    started = time.perf_counter()
    pipeline.run((zendesk if vendor == "zendesk" else hubspot)(), loader_file_format=FORMAT)
    seconds = time.perf_counter() - started
    with pipeline.sql_client() as loaded:
        rows = loaded.execute_sql(f"select count(*) from {KIND}")[0][0]  # noqa: S608
    print(json.dumps({"seconds": seconds, "rows": rows}))


def _seconds(text: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(str(text)).timestamp())


if __name__ == "__main__":
    main()
