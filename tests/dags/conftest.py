"""The DAGs as Airflow reads them, once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))


@pytest.fixture(scope="session")
def dags() -> dict:
    from airflow.dag_processing.dagbag import DagBag  # takes seconds, so only on demand and not during collection

    bag = DagBag(str(ROOT / "dags"), bundle_path=ROOT / "dags")
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(params=NAMES)
def dag(request, dags):
    return dags[request.param]
