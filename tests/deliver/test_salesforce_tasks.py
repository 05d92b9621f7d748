"""Tasks in Salesforce: created once, on the right account, despite failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.common.errors import ConfigError
from include.config import load
from include.connectors.crm.salesforce.resources import DATA
from include.deliver.channels import crm_task
from include.deliver.channels.crm_task.body import plain
from include.deliver.channels.crm_task.salesforce import SalesforceTasks
from include.http.client import Refused
from include.outbox.store import Delivery
from include.sandbox.salesforce import ids
from tests.deliver.example_messages import TASK, delivery
from tests.fixtures.sandbox import NOW, SandboxProcess

UPSERT = "/services/data/*/composite/sobjects/Task/Perennial_Key__c"
LISTS = "/services/data/*/composite/sobjects"


@pytest.fixture
def org(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SandboxProcess:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_CRM", sandbox.connections["AIRFLOW_CONN_SALESFORCE"])
    return sandbox


@pytest.fixture
def channel(org: SandboxProcess) -> SalesforceTasks:
    return opened()


def opened() -> SalesforceTasks:
    channel = crm_task.connect(load(), "crm")
    assert isinstance(channel, SalesforceTasks)
    channel._api.client.sleep = lambda seconds: None
    return channel


def task(org: SandboxProcess, step: str = "a", **changes: str) -> Delivery:
    truth = org.truth()
    account, owner = truth["account"]["live_ids"][0], truth["owner"]["live_ids"][0]
    body = {**TASK, "company_id": ids.encode("001", account), "owner_id": ids.encode("005", owner), **changes}
    one = delivery("crm_task", step, body=body)
    return replace(one, address=body["owner_id"])


def tasks(channel: SalesforceTasks, fields: str = "Id, Perennial_Key__c") -> list[dict[str, Any]]:
    return list(channel._api.everything(f"SELECT {fields} FROM Task WHERE Perennial_Key__c != NULL"))


def test_task_is_created_on_its_account(channel: SalesforceTasks, org: SandboxProcess) -> None:
    one = task(org, html="Call them &amp; <b>listen</b>.<br>See <a href='https://x.example/1'>the account</a>.")
    outcome = channel.send([one])[one.key]
    assert channel.is_repeatable and (outcome.state, outcome.reason) == ("sent", "")
    (row,) = tasks(channel, "Id, Subject, Description, ActivityDate, Status, Priority, WhatId, OwnerId")
    del row["attributes"]
    assert row == {
        "Id": outcome.external_id,
        "Subject": "Customer 1: find out why",
        "Description": "Call them & listen.\nSee the account (https://x.example/1).",
        "ActivityDate": "2026-11-18",
        "Status": "Not Started",
        "Priority": "High",
        "WhatId": one.body["company_id"],
        "OwnerId": one.address,
    }


def test_due_date_is_independent_of_the_time_zone(channel: SalesforceTasks, org: SandboxProcess) -> None:
    one = task(org, due_at="2026-12-02T01:00:00.000Z", due_on="2026-12-01")  # 5 p.m. in a western time zone
    channel.send([one])
    assert tasks(channel, "Id, ActivityDate")[0]["ActivityDate"] == "2026-12-01"


def test_repeated_delivery_changes_nothing(channel: SalesforceTasks, org: SandboxProcess) -> None:
    one = task(org)
    made = channel.send([one])[one.key].external_id
    number = ids.decode(made, "00T")
    org.mutate("sf_task", number, set={"Status": "Completed"})
    assert channel.send([one])[one.key].external_id == made
    assert [row["Status"] for row in tasks(channel, "Id, Status")] == ["Completed"]
    org.mutate("sf_task", number, op="delete")  # a deleted task is not wanted back
    assert channel.send([one])[one.key].external_id == made
    assert len(tasks(channel)) == 1


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "truncate", "status"])
def test_case_19_uncertain_response_is_resolved_by_a_repeat(
    channel: SalesforceTasks, org: SandboxProcess, kind: str
) -> None:
    org.control("faults", vendor="salesforce", path=UPSERT, kind=kind, times=1)
    one = task(org)
    assert channel.send([one])[one.key].state == "sent"
    assert len(tasks(channel)) == 1


def test_each_delivery_of_a_batch_gets_its_own_outcome(channel: SalesforceTasks, org: SandboxProcess) -> None:
    good, nowhere, odd = task(org, "a"), task(org, "b", company_id="001SB0zzzzzzzzz"), task(org, "c", due_at="soon")
    outcomes = channel.send([good, nowhere, odd])
    assert [outcomes[one.key].state for one in (good, nowhere, odd)] == ["sent", "refused", "refused"]
    assert "INVALID_CROSS_REFERENCE_KEY" in outcomes[nowhere.key].reason
    assert "ingest the CRM" in outcomes[nowhere.key].reason
    assert [row["Perennial_Key__c"] for row in tasks(channel)] == [good.key]


def test_duplicate_key_names_its_records(channel: SalesforceTasks, org: SandboxProcess) -> None:
    # https://developer.salesforce.com/docs/platform/api-rest/guide/dome-upsert.html
    both = [f"/services/data/v62.0/sobjects/Task/{one}" for one in ("00T1", "00T2")]
    org.control("faults", vendor="salesforce", path="*/sobjects/Task/*", kind="status", status=300, body=both, times=1)
    with pytest.raises(Refused, match="300: 2 records have this key: 00T1, 00T2") as caught:
        channel._api.client.call("PATCH", f"{DATA}/sobjects/Task/Perennial_Key__c/k", json={"Subject": "x"})
    assert "keep the key on one of these records" in caught.value.cure


def test_locked_row_is_retried_later(channel: SalesforceTasks, org: SandboxProcess) -> None:
    locked = [{"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "x", "fields": []}]}]
    org.control("faults", vendor="salesforce", path=UPSERT, kind="status", status=200, body=locked, times=1)
    one = task(org)
    assert channel.send([one])[one.key].state == "later"
    assert channel.send([one])[one.key].state == "sent"


def test_case_17_task_of_a_departed_owner_is_still_written(channel: SalesforceTasks, org: SandboxProcess) -> None:
    (gone,) = channel._api.everything("SELECT Id, Email FROM User WHERE IsActive = FALSE")
    one = task(org, owner_id=gone["Id"])
    outcome = channel.send([one])[one.key]
    assert (outcome.state, "is not an active user" in outcome.reason) == ("sent", True)
    assert len(tasks(channel)) == 1
    assert channel.address(replace(one, body={**one.body, "owner_id": ""}, recipient=gone["Email"])) == ""


def test_owner_is_found_by_email_address(channel: SalesforceTasks, org: SandboxProcess) -> None:
    (someone, *_) = channel._api.everything("SELECT Id, Email FROM User WHERE IsActive = TRUE")
    one = task(org, owner_id="")
    assert channel.address(replace(one, recipient=someone["Email"].upper())) == someone["Id"]
    assert channel.address(replace(one, recipient="o'brien\\@nowhere.example")) == ""


def test_uncertain_write_without_a_unique_key_is_looked_up_not_repeated(org: SandboxProcess) -> None:
    org.control("switches", **{"salesforce.plain_fields": ["Task.Perennial_Key__c"]})
    channel = opened()
    assert not channel.is_repeatable
    one, two = task(org, "a"), task(org, "b")
    org.control("faults", vendor="salesforce", path=LISTS, method="POST", kind="drop_after", times=1)
    assert channel.send([one])[one.key].state == "uncertain"
    since = datetime.fromisoformat(NOW) - timedelta(minutes=10)
    assert set(channel.find(one.address, since) or ()) == {one.key}
    assert channel.find(one.address, since + timedelta(hours=1)) == {}
    org.control("faults", vendor="salesforce", path=LISTS, method="POST", kind="drop_before", times=1)
    assert channel.send([two])[two.key].state == "uncertain"
    assert two.key not in (channel.find(two.address, since) or {})
    assert {key: each.state for key, each in channel.send([one, two]).items()} == {one.key: "sent", two.key: "sent"}
    assert sorted(row["Perennial_Key__c"] for row in tasks(channel)) == sorted([one.key, two.key])


def test_missing_key_field_is_a_clear_error(org: SandboxProcess) -> None:
    org.control("switches", **{"salesforce.removed_fields": ["Task.Perennial_Key__c"]})
    with pytest.raises(ConfigError, match=r"no field Perennial_Key__c.*on the object Activity"):
        opened()


def test_vendor_without_tasks_is_rejected(org: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", '{"conn_type": "zendesk", "host": "https://x.example", "password": "x"}')
    with pytest.raises(ConfigError, match="only be written to HubSpot and Salesforce"):
        crm_task.connect(load(), "crm")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>\n<br>\nb", "a\n\nb"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
        ("&lt;script&gt; &amp;amp;", "<script> &amp;"),
        ("1 < 2", "1 < 2"),
        ("<a>no address</a>", "no address"),
    ],
)
def test_html_is_converted_to_plain_text(html: str, text: str) -> None:
    assert plain(html) == text


def test_obsolete_task_is_closed_once_with_a_note(channel: SalesforceTasks, org: SandboxProcess) -> None:
    one = task(org)
    channel.send([one])
    ends = delivery("crm_task", "close:a", body={"closes": one.key, "note": "Closed: the risk is gone"})
    assert channel.address(ends) == ""
    for reason in ("", "it was already completed"):
        outcome = channel.send([ends])[ends.key]
        assert (outcome.state, outcome.reason) == ("sent", reason)
    (found,) = tasks(channel, "Id, Status, Description, Perennial_Key__c")
    assert found["Status"] == "Completed"
    assert found["Description"].startswith("Closed: the risk is gone")


def test_task_outcomes_are_read_back(channel: SalesforceTasks, org: SandboxProcess) -> None:
    left, moved, done, deleted = deliveries = [task(org, step) for step in "abcd"]
    outcomes = channel.send(deliveries)

    def change(delivery: Delivery, method: str = "PATCH", **fields: str) -> None:
        path = f"{DATA}/sobjects/Task/{outcomes[delivery.key].external_id}"
        channel._api.client.call(method, path, json=fields or None, is_repeatable=True)

    change(moved, ActivityDate="2026-12-24", Status="In Progress")
    change(done, Status="Completed", Perennial_Outcome__c="No risk")
    change(deleted, "DELETE")
    found = channel.read_back(deliveries)
    assert found[left.key].state == "open" and found[left.key].owner_id == left.address
    assert found[left.key].due_on == date(2026, 11, 18)
    assert (found[moved.key].state, found[moved.key].due_on) == ("started", date(2026, 12, 24))
    assert (found[done.key].state, found[done.key].outcome) == ("done", "No risk")
    assert found[deleted.key].state == "deleted"


def test_recall_deletes_tasks_except_completed_ones(channel: SalesforceTasks, org: SandboxProcess) -> None:
    left, done, deleted, never_written = (task(org, step) for step in "abcd")
    outcomes = channel.send([left, done, deleted])
    org.mutate("sf_task", ids.decode(outcomes[done.key].external_id, "00T"), set={"Status": "Completed"})
    org.mutate("sf_task", ids.decode(outcomes[deleted.key].external_id, "00T"), op="delete")
    ends = delivery("crm_task", "close:b", body={"closes": done.key, "note": "x"})
    # The response is lost, so the call is repeated.
    org.control("faults", vendor="salesforce", path="*", method="DELETE", kind="drop_after", times=1)
    for _ in range(2):
        stays = channel.take_back([left, done, deleted, never_written, ends])
        assert stays == {
            done.key: "its owner has completed the task",
            ends.key: "a closed task stays closed",
        }
    found = {row["Perennial_Key__c"]: row["IsDeleted"] for row in tasks(channel, "Id, Perennial_Key__c, IsDeleted")}
    assert found == {left.key: True, done.key: False, deleted.key: True}
    second = task(org, "e")
    channel.send([second])
    told = [{"errorCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "no"}]
    org.control("faults", vendor="salesforce", path="*", method="DELETE", kind="status", status=400, body=told, times=1)
    assert channel.take_back([second])[second.key].startswith("Salesforce did not delete it:")
    org.control("faults", vendor="salesforce", path="*", method="DELETE", kind="status", status=403, body=told, times=1)
    assert channel.take_back([second])[second.key].startswith("Salesforce did not delete it:")
