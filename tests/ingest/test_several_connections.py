"""Two portals and two product databases, read, validated and stored separately with their own mappings and queries."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from include.common.errors import ConfigError
from include.gate import verdicts
from include.ingest import pipeline
from include.warehouse.engine import engine
from tests.fixtures.sandbox import SandboxProcess

OWNER = {"name": "Data", "email": "data@vendor.example"}
SOURCES = [
    {"id": "crm", "kind": "crm", "owner": OWNER, "lag_seconds": 0},
    {"id": "crm_eu", "kind": "crm", "owner": OWNER, "lag_seconds": 0, "mapping": "europe.yaml"},
    {"id": "product_db", "kind": "product", "owner": OWNER, "lag_seconds": 0},
    {"id": "app_eu", "kind": "product", "owner": OWNER, "lag_seconds": 0},
]
ACCOUNTS = """
select
    'eu-' || workspace_key as id,
    display_name as name,
    'crm_eu:' || crm_company_ref as crm_account_id,
    updated_at
from workspaces
"""


@pytest.fixture
def book(
    sandbox: SandboxProcess, warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[SandboxProcess, Path]:
    """Both portals are one sandbox under two connections. So are both databases, with different queries.

    The warehouse has no raw tables yet: reading must create them.
    """
    overlay = tmp_path / "overlay"
    (overlay / "config" / "mappings").mkdir(parents=True)
    (overlay / "config" / "settings.yaml").write_text(yaml.safe_dump({"sources": SOURCES}))
    shipped = Path(pipeline.__file__).parents[1] / "defaults" / "config" / "mappings" / "hubspot.yaml"
    text = shipped.read_text()
    assert text.count("      industry: industry\n") == 1
    (overlay / "config" / "mappings" / "europe.yaml").write_text(
        text.replace("      industry: industry\n", "      industry: domain\n")
    )
    (overlay / "sql" / "sources" / "app_eu").mkdir(parents=True)
    (overlay / "sql" / "sources" / "app_eu" / "product_account.sql").write_text(ACCOUNTS)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(overlay))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW_CONN_CRM_EU", sandbox.connections["AIRFLOW_CONN_CRM"])
    monkeypatch.setenv("AIRFLOW_CONN_APP_EU", sandbox.connections["AIRFLOW_CONN_PRODUCT_DB"])
    return sandbox, overlay


def _read(query: str) -> list[tuple]:
    with engine("reader").connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_each_connection_has_its_own_mapping_and_verdict(book, monkeypatch):
    sandbox, overlay = book
    for source in ("crm", "crm_eu"):
        assert pipeline.run(source, only=("account", "owner")).entity == ""
    n_accounts = sandbox.truth()["account"]["live"]
    counts = dict(_read("select source, count(*) from raw.crm__account where not _is_deleted group by source"))
    assert counts == {"crm": n_accounts, "crm_eu": n_accounts}
    assert _read("select count(*) from raw.crm__account where source = 'crm_eu' and industry <> domain") == [(0,)]
    assert _read("select count(*) > 0 from raw.crm__account where source = 'crm' and industry <> domain") == [(True,)]

    # A broken mapping of one names its position and does not affect the other.
    path = overlay / "config" / "mappings" / "europe.yaml"
    path.write_text(path.read_text().replace("      industry: domain\n", "      industry: branch\n"))
    with pytest.raises(ConfigError, match=r"europe\.yaml:\d+: .*branch"):
        pipeline.run("crm_eu", only=("account",))
    pipeline.run("crm", only=("account",))
    states = {verdict.source: verdict for verdict in verdicts.verdicts() if verdict.entity == "account"}
    assert (states["crm"].state, states["crm_eu"].state) == ("green", "red")
    assert "branch" in states["crm_eu"].reason
    assert verdicts.sources_ready(["crm_eu"], "renewal_alert") != []

    # Without its mapping file the settings are invalid.
    path.unlink()
    with pytest.raises(ConfigError, match=r"mappings/europe\.yaml is missing"):
        pipeline.run("crm_eu", only=("account",))


def test_database_with_its_own_queries_uses_only_those(book):
    _, overlay = book
    assert pipeline.run("app_eu").state == "green"
    pipeline.run("product_db", only=("product_account",))
    rows = _read("select source, id, crm_account_id from raw.product__product_account where not _is_deleted")
    assert {source for source, _, _ in rows} == {"app_eu", "product_db"}
    assert all(id.startswith("eu-") == (source == "app_eu") for source, id, _ in rows)
    assert all(ref.startswith("crm_eu:") for source, _, ref in rows if source == "app_eu" and ref)
    # Entities without a query are unavailable, which is not red.
    assert {verdict.entity for verdict in verdicts.verdicts() if verdict.source == "app_eu"} == {"", "product_account"}

    (overlay / "sql" / "sources" / "app_us").mkdir()
    (overlay / "sql" / "sources" / "app_us" / "usage_day.sql").write_text("select 1 as id, now() as updated_at")
    with pytest.raises(ConfigError, match="app_us: unknown source app_us"):
        pipeline.run("product_db", only=("product_account",))
