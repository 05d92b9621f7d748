"""Triggers on the real table: three-valued, unknown for unfit data, read-only and time-limited."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from include.common.errors import ConfigError
from include.decide.playbooks.load import load
from include.decide.rules.evaluate import Hit, evaluate
from include.warehouse.engine import engine
from tests.decide.playbooks.test_load import BY_FIGURES
from tests.fixtures.renewal_rows import TODAY, renewal, store

IDS = [f"C-{number}#2" for number in range(1, 9)]


def answers(unfit: dict | None = None, name: str = "renewal_at_risk") -> dict[str, Hit]:
    with engine("reader").connect() as connection:
        hits = evaluate(connection, TODAY, load()[name], IDS, unfit or {})
    return {hit.subject_id: hit for hit in hits}


def started(found: dict[str, Hit]) -> set[str]:
    return {entity_id for entity_id, answer in found.items() if answer.opens}


def ended(found: dict[str, Hit]) -> set[str]:
    return {entity_id for entity_id, answer in found.items() if answer.closes}


@pytest.fixture(autouse=True)
def custom_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An overlay with a playbook that has its own conditions."""
    (tmp_path / "playbooks").mkdir()
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    return Path(shutil.copy(BY_FIGURES, tmp_path / "playbooks"))


@pytest.fixture
def renewals(warehouse: str) -> None:
    store(
        [
            renewal(1),
            renewal(2, usage_ratio=0.5),
            renewal(3, n_open_urgent_tickets=2),
            renewal(4, decision_maker_known=False),
            renewal(5, days=120, usage_ratio=0.5),
            renewal(6, usage_ratio=None),
        ]
    )


def test_trigger_and_exit_conditions(renewals: None) -> None:
    found = answers()
    assert started(found) == {"C-2#2", "C-3#2", "C-4#2"}
    assert ended(found) == {"C-1#2"}  # number 6 is unknown, so neither


def test_rung_is_skipped_for_short_terms(warehouse: str) -> None:
    store([renewal(1, usage_ratio=0.5, term_days=180), renewal(2, usage_ratio=0.5, term_days=90)])
    assert started(answers()) == {"C-1#2"}


def test_values_from_an_unfit_source_are_unknown(renewals: None) -> None:
    found = answers({"product": None})
    assert started(found) == {"C-3#2", "C-4#2"}
    assert ended(found) == set()
    assert found["C-2#2"].values["usage_ratio"] is None and found["C-2#2"].values["n_open_tickets"] == 3


def test_only_quarantined_accounts_are_unknown(renewals: None) -> None:
    assert started(answers({"product": ["crm:1002"]})) == {"C-3#2", "C-4#2"}
    assert started(answers({"product": ["crm:1001"]})) == {"C-2#2", "C-3#2", "C-4#2"}


def test_step_condition_is_true_false_or_unknown(renewals: None) -> None:
    store([renewal(1), renewal(2, n_open_urgent_tickets=1), renewal(3, n_open_urgent_tickets=None)])
    found = answers(name="renewal_key_account")
    assert [answer.only_if for answer in found.values()] == [
        {"help_first": False}, {"help_first": True}, {"help_first": None},
    ]  # fmt: skip


def test_condition_of_the_wrong_type_is_reported(renewals: None, custom_conditions: Path) -> None:
    custom_conditions.write_text(
        custom_conditions.read_text().replace("when: >-\n    usage", "when: >-\n    tier < 5 or usage", 1)
    )
    with pytest.raises(ConfigError, match="renewal_at_risk"):
        answers()
