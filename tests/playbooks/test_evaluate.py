"""Triggers over the real table: three-valued, blind to what is unfit, unable to change or to hang anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.playbooks.evaluate import Answer, evaluate
from include.playbooks.load import load
from include.warehouse.engine import engine
from tests.playbooks.test_load import SHIPPED
from tests.renewal_rows import TODAY, renewal, store


def answers(unfit: dict | None = None) -> Answer:
    with engine("reader").connect() as connection:
        return evaluate(connection, TODAY, list(load().values()), unfit or {})["renewal_at_risk"]


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


def test_shipped_trigger_and_exit(renewals: None) -> None:
    found = answers()
    assert found.triggered == {"C-2#2", "C-3#2", "C-4#2"}
    assert found.ended == {"C-1#2"}  # number 6 is unknown, therefore neither


def test_what_comes_from_an_unfit_source_is_unknown(renewals: None) -> None:
    found = answers({"product": None})
    assert found.triggered == {"C-3#2", "C-4#2"}
    assert found.ended == set()


def test_only_the_named_accounts_are_unknown(renewals: None) -> None:
    assert answers({"product": ["crm:1002"]}).triggered == {"C-3#2", "C-4#2"}
    assert answers({"product": ["crm:1001"]}).triggered == {"C-2#2", "C-3#2", "C-4#2"}


def test_a_condition_of_the_wrong_type_spoils_only_its_own_playbook(
    renewals: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "playbooks").mkdir()
    broken = SHIPPED.read_text().replace("name: renewal_at_risk", "name: broken")
    broken = broken.replace("trigger: >-", "trigger: >-\n  tier < 5 and")
    (tmp_path / "playbooks" / "broken.yaml").write_text(broken)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    with engine("reader").connect() as connection:
        found = evaluate(connection, TODAY, list(load().values()), {})
    assert found["broken"].problem is not None and "broken" in found["broken"].problem.message
    assert found["renewal_at_risk"].triggered
