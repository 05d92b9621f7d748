"""DAG ids, with the prefix of an Airflow that has other DAGs of the same names."""

from __future__ import annotations

import os

# For those who add Perennial to an Airflow that has DAGs of the same names.
PREFIX = os.environ.get("PERENNIAL_DAG_PREFIX", "")


def dag_id(name: str) -> str:
    """Return a DAG's id: its file's name, behind ``PERENNIAL_DAG_PREFIX`` if that is set."""
    return f"{PREFIX}{name}"
