"""Tasks in HubSpot: once, on the right company, whatever goes wrong in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from include.config import load
from include.delivery.channels.crm_task import CrmTaskChannel
from include.delivery.outbox import Letter
from include.errors import ConfigError
from tests.delivery.letters import TASK, letter
from tests.delivery.stub import Answer, Call, Stub, serve

pytestmark = pytest.mark.usefixtures("socket_enabled")

UPSERT = "/crm/v3/objects/tasks/batch/upsert"
ASSOCIATE = "/crm/v4/associations/tasks/companies/batch/create"


@dataclass
class Portal:
    """As much of HubSpot as tasks need. Type ids other than 192 are accepted and dropped in silence, as for real."""

    properties: dict[str, dict[str, Any]] = field(default_factory=lambda: {"hs_task_subject": {"groupName": "task"}})
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: dict[str, set[str]] = field(default_factory=dict)
    companies: frozenset[str] = frozenset({"1001", "1002"})
    active_owners: frozenset[str] = frozenset({"77", "78"})
    drops_links: bool = False

    def answer(self, call: Call) -> Answer:
        """Answer a call."""
        if call.path.startswith("/crm/v3/properties/tasks"):
            return self._property(call)
        if call.path == "/crm/v3/owners":
            return 200, {"results": [{"id": "78", "email": "Lead@vendor.example"}]}
        inputs = call.body["inputs"]
        if call.path == "/crm/v3/objects/tasks/batch/read":
            found = [self._shown(self._by_key(each["id"])) for each in inputs if self._by_key(each["id"])]
            return (200 if len(found) == len(inputs) else 207), {"results": found}
        if call.path == UPSERT:
            return self._upsert(inputs)
        if call.path == ASSOCIATE:
            return self._associate(inputs)
        linked = [each["id"] for each in inputs if self.links.get(each["id"])]
        return 200, {
            "results": [
                {"from": {"id": task}, "to": [{"toObjectId": int(company)} for company in self.links[task]]}
                for task in linked
            ]
        }

    def _property(self, call: Call) -> Answer:
        if call.method == "POST":
            self.properties[call.body["name"]] = call.body
            return 201, call.body
        found = self.properties.get(call.path.rsplit("/", 1)[1])
        return (200, found) if found else (404, {"message": "no such property"})

    def _by_key(self, key: str) -> str:
        return next((number for number, task in self.tasks.items() if task["perennial_key"] == key), "")

    def _shown(self, number: str) -> dict[str, Any]:
        return {"id": number, "properties": self.tasks[number]}

    def _upsert(self, inputs: list[dict[str, Any]]) -> Answer:
        results, errors = [], []
        for each in inputs:
            if each["properties"].get("hubspot_owner_id", "77") not in self.active_owners:
                errors.append({"message": "The owner id is not active", "context": {"ids": [each["id"]]}})
            elif each["properties"]["hs_task_priority"] not in ("LOW", "MEDIUM", "HIGH"):
                errors.append({"message": "INVALID_OPTION", "context": {"objectWriteTraceId": [each["id"]]}})
            else:
                number = self._by_key(each["id"]) or str(500 + len(self.tasks))
                self.tasks[number] = each["properties"]
                results.append(self._shown(number))
        if errors and not results:
            return 400, errors[0]
        results.reverse()  # answers need not come in the order of the inputs
        return (207 if errors else 200), {"results": results, "numErrors": len(errors), "errors": errors}

    def _associate(self, inputs: list[dict[str, Any]]) -> Answer:
        errors = []
        for each in inputs:
            if each["to"]["id"] not in self.companies:
                errors.append({"message": f"COMPANY={each['to']['id']} is not valid"})
                continue
            is_right = each["types"] == [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 192}]
            if is_right and not self.drops_links:
                self.links.setdefault(each["from"]["id"], set()).add(each["to"]["id"])
        return (207 if errors else 201), {"results": [], "errors": errors}


@pytest.fixture
def portal() -> Portal:
    return Portal()


@pytest.fixture
def hubspot(portal: Portal) -> Iterator[Stub]:
    with serve(portal.answer) as stub:
        yield stub


@pytest.fixture
def channel(hubspot: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CrmTaskChannel:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_CRM", f'{{"conn_type": "hubspot", "host": "{hubspot.url}", "password": "pat-x"}}')
    opened = CrmTaskChannel.connect(load())
    opened._client.timeouts = (1, 0.4)
    opened._client.sleep = lambda seconds: None
    return opened


def task(step: str = "a", **body: str) -> Letter:
    one = letter("crm_task", step, body={**TASK, **body})
    return replace(one, address=one.body["owner_id"])


def test_a_task_on_its_company_under_a_unique_property(channel: CrmTaskChannel, portal: Portal) -> None:
    one = task()
    outcome = channel.send([one])[one.key]
    assert (outcome.state, outcome.external_id, outcome.because) == ("sent", "500", "")
    assert portal.properties["perennial_key"]["hasUniqueValue"] is True
    assert portal.tasks["500"] == {
        "perennial_key": one.key,
        "hs_task_subject": "Customer 1: find out why",
        "hs_task_body": "Call them.<br>",
        "hs_timestamp": "2026-11-18T16:00:00.000Z",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH",
        "hs_task_type": "TODO",
        "hubspot_owner_id": "77",
    }
    assert portal.links == {"500": {"1001"}}


def test_a_second_time_changes_nothing(channel: CrmTaskChannel, portal: Portal, hubspot: Stub) -> None:
    one = task()
    channel.send([one])
    portal.tasks["500"]["hs_task_status"] = "COMPLETED"
    assert channel.send([one])[one.key].state == "sent"
    assert portal.tasks["500"]["hs_task_status"] == "COMPLETED"
    assert len(hubspot.made(UPSERT)) == 1


@pytest.mark.parametrize("path", [UPSERT, ASSOCIATE])
@pytest.mark.parametrize("fault", ["hang", "drop", "refuse", 502])
def test_an_answer_in_doubt_is_cured_by_doing_it_again(
    channel: CrmTaskChannel, portal: Portal, hubspot: Stub, path: str, fault: str | int
) -> None:
    one = task()
    hubspot.faults[path] = [fault]
    hubspot.hang_seconds = 0.8
    assert channel.send([one])[one.key].state == "sent"
    assert len(portal.tasks) == 1
    assert portal.links == {"500": {"1001"}}


def test_killed_between_task_and_association(channel: CrmTaskChannel, portal: Portal) -> None:
    one = task()
    channel.send([one])
    portal.links.clear()  # as if the sender had died before the second call
    assert channel.send([one])[one.key].state == "sent"
    assert portal.links == {"500": {"1001"}}
    assert len(portal.tasks) == 1


def test_each_letter_of_a_batch_gets_its_own_outcome(channel: CrmTaskChannel, portal: Portal) -> None:
    good, bad, elsewhere = task("a"), task("b", priority="HUGE"), task("c", company_id="1002")
    outcomes = channel.send([good, bad, elsewhere])
    assert [outcomes[one.key].state for one in (good, bad, elsewhere)] == ["sent", "refused", "sent"]
    assert "INVALID_OPTION" in outcomes[bad.key].because
    by_key = {portal.tasks[number]["perennial_key"]: companies for number, companies in portal.links.items()}
    assert by_key == {good.key: {"1001"}, elsewhere.key: {"1002"}}


def test_a_wrong_value_alone(channel: CrmTaskChannel) -> None:
    bad = task(priority="HUGE")
    assert channel.send([bad])[bad.key].state == "refused"


def test_an_association_that_hubspot_drops_is_an_alarm(channel: CrmTaskChannel, portal: Portal) -> None:
    portal.drops_links = True
    one = task()
    outcome = channel.send([one])[one.key]
    assert (outcome.state, outcome.external_id) == ("refused", "500")
    assert "does not show it on company 1001" in outcome.because


def test_a_company_that_is_gone_is_an_alarm(channel: CrmTaskChannel) -> None:
    one = task(company_id="4711")
    assert "company 4711" in channel.send([one])[one.key].because


def test_a_deactivated_owner_does_not_lose_the_task(channel: CrmTaskChannel, portal: Portal) -> None:
    good, orphan = task("a"), replace(task("b"), address="99")
    outcomes = channel.send([good, orphan])
    assert outcomes[orphan.key].state == "sent"
    assert "without an owner" in outcomes[orphan.key].because
    assert outcomes[good.key].because == ""
    assert len(portal.tasks) == 2


def test_who_owns_a_task(channel: CrmTaskChannel) -> None:
    assert channel.address(letter("crm_task")) == "77"
    lead = letter("crm_task", body={**TASK, "owner_id": ""}, recipient="lead@vendor.example")
    assert channel.address(lead) == "78"
    stranger = letter("crm_task", body={**TASK, "owner_id": ""}, recipient="queue@vendor.example")
    assert channel.address(stranger) == ""


def test_a_property_that_is_not_unique_is_refused(channel: CrmTaskChannel, portal: Portal) -> None:
    portal.properties["perennial_key"] = {"name": "perennial_key", "hasUniqueValue": False}
    with pytest.raises(ConfigError, match="not unique"):
        channel.send([task()])
    assert portal.tasks == {}


def test_another_vendor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CRM", '{"conn_type": "salesforce", "host": "https://x", "password": "y"}')
    with pytest.raises(ConfigError, match="salesforce"):
        CrmTaskChannel.connect(load())
