"""The same queries on another engine: each model, transpiled to DuckDB by sqlglot, returns PostgreSQL's rows.

Each model reads PostgreSQL's rows of its inputs, so that a difference is reported where it arises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.duckdb_models import LEFT_OUT, DuckDbModels
from include.models import build_store, registry
from include.models.registry import Model
from include.warehouse.engine import engine


@pytest.fixture
def on_duckdb(built: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DuckDbModels]:
    with engine("reader").connect() as connection:
        newest = build_store.frontier(connection)
    assert newest
    on_duckdb = DuckDbModels(tmp_path, newest)
    yield on_duckdb
    on_duckdb.close()


def _rows(on_duckdb: DuckDbModels, model: Model) -> tuple[list[tuple], list[tuple]]:
    """Return the model's rows from PostgreSQL, and those of its query in DuckDB."""
    on_duckdb.copy_inputs(model)
    found = on_duckdb.duck.execute(on_duckdb.query(model)).fetchall()
    names = ", ".join(f'"{name}"' for name in model.metadata.columns)
    expected = on_duckdb.postgres.exec_driver_sql(f"select {names} from {model.name}").all()
    return sorted(map(_plain, expected), key=repr), sorted(map(_plain, found), key=repr)


def _plain(row: Any) -> tuple:
    return tuple(_value(value) for value in row)


def _value(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, Decimal)):
        number = float(value)
        return None if math.isnan(number) else float(f"{number:.7g}") + 0.0
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


def test_every_model_returns_the_same_rows_on_duckdb(on_duckdb: DuckDbModels) -> None:
    differing = {}
    compared = 0
    for name, model in registry.load().items():
        if model.metadata.materialisation == "view" or name in LEFT_OUT:
            continue
        expected, found = _rows(on_duckdb, model)
        compared += bool(expected)
        if expected != found:
            only = [row for row in expected if row not in found][:2], [row for row in found if row not in expected][:2]
            differing[name] = only
    assert differing == {}
    assert compared > 25
