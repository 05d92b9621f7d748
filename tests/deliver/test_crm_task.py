"""Tasks in HubSpot: once, on the right company, whatever goes wrong in between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.common.errors import ConfigError, Unavailable
from include.config import load
from include.deliver.channels import crm_task
from include.deliver.channels.crm_task.hubspot import HubSpotTasks
from include.outbox.store import Delivery
from tests.deliver.letters import TASK, letter
from tests.fixtures.hubspot_server import ASSOCIATE, UPDATE, UPSERT, Portal
from tests.fixtures.vendor_server import Stub, serve

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
def portal() -> Portal:
    return Portal()


@pytest.fixture
def hubspot(portal: Portal) -> Iterator[Stub]:
    with serve(portal.answer) as stub:
        yield stub


@pytest.fixture
def channel(hubspot: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubSpotTasks:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW_CONN_CRM", f'{{"conn_type": "hubspot", "host": "{hubspot.url}", "password": "pat-x"}}')
    opened = crm_task.connect(load(), "crm")
    opened._client.sleep = lambda seconds: None
    return opened


def task(step: str = "a", **body: str) -> Delivery:
    one = letter("crm_task", step, body={**TASK, **body})
    return replace(one, address=one.body["owner_id"])


def test_a_task_on_its_company_under_a_unique_property(channel: HubSpotTasks, portal: Portal) -> None:
    one = task()
    outcome = channel.send([one])[one.key]
    assert (outcome.state, outcome.external_id, outcome.reason) == ("sent", "500", "")
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


def test_a_second_time_changes_nothing(channel: HubSpotTasks, portal: Portal, hubspot: Stub) -> None:
    one = task()
    channel.send([one])
    portal.tasks["500"]["hs_task_status"] = "COMPLETED"
    assert channel.send([one])[one.key].state == "sent"
    assert portal.tasks["500"]["hs_task_status"] == "COMPLETED"
    assert len(hubspot.made(UPSERT)) == 1


@pytest.mark.parametrize("path", [UPSERT, ASSOCIATE])
@pytest.mark.parametrize("fault", ["hang", "drop", "refuse", 502])
def test_an_answer_in_doubt_is_cured_by_doing_it_again(
    channel: HubSpotTasks, portal: Portal, hubspot: Stub, path: str, fault: str | int
) -> None:
    one = task()
    hubspot.faults[path] = [fault]
    assert channel.send([one])[one.key].state == "sent"
    assert len(portal.tasks) == 1
    assert portal.links == {"500": {"1001"}}


def test_killed_between_task_and_association(channel: HubSpotTasks, portal: Portal) -> None:
    one = task()
    channel.send([one])
    portal.links.clear()  # as if the sender had died before the second call
    assert channel.send([one])[one.key].state == "sent"
    assert portal.links == {"500": {"1001"}}
    assert len(portal.tasks) == 1


def test_each_letter_of_a_batch_gets_its_own_outcome(channel: HubSpotTasks, portal: Portal) -> None:
    good, bad, elsewhere = task("a"), task("b", priority="HUGE"), task("c", company_id="1002")
    outcomes = channel.send([good, bad, elsewhere])
    assert [outcomes[one.key].state for one in (good, bad, elsewhere)] == ["sent", "refused", "sent"]
    assert "INVALID_OPTION" in outcomes[bad.key].reason
    by_key = {portal.tasks[number]["perennial_key"]: companies for number, companies in portal.links.items()}
    assert by_key == {good.key: {"1001"}, elsewhere.key: {"1002"}}


def test_a_wrong_value_alone(channel: HubSpotTasks) -> None:
    bad = task(priority="HUGE")
    assert channel.send([bad])[bad.key].state == "refused"


def test_an_association_that_hubspot_drops_is_an_alarm(channel: HubSpotTasks, portal: Portal) -> None:
    portal.drops_links = True
    one = task()
    outcome = channel.send([one])[one.key]
    assert (outcome.state, outcome.external_id) == ("refused", "500")
    assert "does not show it on company 1001" in outcome.reason


def test_a_company_that_is_gone_is_an_alarm(channel: HubSpotTasks) -> None:
    one = task(company_id="4711")
    assert "company 4711" in channel.send([one])[one.key].reason


def test_a_deactivated_owner_does_not_lose_the_task(channel: HubSpotTasks, portal: Portal) -> None:
    good, orphan = task("a"), replace(task("b"), address="99")
    outcomes = channel.send([good, orphan])
    assert outcomes[orphan.key].state == "sent"
    assert "without an owner" in outcomes[orphan.key].reason
    assert outcomes[good.key].reason == ""
    assert len(portal.tasks) == 2


def test_who_owns_a_task(channel: HubSpotTasks) -> None:
    assert channel.address(letter("crm_task")) == "77"
    lead = letter("crm_task", body={**TASK, "owner_id": ""}, recipient="lead@vendor.example")
    assert channel.address(lead) == "78"
    stranger = letter("crm_task", body={**TASK, "owner_id": ""}, recipient="queue@vendor.example")
    assert channel.address(stranger) == ""


def test_a_property_that_is_not_unique_is_refused(channel: HubSpotTasks, portal: Portal) -> None:
    portal.properties["perennial_key"] = {"name": "perennial_key", "hasUniqueValue": False}
    with pytest.raises(ConfigError, match="not unique"):
        channel.send([task()])
    assert portal.tasks == {}


def closing(key: str) -> Delivery:
    return letter("crm_task", "close:a", body={"closes": key, "note": "Closed: usage > 80% & all is well"})


@pytest.mark.parametrize("fault", [None, "drop", 502])
def test_a_task_whose_reason_is_gone_is_closed_once_with_a_note(
    channel: HubSpotTasks, portal: Portal, hubspot: Stub, fault: str | int | None
) -> None:
    one = task()
    channel.send([one])
    hubspot.faults[UPDATE] = [fault] if fault else []
    ends = closing(one.key)
    assert channel.address(ends) == ""
    for _ in range(2):
        assert channel.send([ends])[ends.key].state == "sent"
    assert portal.tasks["500"]["hs_task_status"] == "COMPLETED"
    assert portal.tasks["500"]["hs_task_body"].count("Closed: usage &gt; 80% &amp; all is well") == 1
    assert len(portal.tasks) == 1


def test_what_somebody_completed_or_deleted_is_left_alone(channel: HubSpotTasks, portal: Portal) -> None:
    one = task()
    channel.send([one])
    portal.tasks["500"] |= {"hs_task_status": "COMPLETED", "hs_task_body": "done"}
    outcome = channel.send([closing(one.key)])[closing(one.key).key]
    assert (outcome.state, outcome.reason) == ("sent", "it was already completed")
    assert portal.tasks["500"]["hs_task_body"] == "done"
    portal.tasks.clear()
    assert "no longer exists" in channel.send([closing(one.key)])[closing(one.key).key].reason


@pytest.mark.parametrize("cursor", [lambda n: "7", lambda n: str(7 + n % 2), lambda n: str(n)])
def test_a_list_of_owners_that_leads_nowhere_ends(channel: HubSpotTasks, portal: Portal, cursor) -> None:
    numbers, known = itertools.count(1), portal.answer

    def answer(call):
        if call.path != "/crm/v3/owners":
            return known(call)
        page = {"results": [{"id": "78", "email": "lead@vendor.example"}]}
        return 200, page | {"paging": {"next": {"after": cursor(next(numbers))}}}

    with serve(answer) as stub:
        channel._client.base_url = stub.url
        with pytest.raises(Unavailable, match=r"HubSpot's list /crm/v3/owners: the vendor returned"):
            channel._read_owners()
