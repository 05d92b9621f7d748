"""The portal is as strict as the real one: limits, errors and silent changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from tests.fixtures.sandbox import NOW, SandboxProcess

Call = Callable[..., requests.Response]
NOW_MS = 1782820800000


@pytest.fixture
def crm(sandbox: SandboxProcess) -> Call:
    connection = sandbox.connection("crm")
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {connection['password']}"
    return lambda method, path, **options: session.request(method, connection["host"] + path, timeout=600, **options)


def _search(crm: Call, **body: object) -> requests.Response:
    return crm("POST", "/crm/v3/objects/contacts/search", json=body)


def _since(at: int) -> list[dict]:
    return [{"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(at)}]}]


@pytest.mark.parametrize(
    ("header", "status", "category"),
    [
        (None, 401, "INVALID_AUTHENTICATION"),
        ("Bearer pat-na1-wrong", 401, "INVALID_AUTHENTICATION"),
        ("Bearer nonsense", 530, ""),
    ],
)
def test_wrong_credentials(sandbox: SandboxProcess, header: str | None, status: int, category: str) -> None:
    answer = requests.get(
        f"{sandbox.url}/hubspot/crm/v3/owners", headers={"Authorization": header} if header else {}, timeout=600
    )
    assert answer.status_code == status
    assert not category or answer.json()["category"] == category


def test_expired_token_is_reported(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("switches", **{"hubspot.expired_token": True})
    answer = crm("GET", "/crm/v3/owners")
    assert (answer.status_code, answer.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_refresh_token_gives_half_an_hour(sandbox: SandboxProcess) -> None:
    base = sandbox.connection("crm")["host"]
    form = {"grant_type": "refresh_token", **sandbox.note["hubspot_oauth"]}
    bought = requests.post(f"{base}/oauth/v1/token", data=form, timeout=600).json()
    headers = {"Authorization": f"Bearer {bought['access_token']}"}
    assert requests.get(f"{base}/crm/v3/owners", headers=headers, timeout=600).status_code == 200
    sandbox.control("clock", advance_seconds=bought["expires_in"])
    late = requests.get(f"{base}/crm/v3/owners", headers=headers, timeout=600)
    assert (late.status_code, late.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    wrong = {**form, "refresh_token": "na1-wrong"}
    assert requests.post(f"{base}/oauth/2026-03/token", data=wrong, timeout=600).status_code == 400


def test_headers_show_limits_but_searches_only_the_daily_one(crm: Call) -> None:
    listed, searched = crm("GET", "/crm/v3/objects/contacts").headers, _search(crm).headers
    names = [name.lower() for name in searched if "RateLimit" in name or "ratelimit" in name]
    assert listed["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert sorted(names) == ["x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"]


def test_five_searches_a_second(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("limits", **{"hubspot.search": [5, 1.0]})
    answers = [_search(crm) for _ in range(7)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].json()["policyName"] == "SECONDLY"
    assert "Retry-After" not in refused[0].headers


def test_page_size_has_a_maximum(crm: Call) -> None:
    assert crm("GET", "/crm/v3/objects/contacts", params={"limit": 101}).status_code == 400
    history = {"limit": 51, "propertiesWithHistory": "email"}
    assert crm("GET", "/crm/v3/objects/contacts", params=history).status_code == 400
    assert _search(crm, limit=201).status_code == 400
    assert _search(crm, limit=200, after="9900").status_code == 400
    assert _search(crm, limit=100, after="9900").status_code == 200


def test_list_is_ordered_by_id_and_unaffected_by_changes(sandbox: SandboxProcess, crm: Call) -> None:
    first = crm("GET", "/crm/v3/objects/contacts", params={"limit": 5}).json()
    after = first["paging"]["next"]["after"]
    assert int(after) == int(first["results"][-1]["id"]) + 1
    sandbox.mutate("contact", int(first["results"][0]["id"]), set={"jobtitle": "x"})
    second = crm("GET", "/crm/v3/objects/contacts", params={"limit": 5, "after": after}).json()
    assert int(second["results"][0]["id"]) >= int(after)
    # The page's link must not be followed: it has another host and path.
    assert first["paging"]["next"]["link"].startswith("https://api.hubapi.com/crm/objects/v3/")


def test_long_urls_are_rejected(crm: Call) -> None:
    names = [each["name"] for each in crm("GET", "/crm/v3/properties/contacts").json()["results"]]
    assert sum(map(len, names)) > 8_000
    assert crm("GET", "/crm/v3/objects/contacts", params={"properties": ",".join(names)}).status_code == 414
    body = {"inputs": [{"id": "50001"}], "properties": names}
    assert crm("POST", "/crm/v3/objects/contacts/batch/read", json=body).status_code in (200, 207)


def test_search_ends_after_ten_thousand_rows(sandbox: SandboxProcess, crm: Call) -> None:
    made = sandbox.mutate("contact", op="create", count=10_001, set={"email": None})
    assert len(set(made)) == 10_001
    page = _search(crm, filterGroups=_since(NOW_MS), limit=200, after="9800").json()
    assert page["total"] == 10_001
    assert page["paging"]["next"]["after"] == "10000"
    assert _search(crm, filterGroups=_since(NOW_MS), limit=200, after="10000").status_code == 400
    stamps = {row["properties"]["lastmodifieddate"] for row in page["results"]}
    assert stamps == {NOW.replace("+00:00", ".000Z")}


def test_search_index_lags_behind(sandbox: SandboxProcess, crm: Call) -> None:
    number = sandbox.truth()["contact"]["live_ids"][0]
    sandbox.control("switches", **{"hubspot.index_lag_seconds": 60})
    sandbox.mutate("contact", number, set={"jobtitle": "x"})
    assert _search(crm, filterGroups=_since(NOW_MS)).json()["total"] == 0
    assert crm("GET", f"/crm/v3/objects/contacts/{number}?properties=jobtitle").json()["properties"]["jobtitle"] == "x"
    sandbox.control("clock", advance_seconds=61)
    assert str(number) in [row["id"] for row in _search(crm, filterGroups=_since(NOW_MS)).json()["results"]]


def test_search_from_the_epoch_is_rejected(crm: Call) -> None:
    assert _search(crm, filterGroups=_since(0)).status_code == 500


@pytest.mark.parametrize(
    "body",
    [
        {"filterGroups": [{"filters": [{"propertyName": "nonsense", "operator": "EQ", "value": "1"}]}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "LIKE", "value": "1"}]}]},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "IN"}]}]},
        {"sorts": ["email", "createdate"]},
        {"sorts": [{"propertyName": "nonsense", "direction": "ASCENDING"}]},
    ],
)
def test_invalid_searches_are_rejected(crm: Call, body: dict) -> None:
    answer = _search(crm, **body)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_cleared_differs_from_never_set(sandbox: SandboxProcess, crm: Call) -> None:
    number = sandbox.truth()["contact"]["live_ids"][0]
    sandbox.mutate("contact", number, set={"jobtitle": "", "hs_buying_role": None})
    shown = crm("GET", f"/crm/v3/objects/contacts/{number}?properties=jobtitle,hs_buying_role").json()["properties"]
    assert (shown["jobtitle"], shown["hs_buying_role"]) == ("", None)


def test_calculated_values_change_without_moving_the_cursor(sandbox: SandboxProcess, crm: Call) -> None:
    contact = crm("GET", "/crm/v3/objects/contacts?properties=associatedcompanyid&limit=1").json()["results"][0]
    company = contact["properties"]["associatedcompanyid"]
    path = f"/crm/v3/objects/companies/{company}?properties=num_associated_contacts"
    before = crm("GET", path).json()
    sandbox.mutate("contact", int(contact["id"]), op="delete")
    after = crm("GET", path).json()
    counts = [int(each["properties"]["num_associated_contacts"]) for each in (before, after)]
    assert counts[1] == counts[0] - 1
    assert after["updatedAt"] == before["updatedAt"]


def test_merge_is_visible_only_in_the_list_of_the_survivor(sandbox: SandboxProcess, crm: Call) -> None:
    loser, winner = sandbox.truth()["account"]["live_ids"][:2]
    tied = f"/crm/v4/objects/companies/{loser}/associations/contacts"
    contacts = {each["toObjectId"] for each in crm("GET", tied).json()["results"]}
    sandbox.mutate("company", loser, op="merge", into=winner)
    assert crm("GET", f"/crm/v3/objects/companies/{loser}").status_code == 404
    archived = crm("GET", "/crm/v3/objects/companies?archived=true&limit=100").json()["results"]
    assert str(loser) not in [row["id"] for row in archived]
    shown = crm("GET", f"/crm/v3/objects/companies/{winner}?properties=hs_merged_object_ids").json()["properties"]
    assert str(loser) in shown["hs_merged_object_ids"].split(";")
    now_tied = crm("GET", f"/crm/v4/objects/companies/{winner}/associations/contacts").json()["results"]
    assert contacts <= {each["toObjectId"] for each in now_tied}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"properties": {"hs_timestamp": "1", "hs_task_subject": "x"}}, "associations"),
        ({"associations": [], "properties": {"hs_task_subject": "x"}}, "required properties"),
        ({"associations": [], "properties": {"hs_timestamp": "soon"}}, "INVALID_LONG"),
        ({"associations": [], "properties": {"hs_timestamp": "1", "hs_task_priority": "URGENT"}}, "INVALID_OPTION"),
        ({"associations": [], "properties": {"hs_timestamp": "1", "nonsense": "x"}}, "PROPERTY_DOESNT_EXIST"),
        ({"associations": [], "properties": {"hs_timestamp": "1", "hubspot_owner_id": "31871049"}}, "INVALID_OWNER_ID"),
        ({"associations": [{"to": {"id": "1"}, "types": [{"associationCategory": "HUBSPOT_DEFINED",
          "associationTypeId": 192}]}], "properties": {"hs_timestamp": "1"}}, "COMPANY=1 is not valid"),
    ],
)  # fmt: skip
def test_invalid_tasks_are_rejected(crm: Call, body: dict, message: str) -> None:
    answer = crm("POST", "/crm/v3/objects/tasks", json=body)
    assert answer.status_code == 400 and message in answer.text
    assert crm("GET", "/crm/v3/objects/tasks").json()["results"] == []


def test_wrong_association_type_is_silently_dropped(sandbox: SandboxProcess, crm: Call) -> None:
    company = sandbox.truth()["account"]["live_ids"][0]
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 999}]
    body = {"associations": [{"to": {"id": company}, "types": types}], "properties": {"hs_timestamp": "1"}}
    made = crm("POST", "/crm/v3/objects/tasks", json=body)
    assert made.status_code == 201
    tied = crm("GET", f"/crm/v4/objects/tasks/{made.json()['id']}/associations/companies").json()
    assert tied["results"] == []


def test_batch_reports_each_failure_and_writes_the_rest(crm: Call) -> None:
    def each(key: str, priority: str) -> dict:
        given = {"hs_timestamp": "1", "hs_task_priority": priority}
        return {"id": key, "idProperty": "perennial_key", "objectWriteTraceId": key, "properties": given}

    answer = crm("POST", "/crm/v3/objects/tasks/batch/upsert", json={"inputs": [each("a", "HIGH"), each("b", "NO")]})
    body = answer.json()
    assert (answer.status_code, body["numErrors"]) == (207, 1)
    assert body["errors"][0]["context"]["objectWriteTraceId"] == ["b"]
    assert [row["objectWriteTraceId"] for row in body["results"]] == ["a"]


def test_upsert_requires_a_unique_property(sandbox: SandboxProcess, crm: Call) -> None:
    inputs = [{"id": "a", "idProperty": "perennial_key", "properties": {"hs_timestamp": "1"}}]
    sandbox.control("switches", **{"hubspot.removed_properties": ["perennial_key"]})
    assert crm("POST", "/crm/v3/objects/tasks/batch/upsert", json={"inputs": inputs}).status_code == 400
    made = {"name": "own_key", "label": "Key", "type": "string", "fieldType": "text", "groupName": "task",
            "hasUniqueValue": True}  # fmt: skip
    assert crm("POST", "/crm/v3/properties/tasks", json=made).status_code == 201
    assert crm("POST", "/crm/v3/properties/tasks", json=made).status_code == 409
    inputs[0]["idProperty"] = "own_key"
    assert crm("POST", "/crm/v3/objects/tasks/batch/upsert", json={"inputs": inputs}).status_code == 200


def test_tasks_are_found_by_search_until_archived(sandbox: SandboxProcess, crm: Call) -> None:
    made = crm("POST", "/crm/v3/objects/tasks", json={"associations": [], "properties": {"hs_timestamp": "1"}}).json()
    body = {
        "filterGroups": [{"filters": [{"propertyName": "hs_task_status", "operator": "EQ", "value": "NOT_STARTED"}]}]
    }
    assert crm("POST", "/crm/v3/objects/tasks/search", json=body).json()["total"] == 1
    done = {"properties": {"hs_task_status": "COMPLETED"}}
    assert (
        crm("PATCH", f"/crm/v3/objects/tasks/{made['id']}", json=done).json()["properties"]["hs_task_is_completed"]
        == "1"
    )
    assert crm("POST", "/crm/v3/objects/tasks/batch/archive", json={"inputs": [{"id": made["id"]}]}).status_code == 204
    assert crm("GET", f"/crm/v3/objects/tasks/{made['id']}").status_code == 404


def test_unknown_pages_are_html(crm: Call) -> None:
    answer = crm("GET", "/crm/v3/nonsense")
    assert (answer.status_code, answer.headers["X-HubSpot-NotFound"]) == (404, "true")
    assert answer.headers["content-type"].startswith("text/html")


def test_dated_api_paths_return_the_same_responses(crm: Call) -> None:
    for dated, usual in (
        ("/crm/objects/2026-03/companies?limit=5", "/crm/v3/objects/companies?limit=5"),
        ("/crm/objects/2025-09/deals?limit=5", "/crm/v3/objects/deals?limit=5"),
    ):
        assert crm("GET", dated).json()["results"] == crm("GET", usual).json()["results"] != []
    inputs = {"inputs": [{"id": "50001"}, {"id": "50002"}]}
    dated = crm("POST", "/crm/associations/2026-03/contacts/companies/batch/read", json=inputs).json()["results"]
    usual = crm("POST", "/crm/v4/associations/contacts/companies/batch/read", json=inputs).json()["results"]
    assert dated == usual
