"""Tasks are written to the CRM of their account, and a failing CRM does not block others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from include.common.errors import PerennialError
from include.config import load
from include.deliver import channels, deliver
from include.operations.connection_check import contracts, run
from include.outbox import store
from include.outbox.store import Action
from include.warehouse.engine import engine
from tests.deliver.example_messages import TASK, action
from tests.fixtures.decision_world import Book
from tests.fixtures.hubspot_server import Portal
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW
from tests.fixtures.vendor_server import serve

SETTINGS = """
sources:
  - {id: crm, kind: crm, owner: {name: A, email: a@vendor.example}}
  - {id: crm_eu, kind: crm, owner: {name: B, email: b@vendor.example}}
"""


@pytest.fixture
def europe(book: Book, overlay: Path, receivers: Receivers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    """A second portal with its own companies and owners."""
    portal = Portal(companies=frozenset({"2001"}), active_owners=frozenset({"90"}))
    (overlay / "config" / "settings.yaml").write_text(SETTINGS)
    with serve(portal.answer) as stub:
        monkeypatch.setenv(
            "AIRFLOW_CONN_CRM_EU", json.dumps({"conn_type": "hubspot", "host": stub.url, "password": "pat-2"})
        )
        yield portal


def _task(account_key: str, company: str, owner: str) -> Action:
    body = {**TASK, "company_id": company, "owner_id": owner}
    return action(
        "crm_task", entity_kind="note", entity_id=account_key, account_key=account_key, body=body, owner_key="",
        reads=(),
    )  # fmt: skip


def _plan(*more: Action) -> None:
    with engine("builder").begin() as connection:
        store.plan(connection, [_task("crm:1001", "1001", "77"), _task("crm_eu:2001", "2001", "90"), *more], "d", NOW)


def test_task_is_written_to_the_crm_of_its_account(book: Book, receivers: Receivers, europe: Portal) -> None:
    _plan()
    result = deliver.deliver(now=book.now + timedelta(minutes=1))
    assert result.channels == {"crm_task (crm)": {"sent": 1}, "crm_task (crm_eu)": {"sent": 1}}
    assert list(receivers.portal.links.values()) == [{"1001"}]
    assert list(europe.links.values()) == [{"2001"}]
    assert [task["hubspot_owner_id"] for task in europe.tasks.values()] == ["90"]


def test_failing_crm_does_not_block_others(
    book: Book, receivers: Receivers, europe: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plan()
    monkeypatch.setenv(
        "AIRFLOW_CONN_CRM", '{"conn_type": "hubspot", "host": "http://127.0.0.1:1", "password": "pat-1"}'
    )
    with pytest.raises(PerennialError, match="cannot connect"):
        deliver.deliver(now=book.now + timedelta(minutes=1))
    assert {row.account_key: row.state for row in book.outbox()} == {"crm:1001": "planned", "crm_eu:2001": "sent"}


def test_separate_write_credentials_are_supported(
    book: Book, overlay: Path, receivers: Receivers, europe: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = overlay / "config" / "channels.yaml"
    channels.write_text(channels.read_text().replace("crm_task: {", "crm_task: {connections: {crm: crm_writer}, "))
    writer = {"conn_type": "hubspot", "host": receivers.hubspot.url, "password": "pat-w"}
    monkeypatch.setenv("AIRFLOW_CONN_CRM_WRITER", json.dumps(writer))
    nobody_there = {"conn_type": "hubspot", "host": "http://127.0.0.1:9", "password": "pat-r"}
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(nobody_there))
    _plan()
    assert deliver.deliver(now=book.now + timedelta(minutes=1)).n_sent == 2


def test_task_of_an_unlisted_crm_expires(book: Book, receivers: Receivers, europe: Portal) -> None:
    _plan(_task("crm_us:3001", "3001", "77"))
    deliver.deliver(now=book.now + timedelta(minutes=1))
    assert [row.state for row in book.outbox(account_key="crm_us:3001")] == ["planned"]
    deliver.deliver(now=book.now + timedelta(days=8))
    (row,) = book.outbox(account_key="crm_us:3001")
    assert row.state == "expired" and "not among the sources" in row.reason


def test_billing_system_is_not_a_crm_target(overlay: Path) -> None:
    billing = "  - {id: stripe, kind: crm, is_billing: true, owner: {name: C, email: c@vendor.example}}\n"
    (overlay / "config" / "settings.yaml").write_text(SETTINGS + billing)
    assert {crm for _, crm in channels.routes(load())} == {"crm", "crm_eu", ""}
    assert {source for _, source in run._writers(load())} <= {"crm", "crm_eu"}
    assert list(contracts.check("stripe", load())) == []
