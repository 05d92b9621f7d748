"""A realistically messy portal, read through its API: nothing is held, and the tables match the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from include.ingest import pipeline
from include.models import build
from include.sandbox import mapping, truth
from include.sandbox.demo import overlay
from include.sandbox.world.build import build as build_world
from include.warehouse.engine import engine
from tests.fixtures.sandbox import ANCHOR, NOW, SandboxProcess

SEED, CUSTOMERS = 21, 40


@pytest.fixture(params=["found", "deals"])
def portal(
    request: pytest.FixtureRequest, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SandboxProcess]:
    """The portal, a new warehouse, and the demo's settings."""
    (home := tmp_path / "sandbox").mkdir()
    size = ("--seed", str(SEED), "--anchor", ANCHOR, "--customers", str(CUSTOMERS), "--custom", request.param)
    process = SandboxProcess(home, "", *size, now=NOW)
    process.start()
    process.control("limits", lift=True)
    overlay.write(tmp_path, process.note)
    settings = tmp_path / "overlay" / "config" / "settings.yaml"
    written = yaml.safe_load(settings.read_text())
    written["sources"] = [source for source in written["sources"] if source["kind"] == "crm"]
    settings.write_text(yaml.safe_dump(written))
    monkeypatch.setenv("PERENNIAL_NOW", NOW)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    for name, value in process.connections.items():
        monkeypatch.setenv(name, value)
    yield process
    process.kill()


def test_portal_as_found_is_read_and_built(portal: SandboxProcess, tmp_path: Path) -> None:
    custom = portal.note["world"]["custom"]
    renewals = yaml.safe_load((tmp_path / "overlay" / "config" / "renewals.yaml").read_text())
    assert renewals["renewal_pipelines"] == mapping.RENEWAL_PIPELINES
    assert pipeline.run("crm", run_id="first").state == "green"
    assert isinstance(build.run("build/first"), build.Finished)
    with engine("reader").connect() as connection:
        assert not connection.scalar(sa.text("select count(*) from meta.batch where state = 'held'"))
        rows = connection.execute(
            sa.text(
                "select distinct on (account_key) account_key, arr from core.arr_step"
                " where from_day <= :day order by account_key, from_day desc"
            ),
            {"day": date.fromisoformat(ANCHOR)},
        )
        read = {row.account_key: row.arr for row in rows}
        listed = set(connection.scalars(sa.text("select distinct account_key from core.renewal_review")))
        quarantined = set(connection.scalars(sa.text("select 'crm:' || account_ref from quarantine.record")))
    world = build_world(SEED, date.fromisoformat(ANCHOR), CUSTOMERS, custom)
    true = {f"crm:{key}": steps[-1][1] for key, steps in truth.arr_steps(world.customers, world.span.anchor).items()}
    wrong = {
        key: (true.get(key), read.get(key))
        for key in {*true, *read} - listed - quarantined
        if abs(true.get(key, Decimal()) - read.get(key, Decimal())) > 1 + true.get(key, Decimal()) / 200
    }
    assert len(true) > 20 and len(wrong) <= 1, wrong
