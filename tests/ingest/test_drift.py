"""Schema drift and hostile texts, from the vendor's response to the raw table and the owner's notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.common.errors import ContractError, PerennialError
from include.deliver import notices as sender
from include.gate import verdicts
from include.ingest import pipeline, schema_drift
from include.orchestration import notices
from include.warehouse.engine import engine
from tests.fixtures.sandbox import NOW, SandboxProcess

# NUL, a lone surrogate, a formula, markup, right-to-left text, emoji, and a very long text.
HOSTILE = "=1+1\x00 \ud800 <script>alert(1)</script> \u202eabc \U0001f4a9 " + "x" * 200_000
KEPT = HOSTILE.replace("\x00", "").replace("\ud800", "")
# One more than a float can represent exactly.
BIG = 2**53 + 1
CHANGED = "2026-06-30T10:00:00Z"


@pytest.fixture
def vendors(sandbox: SandboxProcess, warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    return sandbox


def _rows(query: str, **parameters: Any) -> list[sa.Row]:
    with engine("reader").connect() as connection:
        return list(connection.execute(sa.text(query), parameters))


def _notices(source: str) -> list[str]:
    return [one.sentence for one in schema_drift.unreported(source)]


def test_new_and_missing_hubspot_properties(vendors: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(sender, "notify", lambda to, write: sent.append((to.email, write().subject)))
    for entity in ("account", "contact"):
        pipeline.extract("crm", entity)
    assert _notices("crm") == []
    vendors.control("switches", **{"hubspot.removed_properties": ["customer_tier", "num_associated_deals"]})
    # Without rows nothing is checked or reported.
    n_calls = vendors.control("status")["calls"]["GET /hubspot/crm/v3/properties/companies"]
    pipeline.extract("crm", "account")
    assert _notices("crm") == []
    assert vendors.control("status")["calls"]["GET /hubspot/crm/v3/properties/companies"] == n_calls
    for kind in ("company", "contact"):
        one = vendors.truth()[{"company": "account"}.get(kind, kind)]["live_ids"][0]
        vendors.mutate(kind, one, set={}, at=CHANGED.replace("T10", "T11"))
    # The second is not mapped. The first fills the tier, so only accounts are affected.
    with pytest.raises(ContractError, match="the field customer_tier, which fills tier, has been missing"):
        pipeline.extract("crm", "account")
    pipeline.extract("crm", "contact")
    assert _notices("crm") == [
        "customer_tier was removed (enumeration); it fills tier",
        "num_associated_deals was removed (number)",
    ]
    notices.notify_changes("crm")
    notices.notify_changes("crm")
    assert sent == [("data@example.com", "crm has changed 2 fields; 1 of them mapped to columns")]
    verdict = pipeline.publish("crm")
    assert verdict.state == "red"
    states = {one.entity: one.reason for one in verdicts.verdicts() if one.source == "crm"}
    assert "customer_tier" in states["account"]
    assert "customer_tier" not in states["contact"]
    vendors.control("switches", **{"hubspot.removed_properties": ["num_associated_deals"]})
    pipeline.extract("crm", "account")
    assert _notices("crm") == ["customer_tier was added (enumeration); it fills tier"]


def test_renamed_zendesk_field(vendors: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def fields(title: str) -> None:
        field = {"id": 4001, "type": "tagger", "title": title}
        vendors.control("switches", **{"zendesk.fields": {"ticket_fields": [field]}})

    fields("Product area")
    pipeline.extract("support", "ticket")
    fields("Product areas")
    monkeypatch.setenv("PERENNIAL_NOW", NOW.replace("06-30", "07-01"))  # checked daily
    pipeline.extract("support", "ticket")
    assert _notices("support") == ["Product area (4001) was renamed to Product areas (4001)"]


def test_retyped_product_column(vendors: SandboxProcess, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    folder = tmp_path / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    query = "select workspace_key as id, {} as plan, updated_at from workspaces where updated_at < :until"
    (folder / "product_account.sql").write_text(query.format("plan_code"))
    pipeline.extract("product_db", "product_account")
    (folder / "product_account.sql").write_text(query.format("length(plan_code)"))
    pipeline.extract("product_db", "product_account")
    assert _notices("product_db") == ["plan changed from text to int4; it fills plan"]


def _hubspot(sandbox: SandboxProcess) -> str:
    properties = {"name": HOSTILE, "domain": "=cmd|x.example", "createdate": CHANGED, "hs_lastmodifieddate": CHANGED}
    row = {"id": str(BIG), "properties": properties, "createdAt": CHANGED, "updatedAt": CHANGED, "archived": False}
    path = "/crm/v3/objects/companies"
    sandbox.control(
        "faults", vendor="hubspot", method="GET", path=path, kind="status", status=200, times=1,
        body=json.dumps({"results": [row]}),
    )  # fmt: skip
    return "raw.hubspot__account"


def _zendesk(sandbox: SandboxProcess) -> str:
    row = {"id": BIG, "name": HOSTILE, "external_id": str(BIG), "created_at": CHANGED, "updated_at": CHANGED}
    body = {"organizations": [row], "count": 1, "next_page": None, "end_time": 1782813600, "end_of_stream": True}
    sandbox.control(
        "faults", vendor="zendesk", path="/api/v2/incremental/organizations*", kind="status", status=200,
        body=json.dumps(body),
    )  # fmt: skip
    return "raw.zendesk__organization"


def _product(sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """PostgreSQL stores neither NUL nor lone surrogates. SQLite stores NUL."""
    path = tmp_path / "product.db"
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        connection.exec_driver_sql("create table t (id integer, name text, at text)")
        text = HOSTILE.replace("\ud800", "")
        connection.exec_driver_sql("insert into t values (?, ?, '2026-06-30 10:00:00')", (BIG, text))
    folder = tmp_path / "overlay" / "sql" / "sources" / "product"
    folder.mkdir(parents=True)
    (folder / "product_account.sql").write_text("select id, name, at as updated_at from t")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    monkeypatch.setenv("AIRFLOW_CONN_PRODUCT_DB", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return "raw.product__product_account"


@pytest.mark.parametrize(
    ("source", "entity"), [("crm", "account"), ("support", "organization"), ("product_db", "product_account")]
)
def test_case_49_hostile_text_and_large_ids_are_loaded(
    vendors: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, entity: str
) -> None:
    if source == "crm":
        table = _hubspot(vendors)
    elif source == "support":
        table = _zendesk(vendors)
    else:
        table = _product(vendors, tmp_path, monkeypatch)
    monkeypatch.setenv("PERENNIAL_NOW", NOW.replace("T12:00", "T12:30"))
    try:
        pipeline.run(source, only=(entity,))
    except PerennialError as error:
        raise AssertionError(f"one row's text broke the run: {str(error)[:500]}") from None
    found = _rows(f"select id, name, payload from {table} where id = :id", id=str(BIG))
    assert [(row.id, row.name) for row in found] == [(str(BIG), KEPT)]
    assert "\\u0000" in json.dumps(found[0].payload)
