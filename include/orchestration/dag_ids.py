"""DAG ids, with an optional prefix."""

from __future__ import annotations

import os

# For an Airflow that already has DAGs with the same names.
PREFIX = os.environ.get("PERENNIAL_DAG_PREFIX", "")


def dag_id(name: str) -> str:
    """Return a DAG's id: its file name, after ``PERENNIAL_DAG_PREFIX`` if that is set."""
    return f"{PREFIX}{name}"
