"""The same queries on another engine: each model, transpiled to DuckDB by sqlglot, gives the rows that PostgreSQL gave.

Each model gets PostgreSQL's own rows of what it reads, so that a difference is named where it arises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from include.warehouse import build_store, models, seeds
from include.warehouse.build import _parameters
from include.warehouse.engine import engine
from include.warehouse.models import Model

_TYPES = {
    "text": "varchar", "numeric": "decimal(28, 6)", "timestamp with time zone": "timestamptz", "boolean": "boolean",
    "date": "date", "integer": "integer", "bigint": "bigint", "double precision": "double", "jsonb": "varchar",
    "ARRAY": "varchar", "uuid": "varchar",
}  # fmt: skip
# The KPI models and what they stand on; identity is matched with PostgreSQL's own text functions.
LEFT_OUT = {"core.account_bridge_history", "core.account_bridge"}


@pytest.fixture
def twin(built: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Twin]:
    twin = Twin(tmp_path)
    yield twin
    twin.close()


class Twin:
    """A DuckDB that holds what PostgreSQL holds, as far as it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.duck = duckdb.connect()
        self.duck.execute("set timezone = 'UTC'")
        self.postgres = engine("owner").connect()
        self.known: set[str] = set()
        for schema in ("raw", "meta", "ops", "quarantine", "staging", "core", "marts"):
            self.duck.execute(f"create schema {schema}")
        newest = build_store.frontier(self.postgres)
        assert newest
        self.build = newest

    def close(self) -> None:
        self.postgres.close()
        self.duck.close()

    def rows(self, model: Model) -> tuple[list[tuple], list[tuple]]:
        """Return the model's rows from PostgreSQL, and those of its query in DuckDB."""
        tree = sqlglot.parse_one(model.query, dialect="postgres")
        with_names = {cte.alias for cte in tree.find_all(exp.CTE)}
        for table in tree.find_all(exp.Table):
            if table.db or table.name not in with_names:
                self.copy(f"{table.db}.{table.name}")
        bound = {
            **_parameters(self.build, model),
            "start": self.build.first_day,
            "end": self.build.all_days.end,
            "accounts": None,
        }
        tree = tree.transform(lambda node: _literal(bound[node.name]) if isinstance(node, exp.Placeholder) else node)
        found = self.duck.execute(tree.sql(dialect="duckdb")).fetchall()
        names = ", ".join(f'"{name}"' for name in model.metadata.columns)
        expected = self.postgres.exec_driver_sql(f"select {names} from {model.name}").all()
        return sorted(map(_plain, expected), key=repr), sorted(map(_plain, found), key=repr)

    def copy(self, name: str) -> None:
        """Copy a table as CSV."""
        if name in self.known:
            return
        self.known.add(name)
        schema, _, table = name.partition(".")
        columns = self.postgres.exec_driver_sql(
            "select column_name, data_type from information_schema.columns where table_schema = %s and table_name = %s"
            " order by ordinal_position",
            (schema, table),
        ).all()
        described = ", ".join(f'"{column}" {_TYPES[kind]}' for column, kind in columns)
        self.duck.execute(f"create table {name} ({described})")
        file = self.folder / f"{name}.csv"
        raw: Any = self.postgres.connection.driver_connection
        with (
            raw.cursor().copy(f"copy (select * from {name}) to stdout (format csv, null '\\N')") as out,
            file.open("wb") as into,
        ):
            for block in out:
                into.write(block)
        if file.stat().st_size:
            self.duck.execute(f"copy {name} from '{file}' (format csv, nullstr '\\N', header false)")


def _literal(value: Any) -> exp.Expression:
    if value is None:
        return exp.null()
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.astimezone(UTC).isoformat()), "timestamptz")
    if hasattr(value, "isoformat"):
        return exp.cast(exp.Literal.string(value.isoformat()), "date")
    return exp.Literal.number(value) if isinstance(value, (int, float)) else exp.Literal.string(value)


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


def test_every_model_gives_the_same_rows(twin: Twin) -> None:
    seeds.parameters()
    differing = {}
    compared = 0
    for name, model in models.load().items():
        if model.metadata.materialisation == "view" or name in LEFT_OUT:
            continue
        expected, found = twin.rows(model)
        compared += bool(expected)
        if expected != found:
            only = [row for row in expected if row not in found][:2], [row for row in found if row not in expected][:2]
            differing[name] = only
    assert differing == {}
    assert compared > 25
