"""Ingest reads new records once, resumes where it stopped, and reports every result to the gate."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from include.common.errors import AuthError, ConfigError, PerennialError, Unavailable
from include.connectors.base import Page
from include.gate import verdicts
from include.ingest import held_batches, pipeline, pull
from include.warehouse.engine import engine
from tests.fixtures.fake_source import START, record
from tests.fixtures.landing import rows, tables, value

ACCOUNTS = "select id from raw.hubspot__account where not _is_deleted order by id"


def at(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", (START + timedelta(hours=hours)).isoformat())


def test_run_reads_validates_merges_and_publishes(crm, contracts) -> None:
    verdict = pipeline.run("crm", run_id="r1")
    assert (verdict.state, verdict.watermark) == ("green", START + timedelta(hours=1))
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]
    assert rows("select id from raw.hubspot__contact") == [("9",)]
    assert rows("select distinct run_id, state from meta.batch") == [("r1", "merged")]
    assert tables() == set()


def test_second_run_on_an_unchanged_source_changes_no_row(crm, monkeypatch) -> None:
    pipeline.run("crm")
    query = "select ctid::text, * from raw.hubspot__account order by id"
    before, dirty = rows(query), value("select count(*) from meta.dirty_range")
    at(monkeypatch, 2)
    verdict = pipeline.run("crm")
    assert rows(query) == before
    assert value("select count(*) from meta.dirty_range") == dirty
    assert verdict.watermark == START + timedelta(hours=2)
    assert crm.reads[-2]["position"] == {"at": (START + timedelta(hours=1)).isoformat()}


def test_contracts_are_not_imported_without_a_batch(crm, contracts, monkeypatch) -> None:
    crm.records = {"account": []}
    assert pipeline.run("crm").state == "green"
    assert contracts.judged == []


def test_long_read_fills_several_batches(crm, tmp_path: Path, monkeypatch) -> None:
    overlay = tmp_path / "overlay" / "config"
    overlay.mkdir(parents=True)
    (overlay / "settings.yaml").write_text("batch_rows: 2\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(overlay.parent))
    extracted = pipeline.extract("crm", "account")
    assert (extracted.n_rows, extracted.n_batches) == (5, 3)
    assert len(crm.reads) == 1
    pipeline.run("crm")
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]


def test_failed_read_resumes_where_it_stopped(crm, monkeypatch) -> None:
    def fail(entity: str, page: int) -> None:
        if entity == "account" and page == 1:
            raise Unavailable("the CRM is down", cure="wait")

    crm.before_page = fail
    with pytest.raises(Unavailable, match="the CRM is down"):
        pipeline.run("crm")
    verdict = next(verdict for verdict in verdicts.verdicts() if not verdict.entity)
    assert verdict.state == "red" and "the CRM is down" in verdict.reason
    assert rows("select state, n_rows from meta.batch") == [("landing", 2)]

    crm.before_page = lambda entity, page: None
    at(monkeypatch, 2)
    assert pipeline.run("crm").state == "green"
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]
    resumed, fresh = (read for read in crm.reads[1:] if read["entity"] == "account")
    assert resumed["mark"] and resumed["until"] == START + timedelta(hours=1)
    assert fresh["mark"] is None and fresh["until"] == START + timedelta(hours=2)


def test_unavailable_source_is_not_called_again_and_the_rest_is_merged(crm) -> None:
    pipeline.extract("crm", "contact")

    def fail(entity: str, page: int) -> None:
        raise Unavailable("down")

    crm.before_page = fail
    with pytest.raises(Unavailable):
        pipeline.run("crm")
    assert [read["entity"] for read in crm.reads] == ["contact", "account"]
    assert rows("select id from raw.hubspot__contact") == [("9",)]


def test_failing_entity_does_not_block_the_others(crm) -> None:
    def fail(entity: str, page: int) -> None:
        if entity == "account":
            raise AuthError("the token may not read companies", cure="grant crm.objects.companies.read")

    crm.before_page = fail
    with pytest.raises(AuthError):
        pipeline.run("crm")
    assert rows("select id from raw.hubspot__contact") == [("9",)]
    states = {verdict.entity: verdict.state for verdict in verdicts.verdicts()}
    assert states == {"": "red", "account": "red", "contact": "green"}


def test_read_that_failed_before_its_first_page_sets_no_start(crm, monkeypatch) -> None:
    """A first load with a late start that failed before its first page must not cut off history."""

    def fail(entity: str, page: int) -> None:
        raise AuthError("no")

    crm.before_page = fail
    with pytest.raises(AuthError):
        pipeline.run("crm", since=START + timedelta(minutes=3))
    crm.before_page = lambda entity, page: None
    pipeline.run("crm")
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]


def test_batch_held_beyond_deletion_retention_leads_to_a_full_read(crm, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    contracts.hold = lambda entity: "doubled" if entity == "account" else ""
    crm.records["account"].append(record("new", 90))
    at(monkeypatch, 2)
    pipeline.run("crm")
    with engine("loader").begin() as connection:
        connection.execute(sa.text("update meta.batch set opened_at = :at"), {"at": START + timedelta(hours=2)})
    contracts.hold = lambda entity: ""
    at(monkeypatch, 20 * 24)
    pipeline.run("crm")
    del crm.records["account"][0]  # and the source no longer lists the deletion
    at(monkeypatch, 31 * 24)
    pipeline.accept(value("select batch_id from meta.batch where state = 'held'"), reason="right", by="ada")
    assert pipeline.run("crm").state == "green"
    assert rows(ACCOUNTS) == [(id,) for id in ("1", "2", "3", "4", "new")]
    pipeline.run("crm")
    assert [read["full"] for read in crm.reads if read["entity"] == "account"] == [False, False, False, True, False]


def test_held_batch_waits_while_reading_continues(crm, contracts, monkeypatch) -> None:
    contracts.hold = lambda entity: "doubled" if entity == "account" else ""
    verdict = pipeline.run("crm")
    assert verdict.state == "red" and "doubled" in verdict.reason
    contracts.hold = lambda entity: ""
    crm.records["account"].append(record("new", 90))
    at(monkeypatch, 2)
    assert pipeline.run("crm").state == "red"
    assert rows(ACCOUNTS) == []
    assert crm.reads[-2]["position"] == {"at": (START + timedelta(hours=1)).isoformat()}
    held_id = value("select batch_id from meta.batch where state = 'held'")
    verdict = pipeline.accept(held_id, reason="the vendor doubled its sales", by="ada")
    assert verdict.state == "green"
    assert rows(ACCOUNTS) == [(id,) for id in ("0", "1", "2", "3", "4", "new")]


def test_dropped_batch_is_read_again(crm, contracts) -> None:
    contracts.hold = lambda entity: "doubled" if entity == "account" else ""
    pipeline.run("crm")
    held_id = value("select batch_id from meta.batch where state = 'held'")
    pipeline.drop(held_id, reason="wrong mapping", by="ada")
    assert verdicts.verdicts()[0].state == "red"
    contracts.hold = lambda entity: ""
    assert pipeline.run("crm").state == "green"
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]


@pytest.mark.parametrize("decide", [held_batches.accept, held_batches.drop])
def test_batch_decision_needs_a_reason_and_a_held_batch(crm, decide) -> None:
    pipeline.run("crm")
    batch_id = value("select min(batch_id) from meta.batch")
    with pytest.raises(ConfigError, match="needs a reason"):
        decide(batch_id, reason=" ", by="ada")
    with pytest.raises(ConfigError, match="is merged"):
        decide(batch_id, reason="reason", by="ada")
    with pytest.raises(ConfigError, match="unknown batch 999"):
        decide(999, reason="reason", by="ada")


def test_full_read_finds_deleted_records(crm, monkeypatch) -> None:
    pipeline.run("crm")
    del crm.records["account"][0]
    at(monkeypatch, 2)
    pipeline.run("crm")
    assert len(rows(ACCOUNTS)) == 5
    pipeline.run("crm", full=True)
    assert rows(ACCOUNTS) == [(str(i),) for i in range(1, 5)]


def test_since_rereads_without_moving_the_cursor_back(crm, monkeypatch) -> None:
    pipeline.run("crm")
    cursor = rows("select entity, position, read_until from meta.cursor order by 1")
    crm.records["account"][1] = record("1", 1, name="fixed in the source without a trace")
    pipeline.run("crm", only=["account"], since="2026-01-01", until="2026-01-01T00:02:00Z")
    assert value("select name from raw.hubspot__account where id = '1'") == "fixed in the source without a trace"
    assert rows("select entity, position, read_until from meta.cursor order by 1") == cursor
    assert crm.reads[-1]["since"] == START


def test_only_the_named_entities_are_read(crm) -> None:
    with pytest.raises(ConfigError, match="crm has no entity deal") as caught:
        pipeline.run("crm", only=["deal"])
    assert "account, contact" in caught.value.cure
    pipeline.run("crm", only=["contact"])
    assert [read["entity"] for read in crm.reads] == ["contact"]


def test_entity_missing_at_the_source_is_skipped_with_a_note(crm) -> None:
    extracted = pipeline.extract("crm", "owner")
    assert extracted.n_rows == 0 and "has no owner" in extracted.note


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "31.01.2026"])
def test_invalid_time_shows_the_expected_format(crm, text: str) -> None:
    with pytest.raises(ConfigError, match="is not a date or time") as caught:
        pipeline.extract("crm", "account", since=text)
    assert "2026-01-31" in caught.value.cure


def test_source_without_a_final_position_is_an_error_not_a_gap(crm, monkeypatch) -> None:
    monkeypatch.setattr(crm, "read", lambda entity, **how: iter([Page([record("1")], {"m": 1})]))
    with pytest.raises(Unavailable, match="ended without a position for the next run"):
        pipeline.extract("crm", "account")


def test_connection_lost_while_landing_is_reported_and_the_next_run_resumes(crm) -> None:
    def cut(entity: str, page: int) -> None:
        if entity == "account" and page == 1:
            with engine("owner").connect() as connection:
                connection.execute(
                    sa.text(
                        "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
                        " and application_name = 'perennial loader' and datname = current_database()"
                    )
                )

    crm.before_page = cut
    with pytest.raises((sa.exc.OperationalError, psycopg.OperationalError), match=r"terminat|closed|lost"):
        pipeline.run("crm")
    crm.before_page = lambda entity, page: None
    assert pipeline.run("crm").state == "green"
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]


def test_missing_connection_is_red_with_a_cure(crm, monkeypatch) -> None:
    def missing(id: str):
        raise ConfigError("unknown connection crm", cure="set AIRFLOW_CONN_CRM")

    monkeypatch.setattr(pipeline.connections, "get", missing)
    with pytest.raises(ConfigError, match="unknown connection crm"):
        pipeline.run("crm")
    verdict = verdicts.verdicts()[0]
    assert verdict.state == "red" and verdict.cure == "set AIRFLOW_CONN_CRM"


def test_failed_validation_is_red_until_one_succeeds(crm, contracts, monkeypatch) -> None:
    def fail(source_id: str, *, run_id: str = "") -> list:
        raise PerennialError("no memory for Great Expectations", cure="give it 400 MB")

    monkeypatch.setattr(contracts, "validate", fail)
    with pytest.raises(PerennialError, match="no memory"):
        pipeline.run("crm")
    assert verdicts.verdicts()[0].state == "red"
    assert rows(ACCOUNTS) == []
    monkeypatch.setattr(contracts, "validate", type(contracts).validate.__get__(contracts))
    assert pipeline.run("crm").state == "green"


def test_long_reads_log_their_progress(crm, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(pull, "_LOG_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(pull, "_LAND_ROWS", 2)
    with caplog.at_level(logging.INFO, logger="include.connectors"):
        pipeline.extract("crm", "account")
    assert any("crm.account: 4 rows so far" in message for message in caplog.messages)
    assert any("crm.account: 5 rows landed" in message for message in caplog.messages)


@pytest.mark.parametrize(("name", "ids"), [("crm", ("crm",)), ("product", ("product_db",)), ("support", ("support",))])
def test_sources_are_selected_by_id_or_kind(name: str, ids: tuple[str, ...]) -> None:
    assert pipeline.sources_named(name) == ids


def test_unknown_source_lists_the_known_ones(crm) -> None:
    with pytest.raises(ConfigError, match="unknown source erp") as caught:
        pipeline.sources_named("erp")
    assert "product_db" in caught.value.cure
    with pytest.raises(ConfigError, match="unknown source erp"):
        pipeline.run("erp")


@pytest.mark.parametrize(
    "step", [lambda **how: pipeline.run("crm", **how), lambda **how: pipeline.extract("crm", "account", **how)]
)
def test_full_read_rejects_until(crm, step) -> None:
    with pytest.raises(ConfigError, match="--full and --until cannot be combined"):
        step(full=True, until="2026-01-01")
    assert crm.reads == []
