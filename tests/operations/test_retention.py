"""Housekeeping deletes old rows in pieces and keeps those that metrics and decisions need. It is idempotent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from include.cli.main import app
from include.common import home as homes
from include.common import paths
from include.models import build
from include.operations import retention
from include.warehouse.engine import engine
from tests.fixtures import small_world as world
from tests.fixtures.landing import rows, value

LATER = "2028-06-10T12:00:00+00:00"


def put_old_rows() -> None:
    with engine("owner").begin() as connection:
        for statement in (
            "insert into quarantine.record (batch_id, row_no, source, entity, rule_id, reason, state, quarantined_at)"
            " values (1, 1, 'crm', 'contact', 'r', 'x', 'resolved', '2026-06-01'),"
            " (1, 2, 'crm', 'contact', 'r', 'x', 'open', '2026-06-01'),"
            " (1, 3, 'crm', 'contact', 'r', 'x', 'dropped', '2028-06-01')",
            "insert into ops.outbox (key, channel, entity_kind, entity_id, rule, episode_no, step, account_key,"
            " recipient, subject, body, reads, not_after, state, decision_id, version, planned_at, resolved_at)"
            " select k, 'email', 'renewal', 'x', 'r', 1, '30', 'crm:1', 'a@b.example', 'said',"
            " '{\"a\": 1}' || cast(more as jsonb), '{}', now(), s, 'd', '1', cast(t as timestamptz),"
            " cast(t as timestamptz)"
            " from (values ('old', 'sent', '2026-06-01', '{}'), ('new', 'sent', '2028-06-01', '{}'),"
            " ('told', 'sent', '2026-06-01', '{\"asks\": [\"entry:1\"]}'),"
            " ('doubt', 'uncertain', '2026-06-01', '{}'), ('waits', 'planned', '2026-06-01', '{}'))"
            " as v (k, s, t, more)",
            "insert into ops.evaluation select d, 'r', 'account', 'crm:1', 'crm:1', 'cool_down', '{}'"
            " from (values (date '2028-05-10'), (date '2028-05-12')) as v (d)",
            "insert into ops.evaluation_input select d, 'account', 'crm:1', 'crm:1', '{}'"
            " from (values (date '2028-05-10'), (date '2028-05-12')) as v (d)",
            "insert into ops.touch_contact select 't', d, 1, 'crm:1', 'crm:1', 'crm:1,Ada'"
            " from (values (date '2027-12-10'), (date '2028-01-10')) as v (d)",
            "insert into meta.notice (key, failing_since, failed_at) values ('x', '2026-06-01', '2026-06-01')",
        ):
            connection.execute(sa.text(statement))


def test_old_rows_are_deleted_and_needed_ones_kept(built: pytest.MonkeyPatch) -> None:
    put_old_rows()
    full = "select count(*) from meta.batch where is_full"
    world.load("contract_line", full=True)
    n_full = value(full)
    built.setenv("PERENNIAL_NOW", LATER)
    build.run("later")
    before = world.snapshot()
    done = {one.store: one for one in retention.run_housekeeping()}
    assert rows("select state, row_no from quarantine.record order by row_no") == [("open", 2), ("dropped", 3)]
    kept = dict(rows("select key, cast(body as text) from ops.outbox"))
    assert kept.pop("told") == '{"asks": ["entry:1"]}'
    assert kept == {"old": "{}", "new": '{"a": 1}', "doubt": '{"a": 1}', "waits": '{"a": 1}'}
    assert value("select recipient from ops.outbox where key = 'old'") == ""
    assert rows("select line, contact_key from ops.touch_contact order by day") == [
        ("[erased]", "crm:1"),
        ("crm:1,Ada", "crm:1"),
    ]
    assert value("select count(*) from meta.notice") == 0
    for table in ("ops.evaluation", "ops.evaluation_input"):
        assert [str(day) for (day,) in rows(f"select day from {table}")] == ["2028-05-12"]
    assert value(full) == n_full > 0
    assert done["meta.batch"].n_deleted > 0 and done["quarantine.record"].n_deleted == 1
    assert all(one.is_complete for one in done.values())
    assert dict(rows("select store, n_deleted from meta.housekeeping"))["ops.outbox bodies"] == 2
    assert value("select count(*) from meta.build where kind = 'forward' and state = 'done'") == 1
    assert not build.plan("nothing new") and world.snapshot() == before
    assert sum(one.n_deleted for one in retention.run_housekeeping()) == 0


def test_housekeeping_resumes_where_it_stopped(built: pytest.MonkeyPatch) -> None:
    put_old_rows()
    with engine("owner").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.notice (key, failing_since, failed_at)"
                " select cast(n as text), '2026-06-01', '2026-06-01' from generate_series(1, 9) as n"
            )
        )
    built.setenv("PERENNIAL_NOW", LATER)
    built.setattr(retention, "PIECE", 2)
    built.setattr(retention, "MOST_PIECES", 3)
    first = {one.store: one for one in retention.run_housekeeping()}["meta.notice"]
    assert (first.n_deleted, first.is_complete) == (6, False)
    second = {one.store: one for one in retention.run_housekeeping()}["meta.notice"]
    assert (second.n_deleted, second.is_complete) == (4, True)
    assert value("select n_deleted from meta.housekeeping where store = 'meta.notice'") == 10


def test_dry_run_deletes_nothing(built: pytest.MonkeyPatch) -> None:
    put_old_rows()
    built.setenv("PERENNIAL_NOW", LATER)
    found = {one.store: one.n_deleted for one in retention.run_housekeeping(dry_run=True)}
    assert found["meta.notice"] == 1 and value("select count(*) from meta.notice") == 1
    assert "meta.notice" in CliRunner().invoke(app, ["housekeeping", "--dry-run"]).output


def test_only_one_housekeeping_run_at_a_time(built: pytest.MonkeyPatch) -> None:
    with engine("owner").connect() as other:
        other.execute(sa.text("select pg_advisory_lock(:key)"), {"key": retention._LOCK})
        assert retention.run_housekeeping() == []
        other.execute(sa.text("select pg_advisory_unlock(:key)"), {"key": retention._LOCK})


def put_logs(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, moment in (("old.log", 1_700_000_000), ("new.log", 1_900_000_000)):
        (folder / name).write_text("x")
        os.utime(folder / name, (moment, moment))


def test_old_logs_are_deleted(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = tmp_path / "home"
    built.setenv("PERENNIAL_HOME", str(ours))
    homes.claim(ours)
    folder = ours / "airflow" / "logs" / "dag_id=x"
    put_logs(folder)
    put_logs(tmp_path / "foreign")
    (ours / "logs").symlink_to(tmp_path / "foreign")
    retention.run_housekeeping()
    assert [file.name for file in folder.iterdir()] == ["new.log"]
    assert (tmp_path / "foreign" / "old.log").exists()


def test_logs_in_a_foreign_folder_are_kept(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built.setenv("PERENNIAL_HOME", str(tmp_path))
    put_logs(tmp_path / "logs")
    retention.run_housekeeping()
    assert (tmp_path / "logs" / "old.log").exists()


def test_only_our_own_airflow_logs_are_deleted(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    built.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    for dag in ("decide", "of_somebody_else"):
        folder = tmp_path / "logs" / f"dag_id={dag}" / "run_id=x"
        folder.mkdir(parents=True)
        (folder / "attempt=1.log").write_text("x")
        os.utime(folder / "attempt=1.log", (1_700_000_000, 1_700_000_000))
    retention.run_housekeeping()
    assert [path.parts[-3] for path in (tmp_path / "logs").rglob("*.log")] == ["dag_id=of_somebody_else"]


def test_only_our_own_dag_processor_logs_are_deleted(built: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The dag-processor writes a line per minute and file: 20 MB a day that nothing else deletes."""
    built.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    built.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path / "logs"))
    built.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(paths.ROOT))
    day = tmp_path / "logs" / "dag_processor" / "2023-11-14"
    names = ("dags/decide.py.log", "dags/foreign.py.log", "decide.py.log", "of_others/dags/decide.py.log")
    for name in names:
        file = day / "dags-folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
        os.utime(file, (1_700_000_000, 1_700_000_000))
    (day.parent / "latest").symlink_to(day)
    retention.run_housekeeping()
    assert {str(path.relative_to(day / "dags-folder")) for path in day.rglob("*.log")} == set(names[1:])
    built.delenv("AIRFLOW__CORE__DAGS_FOLDER")
    retention.run_housekeeping()
    assert (day / "dags-folder" / "decide.py.log").exists()
