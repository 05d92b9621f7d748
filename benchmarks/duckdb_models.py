"""Run the SQL models on DuckDB: PostgreSQL's rows are copied, and queries are transpiled by sqlglot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from include.models import build as building
from include.models import materialize
from include.models.increments import Build, Piece
from include.models.registry import Model
from include.warehouse.engine import SCHEMAS, engine

_TYPES = {
    "text": "varchar", "numeric": "decimal(28, 6)", "timestamp with time zone": "timestamptz", "boolean": "boolean",
    "date": "date", "integer": "integer", "bigint": "bigint", "double precision": "double", "jsonb": "varchar",
    "ARRAY": "varchar", "uuid": "varchar",
}  # fmt: skip
# Identity matching uses PostgreSQL's own text functions: DuckDB gets the resulting rows.
LEFT_OUT = {"core.account_bridge_history", "core.account_bridge"}


class DuckDbModels:
    """A DuckDB database with copies of the PostgreSQL tables that were requested.

    Args:
        folder: For intermediate CSV files.
        build: The build whose parameters the queries get.
        database: DuckDB's file; in memory by default.
    """

    def __init__(self, folder: Path, build: Build, database: str = ":memory:") -> None:
        self._folder = folder
        self._build = build
        self._known: set[str] = set()
        self.duck = duckdb.connect(database)
        self.duck.execute("set timezone = 'UTC'")
        self.postgres = engine("owner").connect()
        for schema in SCHEMAS:
            self.duck.execute(f"create schema {schema}")

    def close(self) -> None:
        self.postgres.close()
        self.duck.close()

    def copy(self, name: str) -> None:
        """Copy a table or view from PostgreSQL as CSV, unless it has been copied."""
        if name in self._known:
            return
        self._known.add(name)
        schema, _, table = name.partition(".")
        columns = self.postgres.execute(_COLUMNS, {"schema": schema, "table": table}).all()
        described = ", ".join(f'"{column}" {_TYPES[kind]}' for column, kind in columns)
        self.duck.execute(f"create table {name} ({described})")
        file = self._folder / f"{name}.csv"
        raw: Any = self.postgres.connection.driver_connection
        with (
            raw.cursor().copy(_OUT.format(name)) as out,
            file.open("wb") as into,
        ):
            for block in out:
                into.write(block)
        if file.stat().st_size:
            self.duck.execute(f"copy {name} from '{file}' (format csv, nullstr '\\N', header false)")
        file.unlink()

    def copy_inputs(self, model: Model, made: Collection[str] = ()) -> None:
        """Copy a model's inputs, except tables that DuckDB builds itself."""
        tree = sqlglot.parse_one(model.query, dialect="postgres")
        for name in sorted({f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.db}):
            if name not in made:
                self.copy(name)

    def make(self, model: Model, pieces: Sequence[Piece] = ()) -> None:
        """Create a model's table or view from its copied inputs, in one go or piece by piece."""
        kind = "view" if model.metadata.materialisation == "view" else "table"
        first, *others = pieces or [None]
        self.duck.execute(f"create {kind} {model.name} as {self.query(model, first)}")
        for piece in others:
            self.duck.execute(f"insert into {model.name} {self.query(model, piece)}")

    def count(self, model: Model) -> int:
        return len(self.duck.table(model.name))

    def query(self, model: Model, piece: Piece | None = None) -> str:
        """Return a model's query for DuckDB, over all days and accounts unless a piece is given."""
        return render_query(model, self._build, "duckdb", piece=piece)


def render_query(
    model: Model,
    build: Build,
    dialect: str,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
    piece: Piece | None = None,
) -> str:
    """Return a model's query with its parameters replaced by values.

    Args:
        model: The model.
        build: The build.
        dialect: The target SQL dialect.
        elsewhere: Table -> the table that is read instead.
        piece: The days and accounts; by default all of the build.
    """
    bound = building.parameters_of(build, model) | materialize.bounds(piece or Piece(*build.all_days))

    def with_value(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Placeholder):
            return _literal(bound[node.name])
        if isinstance(node, exp.Table) and f"{node.db}.{node.name}" in elsewhere:
            return exp.to_table(elsewhere[f"{node.db}.{node.name}"], alias=node.alias_or_name)
        return node

    return sqlglot.parse_one(model.query, dialect="postgres").transform(with_value).sql(dialect=dialect)


def _literal(value: Any) -> exp.Expression:
    if value is None:
        return exp.null()
    if isinstance(value, list):
        return exp.cast(exp.array(*map(_literal, value)), "text[]")
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.astimezone(UTC).isoformat()), "timestamptz")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "date")
    return exp.Literal.number(value) if isinstance(value, (int, float)) else exp.Literal.string(value)


_OUT = "copy (select * from {}) to stdout (format csv, null '\\N')"
_COLUMNS = sa.text(
    "select column_name, data_type from information_schema.columns where table_schema = :schema and table_name = :table"
    " order by ordinal_position"
)
