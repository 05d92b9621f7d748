"""Subscriptions whose only date, the end of the period, is mapped to ``updated_at``: no row is missed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from include.ingest import pipeline, reconcile
from tests.fixtures.landing import rows, value

N, RUNNING = 60, 48
TABLE = """
create table subscriptions (no int primary key, mrr numeric, started_on date, current_period_end date);
insert into subscriptions
select n, 100, date '2025-06-01', case when n <= {running} then date '2026-06-01' + n else date '2026-01-15' end
from generate_series(1, {n}) as n;
"""
QUERIES = {
    "account": "select cast(no as text) as id, 'Customer ' || no as name, current_period_end as updated_at"
    " from subscriptions",
    "opportunity": "select cast(no as text) as id, cast(no as text) as account_id, 'closed' as stage,"
    " true as is_closed, true as is_won, 'new' as opportunity_type, mrr * 12 as amount, 'USD' as currency,"
    " started_on as close_date,"
    " current_period_end::timestamptz as updated_at from subscriptions",
    "contract_line": "select cast(no as text) as id, cast(no as text) as opportunity_id,"
    " cast(no as text) as account_id,"
    " mrr * 12 as amount, 'USD' as currency, true as is_recurring, true as is_evergreen, started_on as term_start,"
    " current_period_end::timestamptz as updated_at from subscriptions"
    " where (:since::timestamptz is null or current_period_end > :since) and current_period_end <= :until",
}
SETTINGS = "sources:\n  - {id: crm_db, kind: crm, owner: {name: A, email: a@vendor.example}}\n"
SUM = "select coalesce(sum(amount), 0) from raw.sqlcrm__contract_line where not _is_deleted"


@pytest.fixture
def theirs(empty_database: str, raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Connection]:
    """The table and its configuration files."""
    engine = sa.create_engine(empty_database, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    url = make_url(empty_database)
    said = {"conn_type": "postgres", "host": url.host, "port": url.port, "login": url.username,
            "password": url.password, "schema": url.database}  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_CRM_DB", json.dumps(said))
    folder = tmp_path / "overlay" / "sql" / "sources" / "crm_db"
    folder.mkdir(parents=True)
    for name, query in QUERIES.items():
        (folder / f"{name}.sql").write_text(query)
    (tmp_path / "overlay" / "config").mkdir()
    (tmp_path / "overlay" / "config" / "settings.yaml").write_text(SETTINGS)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv("PERENNIAL_NOW", "2026-03-01T12:00:00Z")
    with engine.connect() as connection:
        connection.exec_driver_sql(TABLE.format(n=N, running=RUNNING))
        yield connection
    engine.dispose()


def test_no_row_is_missing_and_changes_and_deletions_are_seen(
    theirs: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline.run("crm_db").state == "green"
    assert value(SUM) == N * 1200
    assert value("select count(*) from quarantine.record") == 0
    assert {each.state for each in reconcile.run("crm_db")} == {"equal"}
    # A price changes without a date change, and another period begins.
    monkeypatch.setenv("PERENNIAL_NOW", "2026-03-01T13:00:00Z")
    theirs.exec_driver_sql("update subscriptions set mrr = 200 where no = 7")
    theirs.exec_driver_sql("insert into subscriptions values (100, 100, '2026-03-01', '2027-03-01')")
    assert pipeline.run("crm_db").state == "green"
    assert value(SUM) == N * 1200 + 1200 + 1200
    # One is cancelled at once: its date is before the last read, and reconcile finds the deleted row.
    monkeypatch.setenv("PERENNIAL_NOW", "2026-03-01T14:00:00Z")
    theirs.exec_driver_sql("delete from subscriptions where no in (8, 55)")
    found = {each.entity: each for each in reconcile.run("crm_db")}
    assert (found["contract_line"].state, found["contract_line"].n_gone) == ("resolved", 2)
    assert value(SUM) == (N - 2) * 1200 + 1200 + 1200
    # A date is corrected to an earlier one, which a full read detects.
    monkeypatch.setenv("PERENNIAL_NOW", "2026-03-01T15:00:00Z")
    theirs.exec_driver_sql("update subscriptions set mrr = 300, current_period_end = '2026-01-02' where no = 56")
    assert pipeline.run("crm_db", full=True).state == "green"
    assert value(SUM) == (N - 2) * 1200 + 1200 + 1200 + 2400
    warned = rows("select distinct rule_id from meta.rule_result where not is_passed order by 1")
    assert ("crm.contract_line.updated_at_present",) in warned
