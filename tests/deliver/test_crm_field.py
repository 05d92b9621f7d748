"""Field writes to HubSpot companies and Salesforce accounts: only differences, once, with a result per record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from include.common import connections
from include.common.errors import ConfigError
from include.config import Settings, load
from include.connectors.crm.hubspot.client import open_client
from include.deliver.channels import crm_task
from include.deliver.channels.crm_field import channel
from include.deliver.channels.crm_field.channel import CrmFields
from include.outbox.store import Delivery
from include.sandbox.salesforce import ids
from tests.deliver.example_messages import delivery
from tests.fixtures.receivers import skip_retry_waits
from tests.fixtures.sandbox import SandboxProcess

FIELDS = {
    "hubspot": {"perennial_risk": "some", "perennial_next_decision": "2027-03-01", "perennial_arr": 12000.0},
    "salesforce": {
        "Perennial_Risk__c": "some",
        "Perennial_Next_Decision__c": "2027-03-01",
        "Perennial_ARR__c": 12000.0,
    },
}
UPDATE = {"hubspot": "/crm/v3/objects/companies/batch/update", "salesforce": "/services/data/*/composite/sobjects"}


class Crm:
    """The accounts of one of the sandbox's CRMs."""

    def __init__(self, vendor: str, sandbox: SandboxProcess) -> None:
        self.vendor, self.sandbox = vendor, sandbox
        self.channel = channel.connect(load(), "crm")
        numbers = sandbox.truth()["account"]["live_ids"][:3]
        self.accounts = [str(each) if vendor == "hubspot" else ids.encode("001", each) for each in numbers]
        self.writes: list[Mapping[str, Any]] = []
        write = self.channel._accounts.write
        self.channel._accounts.write = lambda changes: self.writes.append(changes) or write(changes)  # type: ignore

    def deliveries(self, *fields: Mapping[str, Any]) -> list[Delivery]:
        """Return one delivery for each of the first accounts."""
        return [
            delivery("crm_field", str(number), address=record, body={"record": record, "fields": dict(given)})
            for number, (record, given) in enumerate(zip(self.accounts, fields, strict=False))
        ]

    def send(self, deliveries: list[Delivery]) -> list[str]:
        outcomes = self.channel.send(deliveries)
        return [outcomes[one.key].state for one in deliveries]

    def fault(self, kind: str, **more: Any) -> None:
        self.sandbox.control("faults", vendor=self.vendor, kind=kind, path=UPDATE[self.vendor], times=1, **more)


@pytest.fixture(params=["hubspot", "salesforce"])
def crm(
    request: pytest.FixtureRequest, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Crm:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    if request.param == "salesforce":
        monkeypatch.setenv("AIRFLOW_CONN_CRM", sandbox.connections["AIRFLOW_CONN_SALESFORCE"])
    skip_retry_waits(monkeypatch)
    return Crm(request.param, sandbox)


def test_changed_values_are_written_once_with_a_result_per_record(crm: Crm) -> None:
    fields = FIELDS[crm.vendor]
    risk, next_decision, arr = fields
    deliveries = crm.deliveries(fields, fields)
    assert crm.send(deliveries) == ["sent", "sent"]
    # Numbers and dates read back as written: no differences are left.
    assert crm.send(deliveries) == ["sent", "sent"]
    assert [sorted(each) for each in crm.writes] == [sorted(crm.accounts[:2])]
    # Only the changed value is sent, and a removed one is cleared.
    crm.send(crm.deliveries({**fields, risk: "high"}, {**fields, next_decision: None}))
    assert crm.writes[1][crm.accounts[0]] == {risk: "high"}
    assert list(crm.writes[1][crm.accounts[1]]) == [next_decision]
    assert crm.send(crm.deliveries(fields, {**fields, next_decision: None})) == ["sent", "sent"]
    # A deleted record and an invalid value do not block the other writes.
    gone, wrong, right = crm.deliveries(fields, {**fields, arr: "a lot"}, fields)
    gone = dataclasses.replace(gone, address="999999999" if crm.vendor == "hubspot" else ids.encode("001", 999_999))
    assert crm.send([gone, wrong, right]) == ["refused", "refused", "sent"]
    assert "ingest the CRM" in crm.channel.send([gone])[gone.key].reason


def test_two_deliveries_of_one_record_are_both_written(crm: Crm) -> None:
    # An approved tier is sent along with the regular fields.
    (risk, given), (_, day), _ = FIELDS[crm.vendor].items()
    one, other = crm.deliveries({risk: given})[0], crm.deliveries({list(FIELDS[crm.vendor])[1]: day})[0]
    assert crm.send([one, dataclasses.replace(other, key="tier")]) == ["sent", "sent"]
    assert [list(each[crm.accounts[0]]) for each in crm.writes] == [[risk], [list(FIELDS[crm.vendor])[1]]]


def test_lost_response_is_retried_and_missing_property_is_reported(crm: Crm) -> None:
    fields = FIELDS[crm.vendor]
    crm.fault("drop_after")
    assert crm.send(crm.deliveries(fields)) == ["sent"]
    (one,) = crm.deliveries({"perennial_nothing": "x"})
    with pytest.raises(ConfigError, match="no writable property perennial_nothing"):
        crm.channel.send([one])
    assert list(crm.channel.take_back([one])) == [one.key]


def writing_with(connection: str) -> Settings:
    """Return settings with a separate connection for CRM writes."""
    settings = load()
    ways = {
        name: getattr(settings.channels, name).model_copy(update={"connections": {"crm": connection}})
        for name in ("crm_field", "crm_task")
    }
    return settings.model_copy(update={"channels": settings.channels.model_copy(update=ways)})


def test_vendor_without_field_writes_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", '{"conn_type": "postgres", "host": "db.example"}')
    with pytest.raises(ConfigError, match="only be written to HubSpot and Salesforce"):
        channel.connect(writing_with("other"), "crm")


def test_no_fields_are_written_by_default() -> None:
    shipped = load().channels.crm_field
    assert (shipped.dry_run, shipped.fields) == (True, {})
    assert CrmFields.is_repeatable


@pytest.mark.parametrize("connect", [crm_task.connect, channel.connect])
def test_separate_write_connection_shares_the_rate_limits_of_its_portal(
    connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, token in (("CRM", "pat-reads"), ("WRITER", "pat-writes")):
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{name}", f'{{"conn_type": "hubspot", "host": "https://x.example", "password": "{token}"}}'
        )
    made = connect(writing_with("writer"), "crm")
    client = made._client if connect is crm_task.connect else made._accounts._client
    assert client.secrets == ("pat-writes",)
    assert client.limiter.shared == open_client(connections.get("crm"), ()).limiter.shared
