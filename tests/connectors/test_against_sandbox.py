"""Every source reads everything from the sandbox vendors, and keeps up with their changes."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.common import clock, connections
from include.common.errors import AuthError, ConfigError, Unavailable
from include.connectors.registry import connect
from include.http.client import Client
from include.sandbox.mapping import SHIPPED, with_own_objects
from tests.fixtures.pulled import Copy, later, truth
from tests.fixtures.sandbox import NOW, SandboxProcess

START = datetime.fromisoformat(NOW)
CRM = (
    "account",
    "contact",
    "lead",
    "owner",
    "opportunity",
    "contract_line",
    "activity",
    "invoice",
    "survey_response",
    "milestone",
    "objective",
)
SUPPORT = ("organization", "support_user", "ticket", "ticket_event", "rating")


@pytest.fixture(autouse=True)
def custom_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also map the portal's custom objects."""
    folder = tmp_path / "overlay" / "config" / "mappings"
    folder.mkdir(parents=True)
    (folder / "hubspot.yaml").write_text(with_own_objects(SHIPPED.read_text()))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))


@pytest.mark.parametrize(("source_id", "entities"), [("crm", CRM), ("support", SUPPORT)])
def test_first_load_equals_the_vendor(sandbox: SandboxProcess, source_id: str, entities: tuple) -> None:
    # Records newer than the lag belong to the next read: read a little later.
    copy = Copy(source_id)
    until = later(sandbox, minutes=0)
    copy.pull(until + timedelta(minutes=6))
    for entity in entities:
        assert copy.live(entity) == truth(sandbox, entity), entity
        broken = {one: record.problems for one, record in copy.rows[entity].items() if record.problems}
        # The world contains some dirt on purpose, but not everywhere.
        assert len(broken) < len(copy.rows[entity]) / 2, broken


def test_every_mapped_column_has_a_value_somewhere(sandbox: SandboxProcess) -> None:
    copies = [Copy(source_id) for source_id in ("crm", "support", "product_db")]
    for copy in copies:
        copy.pull(START + timedelta(minutes=6))
    empty = {
        f"{entity}.{column}"
        for copy in copies
        for entity, rows in copy.rows.items()
        for column in next(iter(rows.values())).values
        if all(record.values.get(column) is None for record in rows.values())
    }
    # Too rare in so small a world.
    rare = {"account.merged_ids", "account.parent_id", "opportunity.notice_given_on", "objective.done_on"}
    rare |= {"organization.merged_into", "ticket.first_reply_seconds"}
    assert empty <= rare, empty


def test_incremental_read_catches_up_with_a_day_of_changes(sandbox: SandboxProcess) -> None:
    copies = {source_id: Copy(source_id) for source_id in ("crm", "support", "product_db")}
    for copy in copies.values():
        copy.pull(START)
    until = later(sandbox, days=1)
    for copy in copies.values():
        copy.pull(until)
        copy.pull(until + timedelta(minutes=10))
    for entity in CRM:
        assert copies["crm"].live(entity) == truth(sandbox, entity), entity
    for entity in SUPPORT:
        assert copies["support"].live(entity) == truth(sandbox, entity), entity
    numbers = sandbox.truth()
    for entity in ("product_account", "product_user", "usage_day", "seat_day"):
        assert len(copies["product_db"].live(entity)) == numbers[entity]["live"], entity


def test_changes_arrive(sandbox: SandboxProcess) -> None:
    crm, support = Copy("crm"), Copy("support")
    for copy in (crm, support):
        copy.pull(START + timedelta(minutes=6))
    first, second, third = sorted(truth(sandbox, "account"), key=int)[:3]
    contact = min(truth(sandbox, "contact"), key=int)
    ticket = min(truth(sandbox, "ticket"), key=int)
    later(sandbox, minutes=20)
    sandbox.mutate("company", int(first), set={"name": "Renamed", "industry": ""})
    sandbox.mutate("company", int(second), op="merge", into=int(third))
    sandbox.mutate("contact", int(contact), op="delete")
    sandbox.mutate("ticket", int(ticket), op="delete")
    until = later(sandbox, minutes=90)
    for copy in (crm, support):
        copy.pull(until)
    assert crm.rows["account"][first].values["name"] == "Renamed"
    assert crm.rows["account"][first].values["industry"] is None
    assert crm.rows["account"][second].is_deleted
    assert second in crm.rows["account"][third].values["merged_ids"]
    assert crm.rows["contact"][contact].is_deleted
    assert support.rows["ticket"][ticket].is_deleted
    for entity in ("account", "contact"):
        assert crm.live(entity) == truth(sandbox, entity)
    assert support.live("ticket") == truth(sandbox, "ticket")


def test_numeric_associations_are_read(sandbox: SandboxProcess) -> None:
    crm = Copy("crm")
    crm.pull(START)
    before = {one: record.values["account_id"] for one, record in crm.rows["contact"].items() if not record.is_deleted}
    sandbox.control("switches", **{"hubspot.numeric_association_ids": True})
    crm.pull(START, full=True)
    assert before == {one: crm.rows["contact"][one].values["account_id"] for one in before}
    assert len(set(before.values())) > 10


def test_removed_property_is_reported(sandbox: SandboxProcess) -> None:
    sandbox.control("switches", **{"hubspot.removed_properties": ["customer_tier"]})
    with pytest.raises(ConfigError, match=r"hubspot\.yaml:\d+: .*no property customer_tier"):
        Copy("crm").pull(START)


@pytest.mark.usefixtures("waiting")
def test_stated_vendor_limits_are_respected(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.control("limits", **{"hubspot.secondly": [9, 1], "zendesk.incremental": [9, 1]})
    refused = []
    throttled = Client._throttled
    monkeypatch.setattr(Client, "_throttled", lambda self, *given: refused.append(given) or throttled(self, *given))
    crm = Copy("crm")
    started = time.monotonic()
    crm.pull(START)
    assert time.monotonic() - started > 1.0
    assert refused == []


@pytest.mark.parametrize(
    ("source_id", "changes", "kind", "said"),
    [
        ("crm", {"password": "pat-na1-wrong"}, AuthError, "HubSpot returned 401.*credentials of connection crm"),
        ("crm", {"password": "ünïcode"}, AuthError, "connection crm"),
        ("support", {"password": "wrong"}, AuthError, "Zendesk returned 401"),
        ("support", {"host": "http://127.0.0.1:9/zendesk"}, Unavailable, "cannot connect.*connection support"),
        ("product_db", {"password": "wrong"}, AuthError, "rejects the login"),
        ("product_db", {"port": 9}, Unavailable, "does not respond"),
        ("product_db", {"schema": "nowhere"}, ConfigError, "does not exist"),
    ],
)
def test_wrong_connection_is_one_clear_error(
    sandbox: SandboxProcess, source_id: str, changes: dict, kind: type, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = sandbox.connection(source_id) | changes
    source = connect(connections.make(source_id, **given))
    monkeypatch.setattr("include.http.client._FIRST_ATTEMPTS", 1)
    with pytest.raises(kind, match=said) as caught:
        list(source.read(source.entities()[0], position=None, until=clock.now()))
    assert str(given["password"]) not in str(caught.value)


def test_ticket_events_have_actor_and_time_and_public_comment_text(sandbox: SandboxProcess) -> None:
    support = Copy("support")
    support.rows = {"ticket_event": {}, "ticket": {}}
    support.pull(START)
    events = support.rows["ticket_event"].values()
    comments = [event for event in events if event.values["event_type"] == "comment"]
    assert {(event.values["is_public"], event.values["body"] is not None) for event in comments} == {
        (True, True),
        (False, False),
    }
    assert not any("body" in event.payload for event in events)
    live = truth(sandbox, "ticket")
    tickets = support.rows["ticket"]
    for event in events:
        if event.values["ticket_id"] in live:
            assert event.values["organization_id"] == tickets[event.values["ticket_id"]].values["organization_id"]
    closing = [event for event in events if event.values["new_value"] == "closed"]
    assert closing and all(event.values["actor_id"] is None for event in closing)
