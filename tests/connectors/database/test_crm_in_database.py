"""A CRM or support desk that is a database: entities of its kind, from its own query folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common import connections
from include.common.errors import ConfigError
from include.connectors import registry
from include.connectors.base import Source

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SETTINGS = """
sources:
  - {id: crm_db, kind: crm, owner: {name: A, email: a@vendor.example}}
  - {id: desk_db, kind: support, owner: {name: A, email: a@vendor.example}}
"""


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both connections use one SQLite file with a table of companies."""
    with sa.create_engine(f"sqlite:///{tmp_path / 'all.db'}").begin() as connection:
        connection.exec_driver_sql("create table companies (no integer, title text, at text)")
        connection.exec_driver_sql("insert into companies values (7, 'Acme', '2026-01-01 00:00:00')")
    for name in ("crm_db", "desk_db"):
        value = {"conn_type": "sqlite", "host": str(tmp_path / "all.db")}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(value))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.yaml").write_text(SETTINGS)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    return tmp_path


def _write(overlay: Path, source: str, entity: str) -> None:
    folder = overlay / "sql" / "sources" / source
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{entity}.sql").write_text("select no as id, title as name, at as updated_at from companies")


def _connect(name: str) -> Source:
    return registry.connect(connections.get(name))


@pytest.mark.parametrize(
    ("name", "entity", "vendor"), [("crm_db", "account", "sqlcrm"), ("desk_db", "organization", "sqldesk")]
)
def test_database_offers_the_entities_of_its_kind(overlay: Path, name: str, entity: str, vendor: str) -> None:
    _write(overlay, name, entity)
    source = _connect(name)
    assert (source.vendor, source.entities()) == (vendor, (entity,))
    pages = list(source.read(entity, position=None, until=NOW))
    assert [(record.id, record.values["name"]) for page in pages for record in page.records] == [("7", "Acme")]


def test_entity_of_another_kind_is_rejected(overlay: Path) -> None:
    _write(overlay, "crm_db", "ticket")
    with pytest.raises(ConfigError, match="unknown entity ticket"):
        _connect("crm_db").entities()


def test_database_without_a_query_folder_has_no_entities(overlay: Path) -> None:
    assert _connect("crm_db").entities() == ()


def test_query_folder_of_an_unknown_source_is_reported(overlay: Path) -> None:
    _write(overlay, "crm_bd", "account")
    with pytest.raises(ConfigError, match="unknown source crm_bd"):
        _connect("crm_db").entities()
