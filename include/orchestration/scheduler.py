"""Run Airflow's scheduler with its tasks' libraries preloaded: ``python -m include.orchestration.scheduler``.

The LocalExecutor forks a process per task, which inherits the modules that its parent has loaded. Loading Great
Expectations alone costs a task three seconds of CPU. Perennial's own modules are not preloaded: each task loads them
from disk.
"""

from __future__ import annotations

import importlib
import sys

LIBRARIES = (
    "airflow.providers.common.io.assets.file",
    "airflow.providers.standard.decorators.short_circuit",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.supervisor",
    "great_expectations",
    "jinja2.ext",
    "jinja2.sandbox",
    "orjson",
    "pandas",
    "psycopg",
    "pydantic",
    "requests",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlglot.dialects.postgres",
    "tenacity",
    "yaml",
)


def main() -> None:
    """Load the libraries and run the scheduler."""
    for name in LIBRARIES:
        importlib.import_module(name)
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", "scheduler", *sys.argv[1:]]
    airflow()


if __name__ == "__main__":
    main()
