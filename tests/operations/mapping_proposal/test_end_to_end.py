"""Propose a mapping for the sandbox vendors, write it, read with it, and check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from include.cli.main import main
from include.common import connections
from include.config import load
from include.config.documents import read as read_document
from include.config.documents import validate
from include.config.files import SHIPPED
from include.connectors import registry
from include.connectors.mapping import EntityMapping, MappingDocument
from include.operations.connection_check import run as connection_check
from include.operations.connection_check import sources
from include.operations.connection_check.finding import Line
from tests.fixtures.sandbox import SandboxProcess

ENTITIES = ("account", "contact", "opportunity", "contract_line")


@pytest.fixture
def overlay(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "overlay"
    folder.mkdir()
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "SECONDS", 36_000.0)
    return folder


def check() -> dict[str, Line]:
    return {line.what: line for line in connection_check.check(["crm"])}


def mapped(path: Path) -> dict[str, EntityMapping]:
    return validate(read_document(path), MappingDocument).entities


def test_new_user_gets_the_right_arr_without_editing_a_mapping(
    sandbox: SandboxProcess, overlay: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = check()
    before = sandbox.control("status")["calls"]["hubspot"]
    assert main(["connect", "propose", "crm"]) == 0
    assert sandbox.control("status")["calls"]["hubspot"] - before <= 30
    said = capsys.readouterr().out
    assert "yes L lines of won deals" in said
    # Reads use it from now on.
    assert load().listed("crm").mapping == "crm.yaml"
    assert load().renewals.renewal_pipelines == ("75122310",)
    path = overlay / "config" / "mappings" / "crm.yaml"
    proposed, shipped = mapped(path), mapped(SHIPPED["config"] / "mappings" / "hubspot.yaml")
    for entity in ENTITIES:
        for column, rule in shipped[entity].columns.items():
            mine = proposed[entity].columns[column]
            assert (mine.property, mine.add_days) == (rule.property, rule.add_days), column
    found = check()
    assert {line.state for line in found.values()} <= {"ok", "warning"}
    assert {found[f"contracts: {what}"].state for what in ("ARR", "contract_line terms", "contract_line amounts")} == {
        "ok"
    }
    assert found["contracts: ARR"].found == right["contracts: ARR"].found
    assert "@" not in path.read_text()


def test_existing_file_is_not_overwritten(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = overlay / "config" / "mappings" / "crm.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("entities: {}\n")
    assert main(["connect", "propose", "crm"]) == 2
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == "entities: {}\n"
    assert main(["connect", "propose", "crm", "--dry-run"]) == 0
    assert "term_end: hs_recurring_billing_end_date" in capsys.readouterr().out
    assert path.read_text() == "entities: {}\n" and not (overlay / "config" / "settings.yaml").exists()
    assert main(["connect", "propose", "crm", "--force"]) == 0
    assert "hs_recurring_billing_end_date" in path.read_text()


def test_wrong_mapping_is_reported_with_its_cure(overlay: Path) -> None:
    assert main(["connect", "propose", "crm"]) == 0
    path = overlay / "config" / "mappings" / "crm.yaml"
    right = path.read_text()
    path.write_text(right.replace("{always: period}", "{always: month}"))
    told = check()["contracts: ARR"]
    assert told.state == "warning" and "ours is twelve times as much" in told.to_fix


def test_unsupported_connection_states_its_requirements(overlay: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", "propose", "support"]) == 2
    assert "needs no mapping" in capsys.readouterr().err
    assert main(["connect", "propose", "product_db"]) == 2
    assert "a SELECT per entity" in capsys.readouterr().err


def test_salesforce_too(sandbox: SandboxProcess, overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = sandbox.connection("salesforce")
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(given))
    assert main(["connect", "propose", "crm"]) == 0
    proposed = mapped(overlay / "config" / "mappings" / "crm.yaml")
    shipped = mapped(SHIPPED["config"] / "mappings" / "salesforce.yaml")
    for entity in ENTITIES:
        for column, rule in shipped[entity].columns.items():
            mine = proposed[entity].columns.get(column)
            assert mine and (mine.property, mine.add_days) == (rule.property, rule.add_days), (entity, column)
    assert registry.connect(connections.get("crm")).entities()
    found = check()
    assert {line.state for line in found.values()} <= {"ok", "warning"}
    assert found["contracts: ARR"].state == "ok"
