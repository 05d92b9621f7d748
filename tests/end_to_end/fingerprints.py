"""Fingerprints of a run's results, to compare two runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import requests
import sqlalchemy as sa

from include.warehouse.engine import engine
from tests.fixtures.sandbox import SandboxProcess

# Times, batch ids and build ids differ between runs and are ignored.
_TIMES = {"_loaded_at", "_first_loaded_at", "_batch_id", "built_at", "build_id", "known_at", "known_from", "known_to"}


def table_prints(schema: str) -> dict[str, tuple[int, str]]:
    """Return for every table of a schema the row count and a digest of the contents."""
    with engine("owner").connect() as connection:
        names = sa.inspect(connection).get_table_names(schema)
        return {name: _print(connection, schema, name) for name in sorted(names)}


def _print(connection: sa.Connection, schema: str, table: str) -> tuple[int, str]:
    columns = [
        column["name"]
        for column in sa.inspect(connection).get_columns(table, schema)
        if column["name"] not in _TIMES and "generated" not in str(column.get("computed"))
    ]
    row = ", ".join(f'"{name}"' for name in columns)
    statement = (
        "select count(*), md5(coalesce(string_agg(line, '' order by line), ''))"
        f' from (select md5(row({row})::text) as line from {schema}."{table}") lines'
    )
    count, digest = connection.execute(sa.text(statement)).one()
    return count, digest


def outside(sandbox: SandboxProcess) -> dict[str, Counter[str]]:
    """Return key -> number of arrivals of each message and task."""
    inbox = sandbox.inbox()
    return {
        "slack": Counter(message["metadata"]["event_payload"]["key"] for message in inbox["messages"]),
        "email": Counter(mail["message_id"] for mail in inbox["mails"]),
        "crm_task": Counter(task["perennial_key"] for task in tasks(sandbox)),
    }


def tasks(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    """Return the properties and company of each task created by Perennial in the sandbox's CRM."""
    connection = sandbox.connection("crm")
    headers = {"Authorization": f"Bearer {connection['password']}"}
    properties = "perennial_key,hs_task_subject,hubspot_owner_id,hs_timestamp,hs_task_status"
    found, after = [], None
    while True:
        answer = requests.get(
            f"{connection['host']}/crm/v3/objects/tasks",
            headers=headers,
            params={"limit": 100, "properties": properties, "associations": "companies", "after": after},
            timeout=600,
        ).json()
        for task in answer["results"]:
            companies = task.get("associations", {}).get("companies", {}).get("results", [])
            found.append(task["properties"] | {"companies": sorted({company["id"] for company in companies})})
        after = answer.get("paging", {}).get("next", {}).get("after")
        if not after:
            return [task for task in found if task.get("perennial_key")]


def outbox() -> dict[str, dict[str, Any]]:
    """Return the outbox by key."""
    with engine("reader").connect() as connection:
        rows = connection.execute(sa.text("select * from ops.outbox")).mappings()
        return {row["key"]: dict(row) for row in rows}
