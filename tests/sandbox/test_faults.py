"""Each kind of fault affects exactly the calls it names."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from tests.fixtures.sandbox import SandboxProcess

Call = Callable[..., requests.Response]


@pytest.fixture
def crm(sandbox: SandboxProcess) -> Call:
    connection = sandbox.connection("crm")

    def call(method: str, path: str, **options: object) -> requests.Response:
        given = {"headers": {"Authorization": f"Bearer {connection['password']}"}, "timeout": 600, **options}
        return requests.request(method, connection["host"] + path, **given)  # type: ignore[arg-type]

    return call


def _new_task() -> dict:
    return {"associations": [], "properties": {"hs_timestamp": "2026-07-03T15:00:00Z", "hs_task_subject": "Call"}}


def _n_tasks(sandbox: SandboxProcess, crm: Call) -> int:
    return len(crm("GET", "/crm/v3/objects/tasks").json()["results"])


def test_status_fault_repeats_as_often_as_requested(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control(
        "faults", vendor="hubspot", path="/crm/v3/owners", kind="status", status=429, retry_after=2, times=2
    )
    answers = [crm("GET", "/crm/v3/owners") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert answers[0].json()["policyName"] == "SECONDLY"
    assert crm("GET", "/crm/v3/objects/companies").status_code == 200


def test_gateway_fault_returns_html_pages(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", kind="status", status=502, times=1)
    answer = crm("GET", "/crm/v3/owners")
    assert answer.status_code == 502 and answer.headers["content-type"].startswith("text/html")


def test_first_calls_pass_when_skipped(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", kind="status", status=500, skip=1, times=1)
    assert [crm("GET", "/crm/v3/owners").status_code for _ in range(3)] == [200, 500, 200]


def test_share_of_calls_is_drawn_from_a_seed(sandbox: SandboxProcess, crm: Call) -> None:
    patterns = []
    for _ in range(2):
        number = sandbox.control("faults", vendor="hubspot", kind="status", status=503, chance=0.5, seed=3)["number"]
        patterns.append([crm("GET", "/crm/v3/owners").status_code for _ in range(12)])
        requests.delete(f"{sandbox.url}/_control/faults", params={"number": number}, timeout=600)
    assert patterns[0] == patterns[1] and set(patterns[0]) == {200, 503}


@pytest.mark.parametrize(("kind", "n_made"), [("drop_before", 0), ("drop_after", 1)])
def test_connection_dropped(sandbox: SandboxProcess, crm: Call, kind: str, n_made: int) -> None:
    sandbox.control("faults", vendor="hubspot", method="POST", kind=kind, times=1)
    with pytest.raises(requests.ConnectionError):
        crm("POST", "/crm/v3/objects/tasks", json=_new_task())
    assert _n_tasks(sandbox, crm) == n_made


def test_accepted_but_responds_too_late(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", method="POST", kind="late", seconds=3, times=1)
    with pytest.raises(requests.ReadTimeout):
        crm("POST", "/crm/v3/objects/tasks", json=_new_task(), timeout=(600, 2))
    assert _n_tasks(sandbox, crm) == 1


def test_hang_does_nothing(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", method="POST", kind="hang", seconds=1, times=1)
    started = time.monotonic()
    assert crm("POST", "/crm/v3/objects/tasks", json=_new_task()).status_code == 504
    assert time.monotonic() - started >= 1
    assert _n_tasks(sandbox, crm) == 0


def test_call_repeated_on_the_way(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", method="POST", kind="twice", times=1)
    assert crm("POST", "/crm/v3/objects/tasks", json=_new_task()).status_code == 201
    assert _n_tasks(sandbox, crm) == 2


def test_truncated_response(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", kind="truncate", times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        crm("GET", "/crm/v3/objects/companies")


def test_fields_vanish_and_change(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="hubspot", kind="drop_field", field="domain")
    sandbox.control("faults", vendor="hubspot", kind="set_field", field="name", value="\x00 200 kB")
    row = crm("GET", "/crm/v3/objects/companies").json()["results"][0]
    assert "domain" not in row["properties"]
    assert row["properties"]["name"] == "\x00 200 kB"


def test_support_desk_fault_leaves_the_crm_alone(sandbox: SandboxProcess, crm: Call) -> None:
    sandbox.control("faults", vendor="zendesk", kind="status", status=503)
    assert requests.get(f"{sandbox.url}/zendesk/api/v2/users/me.json", timeout=600).status_code == 503
    assert crm("GET", "/crm/v3/owners").status_code == 200


def test_invalid_faults_are_rejected(sandbox: SandboxProcess) -> None:
    with pytest.raises(RuntimeError, match="unknown kind"):
        sandbox.control("faults", vendor="hubspot", kind="explode")
    with pytest.raises(RuntimeError, match="unknown switch"):
        sandbox.control("switches", **{"hubspot.nonsense": 1})
    with pytest.raises(RuntimeError, match="known limits"):
        sandbox.control("limits", nonsense=[1, 1])
