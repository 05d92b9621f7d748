"""A run that ends early for a valid reason is not a failure. A run that lost its batch ends in an error."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from include.common.errors import QuotaExhausted, Unavailable
from include.ingest import held_batches, landing, pipeline
from include.ingest.batches import Batch
from tests.fixtures.fake_source import START, FakeSource
from tests.fixtures.landing import rows, value

ACCOUNTS = "select id from raw.hubspot__account order by id"
RESUMES = "2026-01-02T00:00:00+00:00"


def exhausted_quota(entity: str, n: int) -> None:
    if entity == "account" and n == 1:
        raise QuotaExhausted(
            f"no more calls today; partial, resumes at {RESUMES}", resumes_at=RESUMES, cure="nothing to do"
        )


def at(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", (START + timedelta(hours=hours)).isoformat())


def test_case_14_and_case_48_exhausted_quota_is_not_a_failure(crm: FakeSource, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.run("crm")
    crm.before_page = exhausted_quota
    at(monkeypatch, 1.5)
    extracted = pipeline.extract("crm", "account", full=True)
    assert extracted.is_partial and RESUMES in extracted.note
    verdict = pipeline.run("crm", only=("contact",))
    assert verdict.state == "green"
    assert f"account no more calls today; partial, resumes at {RESUMES}" in verdict.reason
    # It stays green while the stored data is fresh enough.
    at(monkeypatch, 30)
    assert pipeline.publish("crm").state == "stale"
    crm.before_page = lambda entity, n: None
    verdict = pipeline.run("crm")
    assert (verdict.state, verdict.reason) == ("green", "")
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]


def test_case_14_first_load_resumes_at_the_page_where_the_quota_ran_out(
    crm: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.before_page = exhausted_quota
    verdict = pipeline.run("crm")
    assert verdict.state == "red"
    assert f"was never completely read, 2 rows so far; no more calls today; partial, resumes at {RESUMES}" in (
        verdict.reason
    )
    n_reads = len(crm.reads)
    crm.before_page = lambda entity, n: None
    assert pipeline.run("crm").state == "green"
    assert next(read for read in crm.reads[n_reads:] if read["entity"] == "account")["mark"]["id"] == "1"
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]
    assert value("select count(*) from meta.source_failure") == 0


def test_drop_between_two_batches_of_a_read_loses_no_records(
    crm: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = tmp_path / "overlay" / "config"
    overlay.mkdir(parents=True)
    (overlay / "settings.yaml").write_text("batch_rows: 2\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(overlay.parent))
    close_full = landing.close_full

    def dropped_at_once(connection: Connection, batch: Batch) -> Batch:
        closed = close_full(connection, batch)
        if not dropped:
            dropped.extend(held_batches.drop(closed.batch_id, reason="wrong mapping", by="ada"))
        return closed

    dropped: list[Batch] = []
    monkeypatch.setattr(landing, "close_full", dropped_at_once)
    with pytest.raises(Unavailable, match="was dropped during its read"):
        pipeline.extract("crm", "account")
    assert pipeline.run("crm").state == "green"
    assert rows(ACCOUNTS) == [(str(i),) for i in range(5)]
