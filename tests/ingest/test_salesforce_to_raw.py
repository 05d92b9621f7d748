"""From Salesforce's API to the raw tables: validated by contracts, compared with the org, and readable by the SQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from include.ingest import pipeline, reconcile
from include.sandbox.salesforce import ids
from include.sandbox.salesforce.schema import OF_KIND
from include.sandbox.truth import KINDS
from tests.fixtures.landing import rows, value
from tests.fixtures.sandbox import NOW, SandboxProcess

START = datetime.fromisoformat(NOW)
ENTITIES = ("account", "contact", "opportunity", "contract_line")


@pytest.mark.usefixtures("raw")
def test_first_load_a_day_of_changes_and_a_purge(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW_CONN_CRM", sandbox.connections["AIRFLOW_CONN_SALESFORCE"])

    def run_at(at: datetime, world: datetime) -> None:
        sandbox.now(world.isoformat())
        monkeypatch.setenv("PERENNIAL_NOW", at.isoformat())
        verdict = pipeline.run("crm")
        assert verdict.state == "green", verdict

    def check() -> None:
        truth = sandbox.truth()
        for entity in ENTITIES:
            expected = {ids.encode(OF_KIND[KINDS[entity]].prefix, one) for one in truth[entity]["live_ids"]}
            waiting = f"select record_id from quarantine.record where entity = '{entity}' and state = 'open'"
            stored = f"select id from raw.salesforce__{entity} where not _is_deleted"
            assert {row[0] for row in [*rows(stored), *rows(waiting)]} == expected, entity

    # The world's clock stands still while ours advances, so that rows within the lag are read too.
    run_at(START + timedelta(minutes=6), START)
    check()
    later = START + timedelta(days=1)
    run_at(later + timedelta(minutes=6), later)
    check()
    gone = sandbox.truth()["account"]["live_ids"][0]
    sandbox.mutate("company", gone, op="erase")
    (found,) = reconcile.run("crm", ["account"])
    assert (found.state, found.n_gone) == ("resolved", 1), found
    check()
    assert value("select count(*) from raw.salesforce__opportunity__history where source = 'crm'") > 50
    assert value("select count(*) from raw.crm__account__version where source = 'crm'") > 20
