"""The DAG ``decide`` stores only counts and ids in Airflow's database, no accounts and no personal data."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from include.orchestration.assets import DECISIONS, OUTBOX
from tests.fixtures.renewal_rows import NOW, renewal


def test_result_contains_no_account_and_no_recipient(dags, book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", NOW.isoformat())
    book.renewals(renewal(1, days=30, account_name="Secret Ltd"))
    events = {asset: SimpleNamespace(extra=None) for asset in (OUTBOX, DECISIONS)}
    task = dags["decide"].task_dict["decide_newest_day"]
    result = task.python_callable(run_id="run", dag_run=None, outlet_events=events)
    assert result["n_planned"] == 3
    assert all(event.extra == result for event in events.values())
    text = json.dumps(result)
    assert "Secret" not in text and "@" not in text
