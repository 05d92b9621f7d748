"""Tasks in HubSpot: created once, on the right company, despite failures."""

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
from tests.deliver.example_messages import TASK, delivery
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
    one = delivery("crm_task", step, body={**TASK, **body})
    return replace(one, address=one.body["owner_id"])


def test_task_is_created_on_its_company_with_a_unique_key(channel: HubSpotTasks, portal: Portal) -> None:
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


def test_repeated_delivery_changes_nothing(channel: HubSpotTasks, portal: Portal, hubspot: Stub) -> None:
    one = task()
    channel.send([one])
    portal.tasks["500"]["hs_task_status"] = "COMPLETED"
    assert channel.send([one])[one.key].state == "sent"
    assert portal.tasks["500"]["hs_task_status"] == "COMPLETED"
    assert len(hubspot.made(UPSERT)) == 1


@pytest.mark.parametrize("path", [UPSERT, ASSOCIATE])
@pytest.mark.parametrize("fault", ["hang", "drop", "refuse", 502])
def test_uncertain_response_is_resolved_by_a_repeat(
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
    portal.links.clear()  # as if the sender was killed before the second call
    assert channel.send([one])[one.key].state == "sent"
    assert portal.links == {"500": {"1001"}}
    assert len(portal.tasks) == 1


def test_each_delivery_of_a_batch_gets_its_own_outcome(channel: HubSpotTasks, portal: Portal) -> None:
    good, bad, elsewhere = task("a"), task("b", priority="HUGE"), task("c", company_id="1002")
    outcomes = channel.send([good, bad, elsewhere])
    assert [outcomes[one.key].state for one in (good, bad, elsewhere)] == ["sent", "refused", "sent"]
    assert "INVALID_OPTION" in outcomes[bad.key].reason
    by_key = {portal.tasks[number]["perennial_key"]: companies for number, companies in portal.links.items()}
    assert by_key == {good.key: {"1001"}, elsewhere.key: {"1002"}}


def test_invalid_value_fails_alone(channel: HubSpotTasks) -> None:
    bad = task(priority="HUGE")
    assert channel.send([bad])[bad.key].state == "refused"


def test_association_dropped_by_hubspot_raises_an_alarm(channel: HubSpotTasks, portal: Portal) -> None:
    portal.drops_links = True
    one = task()
    outcome = channel.send([one])[one.key]
    assert (outcome.state, outcome.external_id) == ("refused", "500")
    assert "does not show it on company 1001" in outcome.reason


def test_missing_company_raises_an_alarm(channel: HubSpotTasks) -> None:
    one = task(company_id="4711")
    assert "company 4711" in channel.send([one])[one.key].reason


def test_task_survives_a_deactivated_owner(channel: HubSpotTasks, portal: Portal) -> None:
    good, orphan = task("a"), replace(task("b"), address="99")
    outcomes = channel.send([good, orphan])
    assert outcomes[orphan.key].state == "sent"
    assert "without an owner" in outcomes[orphan.key].reason
    assert outcomes[good.key].reason == ""
    assert len(portal.tasks) == 2


def test_task_owner(channel: HubSpotTasks) -> None:
    assert channel.address(delivery("crm_task")) == "77"
    lead = delivery("crm_task", body={**TASK, "owner_id": ""}, recipient="lead@vendor.example")
    assert channel.address(lead) == "78"
    stranger = delivery("crm_task", body={**TASK, "owner_id": ""}, recipient="queue@vendor.example")
    assert channel.address(stranger) == ""


def test_non_unique_key_property_is_rejected(channel: HubSpotTasks, portal: Portal) -> None:
    portal.properties["perennial_key"] = {"name": "perennial_key", "hasUniqueValue": False}
    with pytest.raises(ConfigError, match="not unique"):
        channel.send([task()])
    assert portal.tasks == {}


def closing(key: str) -> Delivery:
    return delivery("crm_task", "close:a", body={"closes": key, "note": "Closed: usage > 80% & all is well"})


@pytest.mark.parametrize("fault", [None, "drop", 502])
def test_obsolete_task_is_closed_once_with_a_note(
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


def test_completed_or_deleted_task_is_left_alone(channel: HubSpotTasks, portal: Portal) -> None:
    one = task()
    channel.send([one])
    portal.tasks["500"] |= {"hs_task_status": "COMPLETED", "hs_task_body": "done"}
    outcome = channel.send([closing(one.key)])[closing(one.key).key]
    assert (outcome.state, outcome.reason) == ("sent", "it was already completed")
    assert portal.tasks["500"]["hs_task_body"] == "done"
    portal.tasks.clear()
    assert "no longer exists" in channel.send([closing(one.key)])[closing(one.key).key].reason


@pytest.mark.parametrize("cursor", [lambda n: "7", lambda n: str(7 + n % 2), lambda n: str(n)])
def test_endless_owner_list_ends_with_an_error(channel: HubSpotTasks, portal: Portal, cursor) -> None:
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
