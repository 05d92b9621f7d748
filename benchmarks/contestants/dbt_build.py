"""Run dbt's full refresh of the same models: a project generated from ``sql/``, built into separate schemas.

Only dbt's timings of the models' statements are summed, without its overhead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from include.models.increments import Build
from include.models.registry import Model

_PROJECT = """\
name: perennial
version: "1.0"
config-version: 2
profile: perennial
model-paths: [models]
macro-paths: [macros]
flags: {send_anonymous_usage_stats: false}
"""
_APART = re.compile(r"\bdbt\.(\w+__\w+)")
_SCHEMA = "{% macro generate_schema_name(name, node) %}{{ name }}{% endmacro %}\n"


def main() -> None:
    """Write the project and run it on the warehouse in force."""
    from benchmarks.duckdb_models import LEFT_OUT
    from include.models import build_store, registry
    from include.warehouse.engine import database_url, engine

    folder, dbt = sys.argv[1:]
    url = make_url(database_url())
    with engine("reader").connect() as connection:
        newest = build_store.frontier(connection)
    if newest is None:
        raise SystemExit("nothing is built yet")
    made = {name: model for name, model in registry.load().items() if name not in LEFT_OUT}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        project = Path(place)
        write(project, newest, made, {
            "type": "postgres", "host": url.host, "port": url.port, "user": url.username, "password": url.password,
            "dbname": url.database, "schema": "dbt", "threads": 1,
        })  # fmt: skip
        command = [dbt, "run", "--full-refresh", "--no-version-check", "--quiet"]
        where = ["--project-dir", str(project), "--profiles-dir", str(project)]
        subprocess.run([*command, *where], check=True, env={**os.environ, **_settings(), "PYTHONPATH": ""})
        results = json.loads((project / "target" / "run_results.json").read_text())["results"]
    seconds = {one["unique_id"].rpartition(".")[2].replace("__", ".", 1): _executing(one) for one in results}
    print(json.dumps({"rows": 0, "seconds": sum(seconds.values()), "models": seconds}))


def write(project: Path, newest: Build, made: dict[str, Model], target: dict[str, object]) -> None:
    """Write a dbt project of the models.

    Args:
        project: Its folder.
        newest: The build whose parameters the queries get.
        made: The models. Other tables are read as they exist.
        target: The database, in the form of dbt's profiles.
    """
    from benchmarks.duckdb_models import render_query

    for folder in ("models", "macros"):
        (project / folder).mkdir()
    (project / "dbt_project.yml").write_text(_PROJECT)
    (project / "macros" / "schema.sql").write_text(_SCHEMA)
    (project / "profiles.yml").write_text(json.dumps({"perennial": {"target": "it", "outputs": {"it": target}}}))
    for name, model in made.items():
        kind = "view" if model.metadata.materialisation == "view" else "table"
        # Use placeholder names first: a query with dbt's ref() calls cannot be parsed as SQL.
        query = render_query(model, newest, "postgres", {each: f"dbt.{_name(each)}" for each in made})
        query = _APART.sub(r"{{ ref('\1') }}", query)
        header = f"config(materialized='{kind}', schema='dbt_{model.schema}', alias='{model.table}')"
        (project / "models" / f"{_name(name)}.sql").write_text(f"{{{{ {header} }}}}\n{query}\n")


def _name(table: str) -> str:
    return table.replace(".", "__", 1)


def _settings() -> dict[str, str]:
    """Return the planner settings that Perennial builds with, so that the plans are the same."""
    return {"PGOPTIONS": "-c timezone=UTC -c work_mem=64MB -c jit=off -c enable_nestloop=off -c enable_mergejoin=off"}


def _executing(result: dict) -> float:
    step = next(step for step in result["timing"] if step["name"] == "execute")
    started, ended = (
        datetime.fromisoformat(step[name].replace("Z", "+00:00")) for name in ("started_at", "completed_at")
    )
    return (ended - started).total_seconds()


if __name__ == "__main__":
    main()
