"""Proposes a mapping for the sandbox's vendors, writes it, reads by it, and checks it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from include.cli.main import main
from include.config import load
from include.connectors.mapping import load_mapping
from include.entities.catalog import of_kind
from include.operations.connection_check import run as connection_check
from include.operations.connection_check import sources
from include.operations.mapping_proposal import run
from tests.fixtures.sandbox import SandboxProcess


@pytest.fixture
def overlay(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "overlay"
    (folder / "config").mkdir(parents=True)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(folder))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "SECONDS", 36_000.0)
    return folder


def test_a_stranger_gets_a_mapping_that_loads_and_passes_the_check(
    sandbox: SandboxProcess, overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["connect", "propose", "crm"]) == 0
    said = capsys.readouterr().out
    print(said)
    print((overlay / "config" / "mappings" / "crm.yaml").read_text())
    assert load().listed("crm").mapping == "crm.yaml"
    assert load().renewals.renewal_pipelines
    found = {(line.connection, line.what): line for line in connection_check.check(["crm"])}
    for line in found.values():
        print(line.what, line.state, line.found, line.to_fix)
    print(sandbox.control("status")["calls"])
    assert 0
