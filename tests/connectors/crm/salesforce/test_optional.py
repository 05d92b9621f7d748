"""Optional objects of an org: activities and custom objects."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from include.common.errors import NotOffered
from include.config import files
from include.connectors.base import Record
from include.sandbox.salesforce import ids
from include.sandbox.salesforce.schema import OF_KIND
from include.sandbox.truth import KINDS
from tests.connectors.crm.salesforce.conftest import SOON, Copy
from tests.fixtures.sandbox import SandboxProcess

OWN = ("invoice", "survey_response", "milestone", "objective")


@pytest.fixture
def custom_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncomment the examples at the end of the mapping file."""
    text = files.find("config", "mappings/salesforce.yaml").read_text()  # type: ignore[union-attr]
    head, examples = text.split("  # invoice:\n")
    folder = tmp_path / "overlay" / "config" / "mappings"
    folder.mkdir(parents=True)
    shown = re.sub(r"(?m)^  # ", "  ", "  # invoice:\n" + examples)
    (folder / "salesforce.yaml").write_text(head + shown)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))


def read(copy: Copy, entity: str, until=SOON, **how) -> dict[str, Record]:
    pages = copy.source.read(entity, position=how.pop("position", None), until=until, **how)
    return {record.id: record for page in pages for record in page.records}


def test_activities_are_tasks_and_events_without_our_own_tasks(org: SandboxProcess) -> None:
    org.mutate("sf_task", op="create", set={"Subject": "Ours", "Perennial_Key__c": "abc", "Status": "Completed"})
    copy = Copy()
    found = read(copy, "activity")
    assert len(found) == org.truth()["activity"]["live"] > 50
    kinds = {record.values["activity_type"] for record in found.values()}
    assert kinds == {"call", "email", "task", "meeting"}
    assert {record.id[:3] for record in found.values()} == {"00T", "00U"}
    assert {record.values["account_id"][:3] for record in found.values()} == {"001"}
    assert not [record for record in found.values() if record.problems]
    assert all(record.values["is_completed"] for record in found.values())


def test_meeting_is_completed_once_it_is_over(org: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    at = SOON + timedelta(days=9)
    (number,) = org.mutate("meeting", op="create", set={"happened_at": int(at.timestamp() * 1000)})
    one = ids.encode("00U", number)
    copy = Copy()
    found, position = {}, None
    for page in copy.source.read("activity", position=None, until=SOON):
        found |= {record.id: record for record in page.records}
        position = page.next_position or position
    assert found[one].values["happened_at"] == at.replace(microsecond=0)
    assert found[one].values["is_completed"] is False
    over = at + timedelta(hours=30)
    monkeypatch.setenv("PERENNIAL_NOW", over.isoformat())
    org.now(over.isoformat())
    again = read(copy, "activity", over, position=position)
    assert again[one].values["is_completed"] is True


@pytest.mark.usefixtures("custom_objects")
def test_custom_object_examples_work(org: SandboxProcess) -> None:
    copy = Copy()
    assert set(OWN) < set(copy.source.entities())
    truth = org.truth()
    for entity in OWN:
        found = read(copy, entity)
        prefix = OF_KIND[KINDS[entity]].prefix
        assert set(found) == {ids.encode(prefix, number) for number in truth[entity]["live_ids"]}, entity
        filled = {column for record in found.values() for column, value in record.values.items() if value is not None}
        assert filled >= {"account_id", "created_at", "updated_at"}, entity
        assert not [record for record in found.values() if record.problems], entity


@pytest.mark.usefixtures("custom_objects")
def test_missing_object_is_unavailable(org: SandboxProcess) -> None:
    org.control("switches", **{"salesforce.removed_fields": ["Invoice__c.Due_On__c"]})
    with pytest.raises(NotOffered, match=r"invoice is not available from Salesforce's Invoice__c.*Due_On__c"):
        read(Copy(), "invoice")


def test_unmapped_object_is_absent(org: SandboxProcess) -> None:
    assert not set(OWN) & set(Copy().source.entities())
