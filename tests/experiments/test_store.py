"""Only experiments in force are read; the others keep their last reading."""

from __future__ import annotations

import pytest

from include.experiments import store
from include.warehouse.engine import engine
from tests.analyses.feature_world import NEWEST, add_day
from tests.sql import cases


def test_only_experiments_in_force_are_read(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, counted = store.counts, []
    monkeypatch.setattr(store, "counts", lambda connection, named: counted.extend(named) or counts(connection, named))
    with engine("builder").begin() as connection:
        cases.create_tables(connection)
        add_day(connection, "marts.account_day")
        connection.exec_driver_sql(
            f"insert into marts.account_day (account_key, day) values ('crm:1', '{NEWEST}');"
            "insert into ops.experiment (experiment, hold_out, horizon_days, smallest_effect, started_on, known_from)"
            " select name, 0.25, 200, 0.1, '2026-01-01', now() from unnest(array['ended', 'expansion']) as n (name)"
        )
        assert store.read(connection, {"expansion": {"hold_out": 0.25}, "new": {}}).keys() == {"expansion"}
    assert counted == ["expansion"]
