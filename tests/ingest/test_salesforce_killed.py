"""Salesforce ingested with faults on and killed at random moments: afterwards source and warehouse are equal."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.sandbox.salesforce import ids
from include.sandbox.salesforce.schema import OF_KIND
from include.sandbox.truth import KINDS
from include.warehouse.engine import engine
from tests.fixtures.children import Child
from tests.fixtures.landing import rows, tables, value
from tests.fixtures.sandbox import NOW, SandboxProcess

ENTITIES = ("account", "contact", "opportunity", "contract_line")
START = datetime.fromisoformat(NOW)


@pytest.fixture
def org(sandbox: SandboxProcess, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """The org as the only source, with small slow pages and lost responses."""
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW_CONN_CRM", sandbox.connections["AIRFLOW_CONN_SALESFORCE"])
    sandbox.control("switches", **{"salesforce.page_rows": 15})
    return sandbox


def _start() -> Child:
    return Child("tests.ingest.salesforce_process")


def _landed() -> int:
    return value("select coalesce(sum(n_rows), 0) from meta.batch")


def _kill_one(chance: random.Random) -> None:
    child = _start()
    # Only after it has started working: a kill before the first row proves nothing.
    before = _landed()
    while _landed() == before and not child.ends_within(0.02):
        pass
    if not child.ends_within(chance.uniform(0, 1.0)):
        child.kill()
    child.end()


def _finish() -> None:
    for _ in range(3):  # a fault may end a run; the next one resumes
        status, printed = _start().end()
        if status == 0:
            break
    assert (status, printed.splitlines()[-1:]) == (0, ["green"]), printed[-2000:]


def _check(org: SandboxProcess) -> None:
    truth = org.truth()
    for entity in ENTITIES:
        prefix = OF_KIND[KINDS[entity]].prefix
        expected = {ids.encode(prefix, number) for number in truth[entity]["live_ids"]}
        assert {row[0] for row in rows(f"select id from raw.salesforce__{entity} where not _is_deleted")} == expected
        doubled = f"select id from raw.salesforce__{entity}__version group by id, _hash having count(*) > 1"
        assert rows(doubled) == [], entity
    assert tables() == set()


def _seeded(org: SandboxProcess, seed: int, monkeypatch: pytest.MonkeyPatch, n_kills: int) -> None:
    chance = random.Random(seed)
    for path, kind, share in (("*", "drop_after", 0.01), ("*", "truncate", 0.01), ("*", "late", 0.5)):
        org.control("faults", vendor="salesforce", path=path, kind=kind, chance=share, seed=seed, seconds=0.05)
    for hour in range(n_kills):
        at = START + timedelta(hours=hour)
        org.now(at.isoformat())
        monkeypatch.setenv("PERENNIAL_NOW", at.isoformat())
        loser, survivor, gone = org.truth()["account"]["live_ids"][:3]
        org.mutate("company", loser, op="merge", into=survivor)
        org.mutate("company", gone, op="delete")
        org.mutate("contact", op="touch", set={"job_title": f"Title {hour}"})
        _kill_one(chance)
    at = START + timedelta(hours=n_kills)
    org.now(at.isoformat())
    monkeypatch.setenv("PERENNIAL_NOW", at.isoformat())
    _finish()
    _check(org)
    with engine("reader").connect() as connection:
        merged = connection.execute(sa.text("select count(*) from meta.account_merge")).scalar_one()
    assert merged == n_kills


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_with_faults_then_rerun(org: SandboxProcess, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _seeded(org, seed, monkeypatch, n_kills=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(4, 54))
def test_repeated_kills(org: SandboxProcess, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _seeded(org, seed, monkeypatch, n_kills=4)
