"""The commands around ingest: output and exit status."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common import paths
from include.common.errors import AuthError, Unavailable
from include.warehouse.engine import engine
from tests.fixtures.landing import value


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_ingest_reports_the_watermark_of_the_source(crm, capsys) -> None:
    status, out, _ = run(capsys, "ingest", "crm", "--only", "account", "--only", "contact")
    assert status == 0
    assert out == "crm is green, complete up to 2026-01-01 01:00:00 UTC\n"


def test_held_batch_exits_4_with_the_commands_to_decide_it(crm, contracts, capsys) -> None:
    contracts.hold = lambda entity: "60 of 100 rows are bad" if entity == "contact" else ""
    status, out, err = run(capsys, "ingest", "crm")
    assert status == 4
    assert "crm is red" in out
    assert "60 of 100 rows are bad" in err and "batch accept" in err


@pytest.mark.parametrize(("error", "expected"), [(AuthError("refused"), 3), (Unavailable("down"), 5)])
def test_source_errors_have_their_own_exit_status(crm, capsys, error, expected: int) -> None:
    def fail(entity: str, page: int) -> None:
        raise error

    crm.before_page = fail
    status, _, err = run(capsys, "ingest", "crm")
    assert status == expected
    assert f"error: {error.message}" in err
    assert "Traceback" not in err


def test_unknown_source_exits_2(crm, capsys) -> None:
    status, _, err = run(capsys, "ingest", "erp")
    assert status == 2
    assert "unknown source erp" in err and "crm, support, product_db" in err


def test_held_batches_can_be_listed_shown_and_accepted(crm, contracts, capsys) -> None:
    contracts.hold = lambda entity: "doubled" if entity == "account" else ""
    run(capsys, "ingest", "crm")
    held_id = value("select batch_id from meta.batch where state = 'held'")

    status, out, _ = run(capsys, "batch", "list", "--state", "held", "--json")
    assert status == 0
    assert [(row["batch_id"], row["note"]) for row in json.loads(out)] == [(held_id, "doubled")]

    status, out, _ = run(capsys, "batch", "show", str(held_id))
    assert status == 0 and "doubled" in out

    status, _, err = run(capsys, "batch", "accept", str(held_id))
    assert status == 2 and "--reason" in err

    status, out, _ = run(capsys, "batch", "accept", str(held_id), "--reason", "they bought a company")
    assert status == 0 and f"batch {held_id} is merged; crm is green" in out
    assert value("select decision_reason from meta.batch where batch_id = :id", id=held_id) == "they bought a company"


def test_batch_drop_prints_the_command_to_read_it_again(crm, contracts, capsys) -> None:
    contracts.hold = lambda entity: "doubled" if entity == "account" else ""
    run(capsys, "ingest", "crm")
    held_id = value("select batch_id from meta.batch where state = 'held'")
    status, out, _ = run(capsys, "batch", "drop", str(held_id), "--reason", "wrong portal")
    assert status == 0
    assert out == f"dropped {held_id}; `python -m include.cli ingest crm` extracts them again\n"


def test_batch_show_masks_personal_data(crm, capsys) -> None:
    run(capsys, "ingest", "crm")
    batch_id = value("select batch_id from meta.batch where entity = 'contact'")
    record = {"id": "9", "email": "ada@example.com", "job_title": "CTO", "payload": {"email": "ada@example.com"}}
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record)"
                " values (:id, 1, 'crm', 'contact', '9', 'crm.contact.test', 'bad', cast(:record as jsonb))"
            ),
            {"id": batch_id, "record": json.dumps(record)},
        )
    for arguments in (("batch", "show", str(batch_id)), ("batch", "show", str(batch_id), "--json")):
        status, out, _ = run(capsys, *arguments)
        assert status == 0
        assert "ada@example.com" not in out
        assert "CTO" in out and "***" in out


def test_status_shows_every_section(crm, capsys) -> None:
    status, out, _ = run(capsys, "status")
    assert status == 0
    assert "no source was read yet" in out
    run(capsys, "ingest", "crm")
    status, out, _ = run(capsys, "status")
    assert status == 0
    assert "green" in out and "no batch is held" in out and "no build yet" in out
    found = json.loads(run(capsys, "status", "--json")[1])
    assert [row["state"] for row in found["sources"]] == ["green"] * 3
    assert {row["entity"]: row["merged"] for row in found["sources"]} == {"": 6, "account": 5, "contact": 1}


def test_full_disk_is_one_clear_line_without_partial_work(crm, capsys, monkeypatch) -> None:
    import psycopg

    from include.ingest import landing

    def full(*_: object) -> int:
        raise psycopg.errors.DiskFull("could not extend file: No space left on device")

    monkeypatch.setattr(landing, "copy_page", full)
    status, _, err = run(capsys, "ingest", "crm")
    assert status == 7
    assert "No space left on device" in err and "free some space" in err
    assert value("select count(*) from meta.batch where n_rows > 0") == 0
    assert "No space left" in value("select reason from meta.source_failure where entity = 'account'")


def test_process_prints_no_traceback(warehouse: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "include.cli", "ingest", "crm"],
        cwd=paths.ROOT,
        env={"PATH": "/usr/bin:/bin", "PERENNIAL_DATABASE_URL": warehouse},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 2, done.stderr
    assert "unknown connection crm" in done.stderr
    assert "AIRFLOW_CONN_CRM" in done.stderr
    assert "Traceback" not in done.stderr
