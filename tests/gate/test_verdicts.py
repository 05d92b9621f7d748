"""A verdict is green only if everything was read, validated and merged recently enough."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.common.errors import AuthError, ConfigError, Unavailable
from include.gate import source_failures, verdicts
from include.ingest import held_batches, merge
from include.warehouse.engine import engine
from tests.fixtures.landing import START, judge, land, record, rows, store, value

ENTITIES = ("account", "contact")


@pytest.fixture(autouse=True)
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Set the clock, to START by default."""
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)

    def set_clock(moment: datetime) -> None:
        monkeypatch.setenv("PERENNIAL_NOW", moment.isoformat())

    set_clock(START)
    return set_clock


def hold(batch_id: int, reason: str = "too many bad rows") -> None:
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text("update meta.batch set state = 'held', hold_reason = :reason where batch_id = :id"),
            {"id": batch_id, "reason": reason},
        )


def fully_read() -> verdicts.Verdict:
    for entity in ENTITIES:
        store(record("1", 1), entity=entity)
    return verdicts.publish("crm", ENTITIES)


def test_all_merged_is_green_with_the_lowest_watermark(raw: str) -> None:
    store(record("1"), entity="account", read_until=START)
    store(record("1"), entity="contact", read_until=START - timedelta(minutes=9))
    # Owners are read hourly and do not make the other entities older.
    store(record("1"), entity="owner", read_until=START - timedelta(minutes=50))
    verdict = verdicts.publish("crm", (*ENTITIES, "owner"))
    assert (verdict.state, verdict.reason, verdict.watermark) == ("green", "", START - timedelta(minutes=9))
    assert verdict.kind == "crm"
    assert [(each.entity, each.state) for each in verdicts.verdicts()] == [
        ("", "green"),
        ("account", "green"),
        ("contact", "green"),
        ("owner", "green"),
    ]


def test_never_loaded_is_red_with_the_command(raw: str) -> None:
    store(record("1"), entity="account")
    verdict = verdicts.publish("crm", ENTITIES)
    assert verdict.state == "red"
    assert verdict.reason == "contact was never completely read"
    assert "ingest crm --only contact" in verdict.cure
    assert verdict.watermark is None


def test_first_load_in_progress_is_red_with_its_progress(raw: str) -> None:
    store(record("1"), entity="account")
    land(record("1"), record("2"), entity="contact", is_last=False)
    assert verdicts.publish("crm", ENTITIES).reason == "contact was never completely read, 2 rows so far"


def test_held_batch_is_red_until_decided(raw: str) -> None:
    fully_read()
    batch = land(record("1", 9))
    judge(batch)
    hold(batch.batch_id)
    verdict = verdicts.publish("crm", ENTITIES)
    assert verdict.state == "red"
    assert verdict.reason == f"account batch {batch.batch_id} is held: too many bad rows"
    for decision in ("accept", "drop"):
        assert f'`batch {decision} {batch.batch_id} --reason "…"`' in verdict.cure
    assert f"batch accept {batch.batch_id}" in verdict.cure
    held_batches.accept(batch.batch_id, reason="checked", by="ada")
    merge.merge("crm")
    assert verdicts.publish("crm", ENTITIES).state == "green"


def test_failed_read_is_red_with_reason_and_cure_until_it_succeeds(raw: str, at) -> None:
    fully_read()
    for minutes in (15, 30):
        at(START + timedelta(minutes=minutes))
        with pytest.raises(AuthError), source_failures.recorded("crm", "extract", entity="contact"):
            raise AuthError("the token was refused", cure="renew it")
    verdict = verdicts.publish("crm", ENTITIES)
    assert verdict.state == "red"
    assert (
        verdict.reason == "contact extract has been failing since 2026-01-01 00:15 UTC (2 times): the token was refused"
    )
    assert verdict.cure == "renew it"
    with source_failures.recorded("crm", "extract", entity="account"):
        pass
    assert verdicts.publish("crm", ENTITIES).state == "red"
    with source_failures.recorded("crm", "extract", entity="contact"):
        pass
    assert verdicts.publish("crm", ENTITIES).state == "green"


def test_source_failure_is_red(raw: str) -> None:
    fully_read()
    with pytest.raises(Unavailable), source_failures.recorded("crm", "merge"):
        raise Unavailable("no answer", cure="wait")
    verdict = verdicts.publish("crm", ENTITIES)
    assert (verdict.state, verdict.cure) == ("red", "wait")
    assert "merge has been failing" in verdict.reason


def test_unexpected_error_is_recorded_without_its_text(raw: str) -> None:
    with pytest.raises(KeyError), source_failures.recorded("crm", "extract", entity="contact"):
        raise KeyError("token=secret")
    assert "secret" not in str(rows("select * from meta.source_failure"))
    assert value("select reason from meta.source_failure").startswith("unexpected KeyError in tests/gate/")


def test_warehouse_failure_shows_its_own_error(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", "postgresql+psycopg://me:secret@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="the first"), source_failures.recorded("crm", "extract"):
        raise Unavailable("the first")


def test_verdict_becomes_stale_without_a_run(raw: str, at) -> None:
    """A source becomes stale without any run, since missing runs are the cause."""
    fully_read()
    at(START + timedelta(minutes=180))
    assert verdicts.verdicts()[0].state == "green"
    at(START + timedelta(minutes=181))
    verdict = verdicts.verdicts()[0]
    assert (verdict.state, verdict.since) == ("stale", START + timedelta(minutes=180))
    assert "2026-01-01 00:00 UTC" in verdict.reason
    assert verdicts.publish("crm", ENTITIES).state == "stale"


def test_since_stays_while_the_state_stays(raw: str, at) -> None:
    fully_read()
    at(START + timedelta(minutes=30))
    assert verdicts.publish("crm", ENTITIES).since == START
    with pytest.raises(Unavailable), source_failures.recorded("crm", "merge"):
        raise Unavailable("no answer")
    assert verdicts.publish("crm", ENTITIES).since == START + timedelta(minutes=30)


def test_removed_entity_has_no_verdict(raw: str) -> None:
    fully_read()
    verdicts.publish("crm", ("account",))
    assert [each.entity for each in verdicts.verdicts()] == ["", "account"]


def test_unlisted_source_is_an_error(raw: str) -> None:
    with pytest.raises(ConfigError, match="unknown source salesforce"):
        verdicts.publish("salesforce", ENTITIES)


def test_sources_ready_names_unready_sources(raw: str, at) -> None:
    assert verdicts.sources_ready(["crm"], "renewal_alert", START) == ["crm was never read"]
    fully_read()
    assert verdicts.sources_ready(["crm"], "renewal_alert", START) == ["crm has not been built yet"]
    built({"crm": START})
    assert verdicts.sources_ready(["crm"], "renewal_alert", START) == []
    assert verdicts.sources_ready(["crm", "support"], "renewal_alert", START) == ["support was never read"]
    assert verdicts.sources_ready(["weather"], "renewal_alert", START) == ["weather is not a source in the settings"]
    # Late concerns the source's owner; too old for its readers is a separate limit.
    later = START + timedelta(hours=4)
    at(later)
    assert next(each for each in verdicts.verdicts() if not each.entity).state == "stale"
    assert verdicts.sources_ready(["crm"], "renewal_alert", later) == []
    (old,) = verdicts.sources_ready(["crm"], "renewal_alert", START + timedelta(hours=37))
    assert old.startswith("crm was last completely read at 1 Jan 2026 00:00 UTC, longer ago than the 36 hours")


def built(watermarks: dict) -> None:
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text(
                "insert into meta.build (build_id, kind, state, window_start, window_end, newest_day, first_day,"
                " trigger, known_at, started_at, watermarks) values (:id, 'forward', 'done', '2026-01-01',"
                " '2026-01-02', '2026-01-01', '2026-01-01', 'day', :now, now(), cast(:watermarks as jsonb))"
            ),
            {"id": str(watermarks), "now": START, "watermarks": json.dumps(watermarks, default=str)},
        )


def test_tables_behind_the_read_data_hold(raw: str) -> None:
    fully_read()
    built({"crm": START - timedelta(hours=40)})
    assert verdicts.sources_ready(["crm"], "renewal_alert", START) == [
        "crm has only been built up to 30 Dec 2025 08:00 UTC"
    ]


def test_sources_ready_accepts_source_kinds(raw: str) -> None:
    """Lineage knows kinds; `product` is the kind of the source product_db."""
    assert verdicts.sources_ready(["product"], "renewal_alert", START) == ["product_db was never read"]


def test_action_can_require_fresher_data_than_its_source(
    raw: str, at, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = tmp_path / "overlay" / "config"
    overlay.mkdir(parents=True)
    (overlay / "settings.yaml").write_text("oldest_data_hours: {default: 36, urgent: 1}\n")
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(overlay.parent))
    fully_read()
    later = START + timedelta(hours=2)
    built({"crm": START})
    assert verdicts.sources_ready(["crm"], "renewal_alert", later) == []
    (old,) = verdicts.sources_ready(["crm"], "urgent", later)
    assert "longer ago than the 1 hours" in old


# --- accounts


def quarantine(entity: str, source: str, account_ref: str, state: str = "open") -> None:
    with engine("loader").begin() as connection:
        connection.execute(
            sa.text(
                "insert into quarantine.record (batch_id, row_no, source, entity, record_id, account_ref, rule_id,"
                " reason, state) select 1, count(*), :source, :entity, '1', :ref, 'r', 'bad', :state"
                " from quarantine.record"
            ),
            {"source": source, "entity": entity, "ref": account_ref, "state": state},
        )


def test_account_with_a_quarantined_row_is_not_clean(raw: str) -> None:
    quarantine("contract_line", "crm", "7")
    assert "crm:7" in verdicts.quarantined(["crm"])
    assert "crm:8" not in verdicts.quarantined(["crm"])
    assert "crm:7" not in verdicts.quarantined(["support"])


def test_fixed_row_does_not_count(raw: str) -> None:
    quarantine("contract_line", "crm", "7", state="resolved")
    assert "crm:7" not in verdicts.quarantined(["crm"])


def test_row_of_a_merged_account_counts_for_its_survivor(raw: str) -> None:
    store(record("7", 1), record("8", 1, merged_ids="7"))
    quarantine("contract_line", "crm", "7")
    assert "crm:8" in verdicts.quarantined(["crm"])


@pytest.mark.parametrize(
    ("source", "vendor", "entity", "column", "child"),
    [
        ("support", "zendesk", "organization", "external_id", "ticket"),
        ("product_db", "product", "product_account", "crm_account_id", "usage_day"),
    ],
)
def test_support_and_product_rows_resolve_to_their_account(raw, source, vendor, entity, column, child) -> None:
    store(record("org-5", 1, **{column: "7"}), source=source, vendor=vendor, entity=entity)
    quarantine(child, source, "org-5")
    assert "crm:7" in verdicts.quarantined([source])
    assert "crm:8" not in verdicts.quarantined([source])
    assert "crm:7" not in verdicts.quarantined(["crm"])


def test_id_can_name_its_crm(raw: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [{"id": one, "kind": "crm"} for one in ("crm", "crm_eu")] + [{"id": "support", "kind": "support"}]
    owner = {"name": "A", "email": "a@vendor.example"}
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.yaml").write_text(
        json.dumps({"sources": [one | {"owner": owner} for one in sources]})
    )
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    for number, external_id in ((5, "crm_eu:7"), (6, "8")):
        row = record(f"org-{number}", 1, external_id=external_id)
        store(row, source="support", vendor="zendesk", entity="organization")
        quarantine("ticket", "support", f"org-{number}")
    # The second has no source and may belong to either CRM: both are held until the bridge resolves it.
    assert set(verdicts.quarantined(["support"])) == {"crm_eu:7", "crm:8", "crm_eu:8"}


def test_account_bridge_is_used_if_it_exists(raw: str) -> None:
    with engine("builder").begin() as connection:
        connection.execute(
            sa.text("create table core.account_bridge as select 'support' source, 'o1' source_id, 'crm:9' account_key")
        )
    quarantine("ticket", "support", "o1")
    assert "crm:9" in verdicts.quarantined(["support"])


def test_row_in_or_behind_a_held_batch_makes_its_account_unclean(raw: str) -> None:
    first = land(record("1", 1, account_id="7"), entity="contact")
    behind = land(record("2", 1, account_id="8"), entity="contact")
    elsewhere = land(record("9", 1))
    for batch in (first, behind, elsewhere):
        judge(batch)
    assert "crm:7" not in verdicts.quarantined(["crm"])
    hold(first.batch_id)
    assert set(verdicts.quarantined(["crm"])) == {"crm:7", "crm:8"}
    assert verdicts.quarantined(["crm"])["crm:7"] == (
        f"a record of crm.contact is in batch {first.batch_id}, which is held",
    )


def test_bad_row_without_an_account_counts_for_its_stored_account(raw: str) -> None:
    store(record("1", 1, account_id="7"), entity="contract_line")
    quarantine("contract_line", "crm", "")
    assert verdicts.quarantined(["crm"]) == {"crm:7": ("a record of crm.contract_line is quarantined by r",)}


def test_bad_row_naming_another_account_counts_for_both(raw: str) -> None:
    store(record("1", 1, account_id="7"), entity="contract_line")
    quarantine("contract_line", "crm", "8")
    assert set(verdicts.quarantined(["crm"])) == {"crm:7", "crm:8"}


def test_same_id_of_another_source_or_entity_is_another_record(raw: str) -> None:
    store(record("1", 1, account_id="7"), entity="contact")
    store(record("1", 1, account_id="9"), entity="contract_line", source="crm_of_a_subsidiary")
    quarantine("contract_line", "crm", "")
    assert verdicts.quarantined(["crm"]) == {}


def test_held_row_without_an_account_counts_for_its_stored_account(raw: str) -> None:
    store(record("1", 1, account_id="7"), entity="contact")
    batch = land(record("1", 2, account_id=None), entity="contact")
    judge(batch)
    hold(batch.batch_id)
    assert verdicts.quarantined(["crm"]) == {
        "crm:7": (f"a record of crm.contact is in batch {batch.batch_id}, which is held",)
    }
