"""Reconcile finds records missing on either side, source or warehouse, and fixes them once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from include.cli.main import main
from include.common.errors import ConfigError
from include.connectors.base import Listed
from include.ingest import pipeline, reconcile
from include.operations.privacy import erase
from include.warehouse.engine import engine
from tests.fixtures.fake_source import START, FakeSource, record
from tests.fixtures.landing import rows, value
from tests.fixtures.sandbox import NOW, SandboxProcess

LIVE = "select id from raw.hubspot__account where not _is_deleted order by id"


class Listing(FakeSource):
    """A source that can also count and list its records."""

    tells_counts = True
    tells_ids = True

    def counts(self, entity: str) -> dict[str, int] | None:
        return {"": len(self._live(entity))} if self.tells_counts else None

    def ids(self, entity: str) -> Iterator[list[Listed]] | None:
        return iter([[(one.id, one.source_at)] for one in self._live(entity)] * 2) if self.tells_ids else None

    def _live(self, entity: str) -> list:
        return [one for one in self.records[entity] if not one.is_deleted]


@pytest.fixture
def listing(crm: FakeSource, monkeypatch: pytest.MonkeyPatch) -> Listing:
    source = Listing(dict(crm.records))
    monkeypatch.setattr(pipeline.registry, "connect", lambda connection: source)
    return source


def at(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    monkeypatch.setenv("PERENNIAL_NOW", (START + timedelta(hours=hours)).isoformat())


def account(reports: list[reconcile.Reconciled]) -> reconcile.Reconciled:
    return next(report for report in reports if report.entity == "account")


def test_equal_counts_need_no_full_read(listing: Listing, contracts) -> None:
    found = reconcile.run("crm")
    assert [(each.entity, each.state, each.compared_by, each.n_source, each.n_raw) for each in found] == [
        ("account", "equal", "counts", 5, 5),
        ("contact", "equal", "counts", 1, 1),
    ]
    assert not any(read["full"] for read in listing.reads)
    assert rows("select entity, state, n_source, n_missing, n_gone from meta.reconciliation order by 1") == [
        ("account", "equal", 5, 0, 0),
        ("contact", "equal", 1, 0, 0),
    ]


def test_silently_deleted_record_becomes_a_tombstone(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    listing.records["account"] = [one for one in listing.records["account"] if one.id != "3"]
    at(monkeypatch, 2)
    found = account(reconcile.run("crm"))
    assert (found.state, found.compared_by, found.n_source, found.n_raw) == ("resolved", "ids", 4, 4)
    assert (found.n_missing, found.n_gone, found.note) == (0, 1, "for example 3")
    assert rows(LIVE) == [("0",), ("1",), ("2",), ("4",)]
    assert [read["entity"] for read in listing.reads if read["full"]] == ["account"]
    at(monkeypatch, 3)
    assert account(reconcile.run("crm")).state == "equal"


def test_missed_records_are_read(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    # It is older than the cursor, so no incremental read includes it.
    listing.records["account"].append(record("9", 1))
    at(monkeypatch, 2)
    found = account(reconcile.run("crm"))
    assert (found.state, found.n_missing, found.n_gone, found.n_raw) == ("resolved", 1, 0, 6)
    assert ("9",) in rows(LIVE)


def test_equal_numbers_missing_and_deleted_are_found_by_id(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    listing.tells_counts = False
    listing.records["account"][0] = record("9", 1)
    at(monkeypatch, 2)
    found = account(reconcile.run("crm"))
    assert (found.state, found.n_missing, found.n_gone) == ("resolved", 1, 1)


def test_records_newer_than_the_last_read_are_not_missing(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    listing.tells_counts = False
    listing.records["account"].append(record("9", 90))
    assert account(reconcile.run("crm")).state == "equal"


def test_unread_future_dated_record_is_reported_as_missing(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    listing.tells_counts = False
    listing.records["account"].append(record("9", 600))
    found = account(reconcile.run("crm"))
    assert (found.state, found.n_missing) == ("failed", 1)
    assert "1 are still missing after a full read: for example 9" in found.note


@pytest.mark.parametrize("why", ["dropped", "erased"])
def test_what_stays_out_on_purpose_is_not_missing(listing: Listing, contracts, monkeypatch, why: str) -> None:
    """Else each reconciliation would read everything again, and fail."""
    at(monkeypatch, 1)
    pipeline.run("crm")
    at(monkeypatch, 2)
    if why == "erased":
        erase.account("crm:4", reason="asked", by="dpo")
    else:
        with engine("owner").begin() as connection:
            connection.exec_driver_sql(
                "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason, record,"
                " state, decided_by, source_at) select 1, 1, 'crm', 'account', id, 'r', 'bad', '{}', 'dropped', 'ada',"
                " _source_at from raw.hubspot__account where id = '4'"
            )
            connection.exec_driver_sql("update raw.hubspot__account set _is_deleted = true where id = '4'")
    at(monkeypatch, 3)
    found = account(reconcile.run("crm"))
    assert (found.state, found.n_raw, found.n_missing) == ("equal", 4, 0)
    assert not any(read["full"] for read in listing.reads)
    if why == "dropped":  # a newer version is another matter
        listing.records["account"][4] = record("4", 30)
        assert account(reconcile.run("crm")).state == "resolved"


def test_source_without_listing_gets_a_full_read(crm: FakeSource, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    crm.records["account"] = [*crm.records["account"][1:], record("9", 1)]
    at(monkeypatch, 2)
    found = account(reconcile.run("crm"))
    assert (found.state, found.compared_by, found.n_source) == ("resolved", "full read", 5)
    assert (found.n_missing, found.n_gone) == (1, 1)
    at(monkeypatch, 3)
    again = account(reconcile.run("crm"))
    assert (again.state, again.n_missing, again.n_gone) == ("equal", 0, 0)


def test_mass_difference_is_held_and_nothing_is_marked_deleted(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    listing.records["account"] = listing.records["account"][:1]
    contracts.hold = lambda entity: "an unusually large share of all records was deleted" if entity == "account" else ""
    at(monkeypatch, 2)
    listing.before_page = lambda entity, n: None
    found = account(reconcile.run("crm"))
    assert (found.state, found.n_gone) == ("held", 4)
    assert "batch show" in found.note
    assert len(rows(LIVE)) == 5
    # Held records are not read again before the decision.
    n_reads = sum(read["full"] for read in listing.reads)
    contracts.hold = lambda entity: ""
    assert account(reconcile.run("crm")).state == "held"
    assert sum(read["full"] for read in listing.reads) == n_reads


def test_quarantined_row_is_not_missing(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    with engine("owner").begin() as connection:
        connection.execute(sa.text("delete from raw.hubspot__account where id = '4'"))
        connection.execute(
            sa.text(
                "insert into quarantine.record (batch_id, row_no, source, entity, record_id, rule_id, reason)"
                " values (1, 1, 'crm', 'account', '4', 'x', 'y')"
            )
        )
    for listing.tells_counts in (True, False):
        assert account(reconcile.run("crm")).state == "equal"


def test_failing_entity_does_not_block_other_entities(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    listing.records["contact"] = []

    def fail(entity: str, n: int) -> None:
        if entity == "account":
            raise ConfigError("no such field", cure="fix it")

    listing.before_page = fail
    found = {report.entity: report for report in reconcile.run("crm")}
    assert (found["account"].state, found["account"].note) == ("failed", "no such field; fix it")
    assert (found["contact"].state, found["contact"].n_gone) == ("resolved", 1)


@pytest.mark.parametrize(("days", "is_full"), [(29, False), (31, True)])
def test_full_read_follows_a_gap_beyond_deletion_retention(
    listing: Listing, contracts, monkeypatch, days: int, is_full: bool
) -> None:
    pipeline.run("crm")
    listing.records["account"].pop()
    at(monkeypatch, 1 + 24 * days)
    pipeline.run("crm")
    assert listing.reads[-2]["full"] is is_full
    assert len(rows(LIVE)) == (4 if is_full else 5)


def test_batch_dropped_after_a_long_hold_leads_to_a_full_read(listing: Listing, contracts, monkeypatch) -> None:
    pipeline.run("crm")
    contracts.hold = lambda entity: "odd" if entity == "account" else ""
    listing.records["account"].append(record("7", 90))
    for day in (1, 20, 40):
        at(monkeypatch, 24 * day)
        pipeline.run("crm")
    contracts.hold = lambda entity: ""
    pipeline.drop(value("select min(batch_id) from meta.batch where state = 'held'"), reason="too old")
    listing.records["account"].pop(0)
    pipeline.run("crm")
    assert listing.reads[-2]["full"] is True
    assert rows(LIVE) == [("1",), ("2",), ("3",), ("4",), ("7",)]


def test_unknown_entity_is_reported(listing: Listing) -> None:
    with pytest.raises(ConfigError, match="crm has no entity invoice"):
        reconcile.run("crm", ["invoice"])


def test_reconcile_source_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    assert reconcile.sources_to_reconcile() == ("crm", "support", "product_db")
    assert reconcile.sources_to_reconcile("product") == ("product_db",)
    assert reconcile.sources_to_reconcile(entities=["ticket"]) == ("support",)
    with pytest.raises(ConfigError, match="unknown entity tikcet"):
        reconcile.sources_to_reconcile(entities=["tikcet"])
    with pytest.raises(ConfigError, match="unknown source nowhere"):
        reconcile.sources_to_reconcile("nowhere")


def test_reconcile_every_sandbox_source(sandbox: SandboxProcess, raw: str, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    for source in ("support", "product_db"):
        pipeline.run(source)
    ticket, *_ = sandbox.truth()["ticket"]["live_ids"]
    user = sandbox.truth()["support_user"]["live_ids"][-1]
    member = sandbox.truth()["product_user"]["live_ids"][-1]
    later = datetime.fromisoformat(NOW) + timedelta(hours=1)
    sandbox.now(later.isoformat())
    monkeypatch.setenv("PERENNIAL_NOW", later.isoformat())
    for kind, number in (("ticket", ticket), ("support_user", user), ("member", member)):
        sandbox.mutate(kind, number, op="erase")
    with engine("owner").begin() as connection:
        lost = "select min(id) from raw.product__usage_day where day < '2026-06-01'"
        connection.execute(sa.text(f"delete from raw.product__usage_day where id = ({lost})"))
    assert main(["reconcile", "support"]) == 0
    assert main(["reconcile", "product_db"]) == 0
    found = {
        entity: (state, compared_by, n_missing, n_gone)
        for entity, state, compared_by, n_missing, n_gone in rows(
            "select entity, state, compared_by, n_missing, n_gone from meta.reconciliation"
        )
    }
    assert found["ticket"] == ("resolved", "ids", 0, 1)
    assert found["support_user"] == ("resolved", "ids", 0, 1)
    assert found["organization"] == ("equal", "counts", 0, 0)
    assert found["rating"][0] == "equal"
    assert found["ticket_event"][0] == "resolved" and found["ticket_event"][3] > 0
    assert found["product_user"] == ("resolved", "ids", 0, 1)
    assert found["product_account"] == ("equal", "ids", 0, 0)
    assert found["usage_day"][0] == "resolved" and found["usage_day"][2] >= 1
    assert found["seat_day"] == ("equal", "counts", 0, 0)
    assert "n_missing" in capsys.readouterr().out
    truth = sandbox.truth()
    for entity, table in (("ticket", "zendesk__ticket"), ("ticket_event", "zendesk__ticket_event"),
                          ("support_user", "zendesk__support_user"), ("usage_day", "product__usage_day")):  # fmt: skip
        assert value(f"select count(*) from raw.{table} where not _is_deleted") == truth[entity]["live"], entity


def test_mass_deletion_is_held_by_the_contract(
    sandbox: SandboxProcess, raw: str, tmp_path, monkeypatch, capsys
) -> None:
    """More than 2% of a source at once: nothing is marked as deleted before a person decides (E16)."""
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PERENNIAL_CONFIG_DIR", raising=False)
    pipeline.run("support", only=["organization", "ticket"])
    n_live = value("select count(*) from raw.zendesk__ticket where not _is_deleted")
    for number in sandbox.truth()["ticket"]["live_ids"][:12]:
        sandbox.mutate("ticket", number, op="erase")
    assert main(["reconcile", "support", "--entity", "ticket"]) == 4
    shown = capsys.readouterr()
    assert "held" in shown.out and "batch show" in shown.err
    assert value("select count(*) from raw.zendesk__ticket where not _is_deleted") == n_live
    assert rows("select state, n_gone from meta.reconciliation") == [("held", 12)]
    batch_id = value("select batch_id from meta.batch where state = 'held'")
    pipeline.accept(batch_id, reason="deleted on purpose")
    assert value("select count(*) from raw.zendesk__ticket where not _is_deleted") == n_live - 12
    assert main(["reconcile", "support", "--entity", "ticket"]) == 0
    assert rows("select state, n_gone from meta.reconciliation") == [("equal", 0)]
