"""From the vendors' APIs to the raw tables: every live record is stored once or quarantined with a reason."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from include.entities.catalog import ENTITIES
from include.gate import availability
from include.ingest import pipeline
from include.warehouse.engine import engine
from tests.fixtures.sandbox import NOW, SandboxProcess

START = datetime.fromisoformat(NOW)
VENDORS = {"crm": "hubspot", "support": "zendesk", "product": "product"}
SOURCES = ("crm", "support", "product_db")


def read(query: str) -> list[sa.Row]:
    with engine("reader").connect() as connection:
        return list(connection.execute(sa.text(query)))


def live(entity: str) -> set[str]:
    """The ids live in raw or in quarantine. A deactivated owner is inactive, not deleted."""
    table = f"raw.{VENDORS[ENTITIES[entity].kind]}__{entity}"
    active = " and is_active is not false" if entity == "owner" else ""
    found = {row.id for row in read(f"select id from {table} where not _is_deleted{active}")}
    return found | {
        row.record_id
        for row in read(f"select record_id from quarantine.record where entity = '{entity}' and state = 'open'")
    }


def check(sandbox: SandboxProcess) -> None:
    truth = sandbox.truth()
    given = {entity for source in SOURCES for entity in availability.judged(source)}
    assert len(given) > 12
    for entity, expected in truth.items():
        if entity not in given:
            continue  # not mapped, so unavailable
        if ENTITIES[entity].kind == "product":  # the product's keys are texts that the truth does not list
            assert len(live(entity)) == expected["live"], entity
        else:
            assert live(entity) == {str(one) for one in expected["live_ids"]}, entity


@pytest.mark.usefixtures("raw")
def test_first_load_a_day_of_changes_and_a_quiet_hour(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path_factory.mktemp("home")))

    def run_at(at: datetime, *, world: datetime | None = None) -> None:
        sandbox.now((world or at).isoformat())
        monkeypatch.setenv("PERENNIAL_NOW", at.isoformat())
        for source_id in SOURCES:
            verdict = pipeline.run(source_id)
            assert verdict.state == "green", verdict

    # The world's clock stands still while ours advances, so that rows within the lag are read too.
    run_at(START + timedelta(minutes=6), world=START)
    check(sandbox)
    run_at(START + timedelta(days=1), world=START + timedelta(days=1))
    run_at(START + timedelta(days=1, minutes=6), world=START + timedelta(days=1))
    check(sandbox)
    before = read("select sum(n_merged) as n from meta.batch")[0].n
    run_at(START + timedelta(days=1, hours=1), world=START + timedelta(days=1))
    assert read("select sum(n_merged) as n from meta.batch")[0].n == before
    check(sandbox)
