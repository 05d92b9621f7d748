"""A built warehouse whose gate is green, and settings under which slack and e-mail are on."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include import paths
from include.warehouse.loader import ensure_raw_tables
from tests.alerts.house import House
from tests.playbooks.test_load import BY_FIGURES
from tests.renewal_rows import NOW

OVERLAY = {
    "channels.yaml": """
slack: {dry_run: false}
email: {dry_run: false}
crm_task: {dry_run: false}
links:
  account: https://crm.example/companies/{id}
  opportunity: ""
  task: https://crm.example/tasks/{id}
""",
    "people.yaml": """
queue: {name: Queue, email: queue@vendor.example}
team_leads:
  East: {name: Lea Lead, email: lead@vendor.example}
calendars:
  default: {country: US, zone: America/New_York}
  Germany: {country: DE, zone: Europe/Berlin}
""",
}


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration's overlay folder, with every channel on and people named."""
    (tmp_path / "config").mkdir()
    (tmp_path / "playbooks").mkdir()
    for name, text in OVERLAY.items():
        (tmp_path / "config" / name).write_text(text)
    # One playbook is in force, by conditions that a test can meet, so that what it counts is what it is about.
    for path in (paths.ROOT / "include" / "playbooks").glob("*.yaml"):
        (tmp_path / "playbooks" / path.name).write_text("disabled: true\n")
    shutil.copy(BY_FIGURES, tmp_path / "playbooks")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_APPROVERS", "ada, grace@vendor.example")
    return tmp_path


@pytest.fixture
def house(warehouse: str, overlay: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A warehouse built for NOW's day, all sources green and fresh, without renewals yet."""
    ensure_raw_tables()
    built = House(monkeypatch)
    built.set_clock(NOW)
    return built


def at(day: int, hour: int = 9) -> datetime:
    """Return a time so many days after NOW's day."""
    return NOW.replace(hour=hour) + timedelta(days=day)
