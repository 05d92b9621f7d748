"""Salesforce as the only CRM: from its records to alerts, and back into it as tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from include.common import connections
from include.common.text import one_line
from include.connectors.crm.salesforce.api import SalesforceApi, client
from include.connectors.registry import connect
from include.deliver import holds
from include.sandbox.salesforce import ids
from include.warehouse.engine import engine
from tests.end_to_end import chain, fingerprints
from tests.fixtures.sandbox import NOW, SandboxProcess

ACCOUNT = "001"
HOSTILE = "A\x00cme <!channel> \u202etxt =1+1 😀 " + "ü" * 150
KEPT = HOSTILE.replace("\x00", "")
SOON = datetime.fromisoformat(NOW) + timedelta(minutes=10)


@pytest.fixture
def org(platform: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """The org as the CRM. Support desk and product use its ids, and every account has a hostile name."""
    monkeypatch.setenv("AIRFLOW_CONN_CRM", platform.connections["AIRFLOW_CONN_SALESFORCE"])
    for source, entity, kind, field in (
        ("support", "organization", "organization", "external"),
        ("product_db", "product_account", "workspace", "crm_ref"),
    ):
        column = "external_id" if field == "external" else "crm_account_id"
        for page in connect(connections.get(source)).read(entity, position=None, until=SOON):
            for record in page.records:
                number = str(record.values.get(column) or "")
                if number.isdigit() and not record.is_deleted:
                    own = int(record.id.removeprefix("ws_"))
                    platform.mutate(kind, own, set={field: ids.encode(ACCOUNT, int(number))})
    assert platform.product_url  # access marks it for a rebuild before the next test
    platform.mutate("company", op="touch", set={"name": HOSTILE})
    platform.now(SOON.isoformat())
    monkeypatch.setenv("PERENNIAL_NOW", SOON.isoformat())
    return platform


def _rows(query: str) -> list[sa.Row]:
    with engine("reader").connect() as connection:
        return list(connection.execute(sa.text(query)))


def _tasks() -> list[dict[str, Any]]:
    api = SalesforceApi(client(connections.get("crm"), ()))
    fields = "Id, Perennial_Key__c, WhatId, OwnerId, Subject, Description"
    return list(api.everything(f"SELECT {fields} FROM Task WHERE Perennial_Key__c != NULL"))


@pytest.mark.soak
def test_case_49_salesforce_alone_from_ingest_to_tasks(org: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    holds.release("email", "first use", "test")
    said = chain.run("first")
    assert [said[source].state for source in chain.SOURCES] == ["green"] * 3
    assert {row.name for row in _rows("select name from raw.salesforce__account where not _is_deleted")} == {KEPT}
    matched = _rows("select method from core.account_bridge where account_key is not null and entity <> 'account'")
    assert {"external_id", "crm_account_id"} <= {row.method for row in matched}
    assert said["decide"].n_renewals > 0 and said["decide"].n_planned > 0

    planned = {row["key"]: row for row in fingerprints.outbox().values() if row["channel"] == "crm_task"}
    assert planned and {row["state"] for row in planned.values()} == {"sent"}
    tasks = _tasks()
    assert sorted(task["Perennial_Key__c"] for task in tasks) == sorted(planned)
    accounts = {ids.encode(ACCOUNT, number) for number in org.truth()["account"]["live_ids"]}
    for task in tasks:
        assert task["WhatId"] in accounts
        assert task["WhatId"] == planned[task["Perennial_Key__c"]]["account_key"].removeprefix("crm:")
        assert one_line(KEPT)[:20] in task["Subject"]
        assert not {"\x00", "\u202e"} & {*task["Subject"], *task["Description"]}
    inbox = org.inbox()
    assert inbox["messages"] and inbox["mails"]
    assert "<!channel>" not in str(inbox["messages"])

    # After the lag our own tasks become readable: they are no activity, and nothing is planned or sent again.
    monkeypatch.setenv("PERENNIAL_NOW", (SOON + timedelta(minutes=20)).isoformat())
    again = chain.run("second")
    assert (again["decide"].n_planned, again["deliver"].n_sent) == (0, 0)
    assert len(_tasks()) == len(tasks)
    activities = {row.id for row in _rows("select id from raw.salesforce__activity")}
    assert activities and activities.isdisjoint(task["Id"] for task in tasks)
