"""The sandbox vendors' data through the real loader, contracts and merge."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from include.ingest import pipeline
from include.sandbox.parameters import DIRT
from tests.contracts.landed import fetch
from tests.fixtures.sandbox import NOW, SandboxProcess


@pytest.fixture(autouse=True)
def _fixed_clock() -> None:
    """Use the sandbox's clock."""


def test_sandbox_data_is_accepted_and_its_dirt_quarantined(
    raw: str, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ("crm", "support", "product_db")
    states = [pipeline.run(source).state for source in sources]
    later = (datetime.fromisoformat(NOW) + timedelta(days=1)).isoformat()
    monkeypatch.setenv("PERENNIAL_NOW", later)
    sandbox.now(later)
    states += [pipeline.run(source).state for source in sources]
    assert states == ["green"] * 6
    assert {row["state"] for row in fetch("select distinct state from meta.batch")} == {"merged"}
    # The rows of include/sandbox/world/dirt.py by the rules that they break, and nothing else.
    found = fetch("select rule_id, count(*) as n from quarantine.record group by rule_id")
    most = {
        "crm.contract_line.amount_present": DIRT["no_amount"],
        "crm.contract_line.term_end_after_start": DIRT["end_before_start"],
        "crm.contract_line.term_end_present": DIRT["no_end_date"],
        "crm.opportunity.castable": DIRT["thousands_separator"],
    }
    assert {row["rule_id"] for row in found} == set(most)
    assert all(row["n"] <= most[row["rule_id"]] for row in found)
    warned = fetch("select rule_id from meta.rule_result where not is_passed and severity = 'warning'")
    assert {row["rule_id"] for row in warned} >= {"crm.contact.email_plausible", "product.usage_day.account_exists"}
