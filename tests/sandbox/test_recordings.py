"""Sandbox responses have the same keys as recorded real ones, where recordings are available."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import yaml

from include.common import paths
from tests.fixtures.sandbox import SandboxProcess

RECORDINGS = paths.ROOT.parent / "shared" / "recordings"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings next to this repository")


def _hubspot(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the request's body and the answer of a recorded exchange."""
    exchange = yaml.safe_load((RECORDINGS / "hubspot" / name).read_text())["http_interactions"][0]
    asked = exchange["request"]["body"]["string"]
    return json.loads(asked) if asked else {}, json.loads(exchange["response"]["body"]["string"])


def _zendesk(name: str) -> dict[str, Any]:
    return json.loads((RECORDINGS / "zendesk" / name).read_text())


def _crm(sandbox: SandboxProcess, method: str, path: str, body: Any = None) -> requests.Response:
    connection = sandbox.connection("crm")
    headers = {"Authorization": f"Bearer {connection['password']}"}
    return requests.request(method, connection["host"] + path, json=body, headers=headers, timeout=600)


def _desk(sandbox: SandboxProcess, path: str) -> dict[str, Any]:
    connection = sandbox.connection("support")
    auth = (f"{connection['login']}/token", connection["password"])
    return requests.get(f"{connection['host']}/api/v2/{path}", auth=auth, timeout=600).json()


def test_hubspot_owners(sandbox: SandboxProcess) -> None:
    _, recorded = _hubspot("owner_all.yml")
    ours = _crm(sandbox, "GET", "/crm/v3/owners?archived=false&limit=100").json()
    assert set(recorded) <= set(ours)
    assert set(recorded["results"][0]) <= set(ours["results"][0])


def test_hubspot_task_made_by_the_recorded_request(sandbox: SandboxProcess) -> None:
    asked, recorded = _hubspot("task.yml")
    asked["associations"] = []  # the recordings reference records of another portal
    answer = _crm(sandbox, "POST", "/crm/v3/objects/tasks", asked)
    ours = answer.json()
    assert answer.status_code == 201
    assert set(recorded) <= set(ours)
    unknown = {name for name in recorded["properties"] if name not in ours["properties"]}
    # Keys for the real portal's own UI, which nothing reads.
    assert all(name.startswith(("hs_task_", "hs_object_source")) for name in unknown), unknown
    for name in ("hs_task_status", "hs_task_priority", "hs_task_type", "hs_task_subject", "hs_task_body"):
        assert ours["properties"][name] == recorded["properties"][name]
    assert set(map(type, ours["properties"].values())) == {str}


def test_hubspot_task_search(sandbox: SandboxProcess) -> None:
    asked, recorded = _hubspot("task_search.yml")
    asked["filterGroups"][0]["filters"][0]["propertyName"] = "associations.deal"  # there are no tickets in this portal
    deal = str(sandbox.truth()["opportunity"]["live_ids"][0])
    asked["filterGroups"][0]["filters"][0]["value"] = deal
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 216}]
    task = {"properties": {"hs_timestamp": "1", "hs_task_subject": "x"},
            "associations": [{"to": {"id": deal}, "types": types}]}  # fmt: skip
    assert _crm(sandbox, "POST", "/crm/v3/objects/tasks", task).status_code == 201
    ours = _crm(sandbox, "POST", "/crm/v3/objects/tasks/search", asked).json()
    assert ours["total"] == 1 and set(recorded) <= set(ours)
    assert set(ours["results"][0]) == set(recorded["results"][0])
    assert set(ours["results"][0]["properties"]) == set(recorded["results"][0]["properties"])


@pytest.mark.parametrize(
    ("recording", "entity", "path", "key"),
    [
        ("ticket.json", "ticket", "tickets/{}", "ticket"),
        ("user.json", "support_user", "users/{}", "user"),
        ("organization.json", "organization", "organizations/{}", "organization"),
    ],
)
def test_zendesk_single(sandbox: SandboxProcess, recording: str, entity: str, path: str, key: str) -> None:
    recorded = _zendesk(recording)[key]
    ours = _desk(sandbox, path.format(sandbox.truth()[entity]["live_ids"][-1]))[key]
    assert set(recorded) - set(ours) == set()
    for name, value in recorded.items():
        if isinstance(value, bool | str | int) and ours[name] is not None and not isinstance(value, bool):
            assert type(ours[name]) is type(value), name


@pytest.mark.parametrize(("recording", "key"), [("tickets.json", "tickets"), ("users.json", "users")])
def test_zendesk_lists(sandbox: SandboxProcess, recording: str, key: str) -> None:
    recorded, ours = _zendesk(recording), _desk(sandbox, key)
    assert set(recorded) <= set(ours)
    assert set(recorded[key][0]) <= set(ours[key][0])


def test_zendesk_comments(sandbox: SandboxProcess) -> None:
    recorded = _zendesk("ticket_comments.json")["comments"][0]
    ours = _desk(sandbox, f"tickets/{sandbox.truth()['ticket']['live_ids'][-1]}/comments")["comments"][0]
    assert set(recorded) <= set(ours)


def test_zendesk_groups(sandbox: SandboxProcess) -> None:
    recorded, ours = _zendesk("groups.json"), _desk(sandbox, "groups")
    assert set(recorded) == set(ours) and set(recorded["groups"][0]) == set(ours["groups"][0])
