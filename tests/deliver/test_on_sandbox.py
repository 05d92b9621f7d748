"""The channels against the sandbox vendors, which are strict and fail on demand."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from include.common.errors import PerennialError
from include.deliver import deliver, holds
from include.deliver.task_readback import ReadBack, read_back
from include.http import transport
from include.http.client import Client
from include.http.transport import send as SEND
from include.outbox import store as outbox
from include.warehouse.engine import engine
from tests.deliver.example_messages import action
from tests.fixtures.decision_world import Book
from tests.fixtures.decisions import overlay  # noqa: F401
from tests.fixtures.receivers import skip_retry_waits
from tests.fixtures.renewal_rows import TODAY, renewal
from tests.fixtures.sandbox import NOW as SANDBOX_NOW
from tests.fixtures.sandbox import SandboxProcess

NOW = datetime.fromisoformat(SANDBOX_NOW)
UPSERT = "/crm/v3/objects/tasks/batch/upsert"


class Vendors:
    """Queries and changes of the sandbox for these tests."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self._crm = sandbox.connection("crm")

    def get(self, path: str) -> Any:
        return requests.get(f"{self._crm['host']}{path}", headers=self._headers(), timeout=600).json()

    def change_task(self, number: str, **properties: str) -> None:
        """Change a task in the CRM as a CSM would. Without properties, delete it."""
        url, headers = f"{self._crm['host']}/crm/v3/objects/tasks/{number}", self._headers()
        if properties:
            answer = requests.patch(url, json={"properties": properties}, headers=headers, timeout=600)
        else:
            answer = requests.delete(url, headers=headers, timeout=600)
        assert answer.ok, answer.text

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._crm['password']}"}

    def owner(self) -> dict[str, Any]:
        """Return an active owner."""
        return next(owner for owner in self.get("/crm/v3/owners?limit=100")["results"] if owner["email"])

    def companies(self) -> list[str]:
        """Return ids of companies."""
        return [company["id"] for company in self.get("/crm/v3/objects/companies?limit=5")["results"]]

    def tasks(self) -> dict[str, tuple[str, list[str]]]:
        """Return task id -> (key, companies) of all tasks created by Perennial."""
        found = {}
        page = self.get("/crm/v3/objects/tasks?limit=100&properties=perennial_key,hubspot_owner_id")
        for task in page["results"]:
            linked = self.get(f"/crm/v4/objects/tasks/{task['id']}/associations/companies")["results"]
            if key := task["properties"].get("perennial_key"):
                found[task["id"]] = (key, [str(each["toObjectId"]) for each in linked])
        return found

    def fault(self, vendor: str, kind: str, path: str = "*", **more: Any) -> None:
        self.sandbox.control("faults", vendor=vendor, kind=kind, path=path, times=more.pop("times", 1), **more)

    def count(self) -> tuple[int, int]:
        """Return how many Slack messages and mails arrived."""
        inbox = self.sandbox.inbox()
        return len(inbox["messages"]), len(inbox["mails"])


@pytest.fixture
def vendors(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vendors:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    skip_retry_waits(monkeypatch)
    return Vendors(sandbox)


@pytest.fixture
def at_risk(warehouse: str, overlay: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> Book:  # noqa: F811
    """A decided renewal of a real account: one message per channel, its task, and three playbook tasks."""
    book = Book(monkeypatch)
    book.set_clock(NOW)
    owner, company = vendors.owner(), vendors.companies()[0]
    book.renewals(
        renewal(
            1,
            days=30 + (NOW.date() - TODAY).days,
            usage_ratio=0.5,
            account_key=f"crm:{company}",
            account_name="Brückner & Söhne <!channel> *GmbH*",
            crm_account_id=company,
            owner_key=f"crm:{owner['id']}",
            owner_email=owner["email"],
            owner_team="Nobody's",
        )
    )
    assert book.decide().n_planned == 6
    holds.release("email", "a new store", "test", NOW)
    return book


def run(book: Book, minutes: int = 1) -> None:
    deliver.deliver(now=book.now + timedelta(minutes=minutes))


def states(book: Book) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for row in book.outbox():
        found[row.channel, row.state] = found.get((row.channel, row.state), 0) + 1
    return found


ALL_SENT = {("slack", "sent"): 1, ("email", "sent"): 1, ("crm_task", "sent"): 4}


def check_arrived_once(book: Book, vendors: Vendors) -> None:
    assert states(book) == ALL_SENT
    assert vendors.count() == (1, 1)
    tasks = list(vendors.tasks().values())
    company = book.outbox(channel="crm_task")[0].body["company_id"]
    assert sorted(key for key, _ in tasks) == sorted(row.key for row in book.outbox(channel="crm_task"))
    assert {tuple(companies) for _, companies in tasks} == {(company,)}


def test_deliveries_arrive_once_and_a_second_run_sends_nothing(at_risk: Book, vendors: Vendors) -> None:
    run(at_risk)
    check_arrived_once(at_risk, vendors)
    (message,), (mail,) = vendors.sandbox.inbox()["messages"], vendors.sandbox.inbox()["mails"]
    assert "<!channel>" not in str(message)
    assert "Brückner & Söhne" in str(mail)
    at_risk.decide(decision_id="again")
    run(at_risk, 2)
    check_arrived_once(at_risk, vendors)


@pytest.mark.parametrize("kind", ["drop_after", "truncate", "late"])
def test_case_53_slack_accepts_and_the_response_is_lost(
    at_risk: Book, vendors: Vendors, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendors.fault("slack", kind, "/api/chat.postMessage", seconds=2)
    if kind == "late":
        patient, posted = transport.send, []

        def impatient(session: Any, method: str, url: str, **how: Any) -> Any:
            if not url.endswith("/api/chat.postMessage") or posted:
                return patient(session, method, url, **how)
            posted.append(url)
            return SEND(session, method, url, **{**how, "timeouts": (600.0, 0.3)})

        monkeypatch.setattr(transport, "send", impatient)
    run(at_risk)
    check_arrived_once(at_risk, vendors)
    assert "found in the outside system" in at_risk.outbox(channel="slack")[0].reason


@pytest.mark.parametrize(
    ("kind", "more"), [("drop_before", {}), ("status", {"status": 500}), ("status", {"status": 503})]
)
def test_case_53_slack_breaks_before_it_accepts(
    at_risk: Book, vendors: Vendors, kind: str, more: dict[str, Any]
) -> None:
    vendors.fault("slack", kind, "/api/chat.postMessage", **more)
    run(at_risk)
    assert states(at_risk)["slack", "uncertain"] == 1
    run(at_risk, 10)
    check_arrived_once(at_risk, vendors)


def test_case_53_slack_and_hubspot_throttle(at_risk: Book, vendors: Vendors) -> None:
    vendors.fault("slack", "status", "/api/chat.postMessage", status=429, retry_after=0.1, times=2)
    vendors.fault("hubspot", "status", UPSERT, status=429, times=2)
    run(at_risk)
    check_arrived_once(at_risk, vendors)


def test_slack_returns_ok_false(at_risk: Book, vendors: Vendors) -> None:
    body = {"ok": False, "error": "fatal_error"}
    vendors.fault("slack", "status", "/api/chat.postMessage", status=200, body=body)
    run(at_risk)
    assert states(at_risk)["slack", "uncertain"] == 1
    run(at_risk, 10)
    check_arrived_once(at_risk, vendors)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "late", "truncate", "twice"])
@pytest.mark.parametrize("path", [UPSERT, "/crm/v4/associations/tasks/companies/batch/create"])
def test_case_19_each_task_exists_once_when_hubspot_breaks(
    at_risk: Book, vendors: Vendors, kind: str, path: str
) -> None:
    vendors.fault("hubspot", kind, path, seconds=0.6)
    run(at_risk)
    check_arrived_once(at_risk, vendors)


def test_case_20_association_dropped_by_hubspot_raises_an_alarm(at_risk: Book, vendors: Vendors) -> None:
    # Accepted without effect, as with a wrong association type.
    done = {"status": "COMPLETE", "results": []}
    vendors.fault(
        "hubspot", "status", "/crm/v4/associations/tasks/companies/batch/create", status=201, body=done, times=None
    )
    run(at_risk)
    deliveries = [row for row in at_risk.outbox() if row.channel == "crm_task"]
    assert [row.state for row in deliveries] == ["failed"] * 4
    assert all("does not show it on company" in row.reason for row in deliveries)
    assert [companies for _, companies in vendors.tasks().values()] == [[]] * 4


def test_case_21_task_is_never_sent_without_an_associations_array(
    at_risk: Book, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    call = Client.call
    monkeypatch.setattr(
        Client, "call", lambda self, method, path, **more: sent.append((path, more)) or call(self, method, path, **more)
    )
    # HubSpot rejects a task without the array.
    crm = vendors.sandbox.connection("crm")
    bare = {"properties": {"hs_timestamp": "1", "hs_task_subject": "x"}}
    headers = {"Authorization": f"Bearer {crm['password']}"}
    refused = requests.post(f"{crm['host']}/crm/v3/objects/tasks", json=bare, headers=headers, timeout=600)
    assert refused.status_code == 400 and "associations" in refused.text
    run(at_risk)
    # We upsert without associations, then associate each task in a second call, and never create it directly.
    written = {path for path, more in sent if "/tasks" in path and more.get("json")}
    assert written >= {UPSERT, "/crm/v4/associations/tasks/companies/batch/create"}
    assert not written & {"/crm/v3/objects/tasks", "/crm/v3/objects/tasks/batch/create"}
    assert [bool(companies) for _, companies in vendors.tasks().values()] == [True] * 4


def test_batch_responses_in_another_order(at_risk: Book, vendors: Vendors) -> None:
    vendors.sandbox.control("switches", **{"hubspot.shuffle_batches": True})
    run(at_risk)
    check_arrived_once(at_risk, vendors)


def test_case_54_mail_with_a_lost_confirmation_is_not_repeated(at_risk: Book, vendors: Vendors) -> None:
    vendors.fault("smtp", "drop_after", method="DATA")
    run(at_risk)
    run(at_risk, 60)
    (mail,), (message,) = at_risk.outbox(channel="email"), at_risk.outbox(channel="slack")
    assert (mail.state, mail.notified_by) == ("uncertain", message.key)
    assert vendors.count() == (1, 1)


def test_case_54_deferred_mail_is_sent_later(at_risk: Book, vendors: Vendors) -> None:
    vendors.fault("smtp", "status", method="CONNECT", status=421)
    with pytest.raises(PerennialError, match="does not answer"):
        run(at_risk)
    run(at_risk, 10)
    check_arrived_once(at_risk, vendors)


def test_revoked_token_is_reported_without_being_shown(
    at_risk: Book, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = vendors.sandbox.connections["AIRFLOW_CONN_SLACK"]
    monkeypatch.setenv("AIRFLOW_CONN_SLACK", connection.replace("xoxb-", "xoxb-revoked-"))
    with pytest.raises(PerennialError, match="invalid_auth") as caught:
        run(at_risk)
    assert "xoxb" not in str(caught.value)
    monkeypatch.setenv("AIRFLOW_CONN_SLACK", connection)
    run(at_risk, 60)
    check_arrived_once(at_risk, vendors)


def test_task_survives_an_owner_deactivated_since_the_last_ingest(at_risk: Book, vendors: Vendors) -> None:
    owner = int(at_risk.outbox(channel="crm_task", step="find_the_cause")[0].body["owner_id"])
    vendors.sandbox.mutate("owner", owner, op="delete")
    run(at_risk)
    assert states(at_risk)["crm_task", "sent"] == 4
    assert "without an owner" in at_risk.outbox(step="find_the_cause")[0].reason
    assert len(vendors.tasks()) == 4


def test_csm_changes_to_a_task_apply_in_the_next_run(at_risk: Book, vendors: Vendors) -> None:
    run(at_risk)
    (task,) = at_risk.outbox(channel="crm_task", step="task")
    # Messages link to the task, which is written first.
    link = f"https://crm.example/tasks/{task.external_id}"
    (message,), (mail,) = vendors.sandbox.inbox()["messages"], vendors.sandbox.inbox()["mails"]
    assert link in str(message) and link in str(mail)
    assert read_back(at_risk.now) == ReadBack(n_tasks=4)
    assert at_risk.decide(decision_id="untouched").n_answered == 0
    assert at_risk.episodes()[0]["snoozed_until"] is None and at_risk.episodes()[0]["assignee_key"] == ""

    other = next(
        owner
        for owner in vendors.get("/crm/v3/owners?limit=100")["results"]
        if owner["email"] and owner["id"] != task.address
    )
    at_risk.owners({f"crm:{other['id']}": other["email"]})
    later = (at_risk.now + timedelta(days=12)).strftime("%Y-%m-%dT15:00:00.000Z")
    vendors.change_task(task.external_id, hs_timestamp=later, hubspot_owner_id=other["id"])
    read_back(at_risk.now)
    at_risk.decide(decision_id="moved and given away")
    episode = at_risk.episodes()[0]
    assert episode["snoozed_until"] == (at_risk.now + timedelta(days=12)).date()
    assert episode["assignee_key"] == f"crm:{other['id']}"

    vendors.change_task(task.external_id, hs_task_status="COMPLETED", perennial_outcome="They will sign")
    (step,) = at_risk.outbox(step="find_the_cause")
    vendors.change_task(step.external_id, hs_task_status="COMPLETED", perennial_outcome="renewed")
    read_back(at_risk.now)
    assert at_risk.decide(decision_id="completed").n_answered == 2
    assert at_risk.episodes()[0]["close_reason"] == "completed in the CRM: They will sign"
    assert at_risk.episodes("renewal_at_risk")[0]["answer"] == "renewed"
    closing = [row.step for row in at_risk.outbox(rule="renewal_at_risk", state="planned")]
    assert closing == ["close:meet_the_decision_maker", "close:agree_the_plan"]


def test_deleted_task_is_feedback_and_an_empty_read_is_not(at_risk: Book, vendors: Vendors) -> None:
    run(at_risk)
    (task,) = at_risk.outbox(channel="crm_task", step="task")
    nothing = {"status": "COMPLETE", "results": []}
    vendors.fault("hubspot", "status", "/crm/v3/objects/tasks/batch/read", status=200, body=nothing, times=2)
    assert read_back(at_risk.now) == ReadBack()
    vendors.change_task(task.external_id)
    read_back(at_risk.now)
    assert at_risk.decide(decision_id="deleted").n_answered == 1
    assert at_risk.episodes()[0]["close_reason"] == "its task was deleted in the CRM"


def test_crm_fields_are_written_once_crm_data_is_fit(
    at_risk: Book,
    vendors: Vendors,
    overlay: Path,  # noqa: F811
) -> None:
    (overlay / "config" / "channels.yaml").write_text("crm_field: {dry_run: false}\n")
    company = vendors.companies()[1]
    values = action(
        "crm_field",
        step="values",
        entity_kind="record",
        entity_id=f"crm:{company}",
        account_key=f"crm:{company}",
        body={"record": company, "fields": {"perennial_risk": "some"}},
        deadline=None,
    )
    with engine("builder").begin() as connection:
        outbox.plan(connection, [values], "d", at_risk.now)

    def held() -> str | None:
        path = f"/crm/v3/objects/companies/{company}?properties=perennial_risk"
        return vendors.get(path)["properties"].get("perennial_risk")

    at_risk.verdict("crm", "crm", "red", at_risk.now, "broken")
    run(at_risk)
    assert (states(at_risk)["crm_field", "planned"], held()) == (1, None)
    at_risk.verdict("crm", "crm", "green", at_risk.now)
    run(at_risk)
    assert (states(at_risk)["crm_field", "sent"], held()) == (1, "some")


def test_unresponsive_crm_is_a_problem_not_feedback(at_risk: Book, vendors: Vendors) -> None:
    run(at_risk)
    vendors.fault("hubspot", "status", status=401, times=None)
    result = read_back(at_risk.now)
    assert result.n_tasks == 0 and "tasks in crm were not read back" in result.problems[0]
