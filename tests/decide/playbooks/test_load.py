"""Playbook files: shipped ones are valid, and errors name file and line."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
import yaml

from include.common import paths
from include.common.errors import ConfigError
from include.config import templates
from include.decide.playbooks.load import MORE_NAMES, load, revive
from include.decide.rules import subjects

BY_FIGURES = Path(__file__).with_name("renewal_at_risk.yaml")


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "playbooks").mkdir()
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    return tmp_path / "playbooks" / "renewal_at_risk.yaml"


def test_shipped_playbook_loads() -> None:
    playbook = load()["renewal_at_risk"].file
    assert playbook.status == "live"
    assert [(step.id, step.owner) for step in playbook.steps] == [
        ("find_the_cause", "csm"),
        ("meet_the_decision_maker", "csm"),
        ("agree_the_plan", "lead"),
    ]
    assert [step.due_in_working_days for step in playbook.steps] == [2, 5, 8]


def test_overlay_replaces_or_disables_a_shipped_playbook(overlay: Path) -> None:
    overlay.write_text(BY_FIGURES.read_text().replace("version: 1", "version: 7"))
    assert load()["renewal_at_risk"].file.version == 7
    overlay.write_text("disabled: true\n")
    assert "renewal_at_risk" not in load()


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("status: live", "status: alive", "status:", "'draft', 'live' or 'retired'"),
        ("version: 1", "version: 0", "version:", "greater than or equal to 1"),
        ("name: renewal_at_risk", "name: other", "name: other", "renewal_at_risk.yaml"),
        ("trigger:", "triger:", "name:", "trigger"),
        ("  rung: 90\n", "", "trigger:", "either a rung or signals"),
        ("  rung: 90\n", "  signals: [usage_down]\n  at_risk: true\n", "trigger:", "at_risk needs a rung"),
        ("  rung: 90\n  when: >-\n", "  signals: [usage_gone]\n  when: >-\n", "signals:", "unknown signal usage_gone"),
        (
            "  rung: 90\n  when: >-\n",
            "  signals: [usage_down, new_executive]\n  when: >-\n",
            "signals:",
            "different kinds",
        ),
        ("usage_ratio < 0.7\n    or", "usage_rate < 0.7\n    or", "when:", "usage_rate"),
        ("n_open_urgent_tickets = 0", "pg_sleep(1) is null", "", "not allowed"),
        ("id: meet_the_decision_maker", "id: find_the_cause", "meet", "already the id"),
        (
            "due_in_working_days: 5",
            "depends_on: [agree_the_plan]\n    due_in_working_days: 5",
            "depends_on",
            "is not an earlier step",
        ),
        ("due_in_working_days: 5", "only_if: owner > 3\n    due_in_working_days: 5", "only_if", "owner"),
        ("outcome: [", "outcome: [] # ", "outcome:", "at least 2"),
        ("due_in_working_days: 5", "due_in_working_days: soon", "soon", "integer"),
        ("kind: crm_task\n    owner: lead", "kind: fax\n    owner: lead", "kind: fax", "crm_task"),
        ("{{ decision_maker_name }}", "{{ decision_maker_namE }}", "", "decision_maker_namE"),
        ("{{ decision_maker_name }}", "{{ decision_maker.name }}", "", "not allowed"),
        ("{% else %}", "{% els %}", "", "template"),
        ("{{ target_arr | number }} a year.", "{{ usage_ratio - 100 }}", "", "unknown"),
        ("{{ decision_maker_name }}", "{{ account_name.__class__.__mro__ }}", "", "not allowed"),
    ],
)
def test_mistake_is_reported_with_file_and_line(overlay: Path, old: str, new: str, at: str, said: str) -> None:
    text = BY_FIGURES.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    overlay.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load()
    assert "renewal_at_risk.yaml:" in str(caught.value)
    assert said in str(caught.value)
    if at and at != "meet" and at != "name:":
        assert f"renewal_at_risk.yaml:{line_of(text, at)}" in str(caught.value)


TEN = {
    "renewal_key_account", "renewal_standard", "renewal_small", "onboarding", "adoption_recovery", "key_contact_change",
    "competitor_threat", "overdue_payment", "support_storm", "expansion", "win_back",
}  # fmt: skip


def test_shipped_playbooks() -> None:
    found = load()
    assert found.keys() == TEN | {"renewal_at_risk"}
    assert {loaded.file.status for loaded in found.values()} == {"live"}
    tiers = {tier for name in TEN if name.startswith("renewal_") for tier in found[name].file.audience.tiers}
    assert tiers == {"key_account", "standard", "small"}
    assert {loaded.about for loaded in found.values()} == {"renewal", "account", "contact", "former"}


def test_zero_is_rendered_as_none_and_not_as_unknown() -> None:
    for loaded in load().values():
        full, *_ = subjects.table(loaded.about).examples()
        nobody = {name: 0 if isinstance(value, (int, Decimal)) else value for name, value in full.items()}
        nobody |= dict.fromkeys(MORE_NAMES, "x")
        for step in loaded.file.steps:
            said = templates.subject(step.subject, nobody) + templates.body(step.body, nobody)
            assert "unknown" not in said and "Many days" not in said, (loaded.file.name, step.id)


def test_running_playbook_is_restored_from_its_stored_version() -> None:
    loaded = load()["adoption_recovery"]
    again = revive("adoption_recovery", orjson.loads(orjson.dumps(loaded.content)))
    assert (again.file, again.about, again.only_if) == (loaded.file, "account", loaded.only_if)


def test_broken_yaml_is_reported(overlay: Path) -> None:
    overlay.write_text("name: renewal_at_risk\n  version: [1\n")
    with pytest.raises(ConfigError, match=r"renewal_at_risk\.yaml:2"):
        load()


def test_playbook_file_is_plain_yaml() -> None:
    assert yaml.safe_load(BY_FIGURES.read_text())["name"] == "renewal_at_risk"


def test_unknown_count_is_never_rendered_as_none() -> None:
    texts = (path.read_text() for path in (paths.ROOT / "include" / "defaults" / "playbooks").glob("*.yaml"))
    said = [found for text in texts for found in re.findall(r"\{\{ (?:n_|active_)\w+ or '(?:no|none)'", text, re.I)]
    assert said == []
