"""The common Python client for Salesforce works on the sandbox unchanged, except for the adapter that redirects it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from include.sandbox.salesforce import ids
from tests.fixtures.sandbox import NOW, SandboxProcess
from tests.sandbox.test_zenpy import _LeadHere


@pytest.fixture
def session(sandbox: SandboxProcess) -> Iterator[requests.Session]:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _LeadHere(sandbox.connection("salesforce")["host"]))
    yield session
    session.close()


@pytest.fixture
def client(sandbox: SandboxProcess, session: requests.Session) -> Salesforce:
    given = sandbox.connection("salesforce")
    sandbox.control("switches", **{"salesforce.instance_url": "https://perennial.my.salesforce.com"})
    return Salesforce(
        consumer_key=given["login"], consumer_secret=given["password"], domain="perennial.my", session=session
    )


def accounts(sandbox: SandboxProcess) -> set[str]:
    return {ids.encode("001", number) for number in sandbox.truth()["account"]["live_ids"]}


def test_queries_follow_all_pages(client: Salesforce, sandbox: SandboxProcess) -> None:
    sandbox.control("switches", **{"salesforce.page_rows": 7})
    found = client.query_all("SELECT Id, Name, Owner.Name FROM Account ORDER BY Name")
    assert found["totalSize"] == len(found["records"]) and found["done"]
    assert {row["Id"] for row in found["records"]} == accounts(sandbox)
    assert all(row["Owner"]["Name"] for row in found["records"])
    assert client.query("SELECT COUNT() FROM Account")["totalSize"] == found["totalSize"]


def test_deleted_rows_only_on_request(client: Salesforce, sandbox: SandboxProcess) -> None:
    number = sandbox.truth()["account"]["live_ids"][0]
    one = ids.encode("001", number)
    sandbox.mutate("company", number, op="delete")
    query = f"SELECT Id, IsDeleted FROM Account WHERE Id = '{one[:15]}'"
    assert client.query(query)["totalSize"] == 0
    (row,) = client.query(query, include_deleted=True)["records"]
    assert row["IsDeleted"] is True
    start, end = (datetime.fromisoformat(NOW) + timedelta(minutes=by) for by in (-1, 1))
    assert [each["id"] for each in client.Account.deleted(start, end)["deletedRecords"]] == [one]


def test_describes_objects_and_limits(client: Salesforce) -> None:
    fields = {field["name"]: field for field in client.Opportunity.describe()["fields"]}
    assert fields["Amount"]["type"] == "currency" and fields["AccountId"]["referenceTo"] == ["Account"]
    assert {"Account", "Contact", "User"} <= {each["name"] for each in client.describe()["sobjects"]}
    assert client.limits()["DailyApiRequests"]["Max"] > 0
    assert client.api_usage["api-usage"].used > 0


def test_records_are_created_read_changed_and_deleted(client: Salesforce) -> None:
    made = client.Account.create({"Name": "New & <b>", "Industry": "MACHINERY", "Customer_Tier__c": "small"})
    assert made["success"] is True and len(made["id"]) == 18
    assert client.Account.get(made["id"])["Name"] == "New & <b>"
    assert client.Account.update(made["id"], {"Industry": None}) == 204
    assert client.Account.get(made["id"][:15])["Industry"] is None
    assert client.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound) as caught:
        client.Account.get(made["id"])
    assert caught.value.content[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_tasks_by_their_key(client: Salesforce, sandbox: SandboxProcess) -> None:
    account = min(accounts(sandbox))
    body = {"Subject": "Call", "WhatId": account, "ActivityDate": "2026-07-01"}
    assert client.Task.upsert("Perennial_Key__c/abc", body) == 201
    assert client.Task.upsert("Perennial_Key__c/abc", {"Subject": "Call them"}) == 200
    task = client.Task.get_by_custom_id("Perennial_Key__c", "abc")
    assert (task["Subject"], task["Status"], task["WhatId"]) == ("Call them", "Not Started", account)
    sandbox.mutate("sf_task", op="create", set={"Perennial_Key__c": "abc"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Task.upsert("Perennial_Key__c/abc", body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Subjekt": "x"}, "INVALID_FIELD"),
        ({"IsClosed": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"OwnerId": "INACTIVE"}, "INACTIVE_OWNER_OR_USER"),
        ({"WhatId": "001SB0zzzzzzzzz"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"WhatId": "1001"}, "MALFORMED_ID"),
        ({"Subject": "x" * 256}, "STRING_TOO_LONG"),
        ({"ActivityDate": "tomorrow"}, "JSON_PARSER_ERROR"),
        ({"Perennial_Key__c": "again"}, "INVALID_FIELD"),
    ],
)
def test_wrong_writes_are_refused(client: Salesforce, sandbox: SandboxProcess, body: dict, code: str) -> None:
    if body.get("OwnerId"):
        (gone,) = client.query("SELECT Id FROM User WHERE IsActive = FALSE")["records"]
        body = {"OwnerId": gone["Id"]}
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Task.upsert("Perennial_Key__c/again", body)
    assert caught.value.content[0]["errorCode"] == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT Id FROM Acount", "INVALID_TYPE"),
        ("SELECT Nam FROM Account", "INVALID_FIELD"),
        ("SELECT Id, Owner.Nam FROM Account", "INVALID_FIELD"),
        ("SELECT Id, Boss.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = Acme", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name > 3", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id > 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account GROUP BY Name", "MALFORMED_QUERY"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT 2 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Id FROM Account ; DELETE", "MALFORMED_QUERY"),
    ],
)
def test_invalid_query_is_rejected(client: Salesforce, query: str, code: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query(query)
    assert caught.value.content[0]["errorCode"] == code


def test_conditions_and_orders_of_queries(client: Salesforce) -> None:
    def names(rest: str) -> list[str]:
        return [row["Name"] for row in client.query_all(f"SELECT Name FROM Account {rest}")["records"]]

    everybody = names("ORDER BY Name")
    assert everybody == sorted(everybody, key=str.lower) and names("ORDER BY Name DESC") == everybody[::-1]
    assert names("ORDER BY Name LIMIT 3 OFFSET 2") == everybody[2:5]
    first = everybody[0]
    quoted = first.replace("\\", "\\\\").replace("'", "\\'")
    assert names(f"WHERE Name = '{quoted}'") == [first]
    assert names(f"WHERE NOT Name > '{quoted}'") == [first]
    assert len(names(f"WHERE Name != '{quoted}' AND (Industry = NULL OR Industry != NULL)")) == len(everybody) - 1
    assert names("WHERE Owner.IsActive = TRUE AND Name LIKE 'Prospect%' ORDER BY Name")[0].startswith("Prospect")
    assert set(names("WHERE Customer_Tier__c IN ('small', 'standard')")).isdisjoint(
        names("WHERE Customer_Tier__c NOT IN ('small', 'standard')")
    )
    stamped = "WHERE SystemModstamp >= 2026-01-01T00:00:00.000Z AND SystemModstamp < 2026-01-01T00:00:00+00:00"
    assert names(stamped) == []


def test_locators_end_after_two_days_and_sessions_sooner(client: Salesforce, sandbox: SandboxProcess) -> None:
    sandbox.control("switches", **{"salesforce.page_rows": 7})
    page = client.query("SELECT Id FROM Account")
    session = client.session_id
    sandbox.control("clock", advance_seconds=2 * 86_400 - 10)
    assert len(client.query_more(page["nextRecordsUrl"], identifier_is_url=True)["records"]) == 7
    assert client.session_id != session  # the client has fetched a new session
    sandbox.control("clock", advance_seconds=10)
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    assert caught.value.content[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_record_lists_respond_in_order_and_individually(client: Salesforce, sandbox: SandboxProcess) -> None:
    account = min(accounts(sandbox))
    records = [
        {"attributes": {"type": "Task"}, "Perennial_Key__c": key, "Subject": subject, "WhatId": account}
        for key, subject in (("a", "fine"), ("b", "x" * 300), ("c", "fine too"))
    ]
    path = "composite/sobjects/Task/Perennial_Key__c"
    results = client.restful(path, method="PATCH", json={"allOrNone": True, "records": records})
    assert [each["success"] for each in results] == [False] * 3
    assert client.query("SELECT COUNT() FROM Task WHERE Perennial_Key__c != NULL")["totalSize"] == 0
    results = client.restful(path, method="PATCH", json={"records": records})
    assert [(each["success"], each.get("created")) for each in results] == [(True, True), (False, None), (True, True)]
    assert results[1]["errors"][0]["statusCode"] == "STRING_TOO_LONG"
    with pytest.raises(SalesforceMalformedRequest):
        client.restful(path, method="PATCH", json={"records": records * 67})


def test_token_endpoint_is_strict(sandbox: SandboxProcess) -> None:
    given = sandbox.connection("salesforce")
    at = f"{given['host']}/services/oauth2/token"
    form = {"grant_type": "client_credentials", "client_id": given["login"], "client_secret": given["password"]}
    answer = requests.post(at, data=form, timeout=600).json()
    assert answer["access_token"] and "expires_in" not in answer and answer["instance_url"] == given["host"]
    for change, said in (
        ({"client_secret": "x"}, "invalid_client"),
        ({"client_id": "x"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
    ):
        refused = requests.post(at, data=form | change, timeout=600)
        assert (refused.status_code, refused.json()["error"]) == (400, said)
