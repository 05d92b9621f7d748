"""The models exported for DuckDB and dbt contain nothing specific to Perennial."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from benchmarks.contestants import dbt_build
from benchmarks.duckdb_models import LEFT_OUT, render_query
from include.models import registry
from include.models.increments import Build, Range

BUILD = Build(
    build_id="one",
    kind="forward",
    state="done",
    trigger="first",
    window=Range(date(2026, 1, 1), date(2026, 6, 10)),
    newest_day=date(2026, 6, 9),
    first_day=date(2026, 1, 1),
    known_at=datetime(2026, 6, 9, 12, tzinfo=UTC),
)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_query_is_rendered_with_its_parameter_values(dialect: str) -> None:
    text = render_query(registry.get("core.usage_28d"), BUILD, dialect, {"core.usage_day": "dbt.core__usage_day"})
    assert not re.search(r"(?<!:)[:%$]\(?(start|end|accounts)\b", text)
    assert "CAST('2026-01-01' AS DATE)" in text
    assert "CAST('2026-06-10' AS DATE)" in text
    assert "dbt.core__usage_day AS u" in text
    assert "core.usage_day" not in text


def test_dbt_project_references_only_its_own_models(tmp_path: Path) -> None:
    names = ("staging.stg_product__usage_day", "core.usage_day", "core.usage_28d", "core.account_bridge")
    made = {name: registry.get(name) for name in names if name not in LEFT_OUT}
    dbt_build.write(tmp_path, BUILD, made, {"type": "postgres"})
    written = {path.stem: path.read_text() for path in (tmp_path / "models").glob("*.sql")}
    assert set(written) == {"staging__stg_product__usage_day", "core__usage_day", "core__usage_28d"}
    assert "{{ ref('staging__stg_product__usage_day') }}" in written["core__usage_day"]
    assert "core.account_bridge" in written["core__usage_day"]
    assert "materialized='view', schema='dbt_staging'" in written["staging__stg_product__usage_day"]
    assert "core.usage_day" not in written["core__usage_28d"]
