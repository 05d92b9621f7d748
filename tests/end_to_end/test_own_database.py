"""The how-to *connect your own database*, followed: third-party data, mapped only by files, leads to KPI rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from include.cli.main import main
from include.common import connections
from include.connectors import registry
from include.gate import verdicts as gate
from include.warehouse.engine import engine

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "connect-your-own-database"
VERSION = "leadforge==1.0.0"
ENTITIES = ("account", "activity", "contact", "contract_line", "opportunity", "owner")
# The last day with events in this data.
AFTER = "2024-04-30T12:00:00+00:00"


@pytest.fixture(scope="module")
def leadforge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of leadforge's executables: a separate environment, since it has many dependencies."""
    given = os.environ.get("PERENNIAL_TEST_LEADFORGE")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("leadforge")
    venv.create(folder, with_pip=True)
    done = subprocess.run([folder / "bin" / "pip", "install", "-q", VERSION], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{VERSION} cannot be installed here: {done.stderr[-200:]}")
    return folder / "bin"


@pytest.fixture(scope="module")
def world(leadforge: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated tables, as CSV files."""
    folder = tmp_path_factory.mktemp("world")
    small = ["--n-accounts", "300", "--n-contacts", "840", "--n-leads", "1000"]
    recipe = ["--recipe", "b2b_saas_procurement_v1", "--seed", "7", "--mode", "research_instructor"]
    subprocess.run([leadforge / "leadforge", "generate", *recipe, *small, "--out", folder / "w"], check=True)
    to_csv = (
        "import pandas, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.parquet'):\n"
        "    pandas.read_parquet(path).to_csv(path.with_suffix('.csv'), index=False)"
    )
    subprocess.run([leadforge / "python", "-c", to_csv, folder / "w" / "tables"], check=True)
    return folder / "w" / "tables"


def _rows(query: str) -> list[tuple]:
    with engine("reader").connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_how_to_files_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(HOW_TO / "overlay"))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_DB", '{"conn_type": "postgres", "host": "db.example"}')
    source = registry.connect(connections.get("crm_db"))
    assert (source.vendor, source.kind) == ("sqlcrm", "crm")
    assert set(source.entities()) == set(ENTITIES)
    assert VERSION in (HOW_TO.parent / "connect-your-own-database.md").read_text()


def _load(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, HOW_TO / "load.py", folder, url], capture_output=True, text=True)


def test_loading_replaces_only_its_own_tables(empty_database: str, tmp_path: Path) -> None:
    """Customers name tables *accounts*, as here, and often have only one database."""
    plain = make_url(empty_database).set(drivername="postgresql").render_as_string(hide_password=False)
    assert _load(tmp_path, plain).returncode == 1
    for name, value in (("accounts", "1"), ("zones", "2")):
        (tmp_path / f"{name}.csv").write_text(f'id,the name\n{value},"a, b"\n')
    for _ in range(2):
        assert _load(tmp_path, plain).returncode == 0
    with sa.create_engine(empty_database).begin() as connection:
        assert connection.execute(sa.text("select * from accounts")).all() == [("1", "a, b")]
        connection.execute(sa.text("drop table zones"))
        connection.execute(sa.text("create table zones as select 7 as mine"))
        connection.execute(sa.text("update accounts set id = 'kept'"))
    for statement in ("select", "alter table zones rename to away", "create view zones as select * from away"):
        with sa.create_engine(empty_database).begin() as connection:
            connection.execute(sa.text(statement))
        if statement.startswith("alter"):
            continue
        done = _load(tmp_path, plain)
        assert done.returncode == 1
        assert "there is a zones already that this program did not make" in done.stderr
        with sa.create_engine(empty_database).connect() as connection:
            assert connection.execute(sa.text("select mine from zones")).scalars().all() == [7]
            assert connection.execute(sa.text("select id from accounts")).scalars().all() == ["kept"]


@pytest.mark.soak
def test_own_tables_lead_to_green_contracts_and_kpi_rows(
    world: Path, empty_database: str, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_url(empty_database).set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run([sys.executable, HOW_TO / "load.py", world, plain], check=True)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(HOW_TO / "overlay"))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_NOW", AFTER)
    url = make_url(empty_database)
    connection = {
        "conn_type": "postgres", "host": url.host, "port": url.port, "login": url.username,
        "password": url.password, "schema": url.database,
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_CRM_DB", json.dumps(connection))

    assert main(["connect", "check", "crm_db"]) == 0
    assert main(["ingest", "crm_db"]) == 0
    verdicts = {verdict.entity: verdict for verdict in gate.verdicts()}
    assert set(verdicts) == {"", *ENTITIES}
    assert {verdict.state for verdict in verdicts.values()} == {"green"}, verdicts
    assert _rows("select count(*) from quarantine.record where state = 'open'") == [(0,)]

    assert main(["build"]) == 0
    with sa.create_engine(empty_database).connect() as source:
        sold = source.execute(
            sa.text(
                "select count(distinct c.account_id), sum(o.estimated_acv::numeric) from customers c"
                " join opportunities o using (opportunity_id) where o.estimated_acv is not null"
            )
        ).one()
    with engine("reader").connect() as reader:
        day = reader.execute(sa.text("select max(day) from marts.account_day")).scalar_one()
        n_customers, arr = reader.execute(
            sa.text("select count(*) filter (where arr > 0), sum(arr) from marts.account_day where day = :day"),
            {"day": day},
        ).one()
    assert n_customers == sold[0] > 50
    assert float(arr) == pytest.approx(float(sold[1]), rel=0.01)
    metrics = {name for (name,) in _rows("select distinct metric_id from marts.kpi_value where value is not null")}
    assert {"arr", "logos"} & metrics, metrics
