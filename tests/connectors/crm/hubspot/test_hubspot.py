"""HubSpot as a source over a fake transport: no lost or stale rows under concurrent changes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from include.connectors.positions import moment
from tests.connectors.crm.hubspot.portal import LAG, MINUTE, connect, land, live, pull
from tests.fixtures.fake_hubspot import PROPERTIES, FakeHubSpot


def test_first_load_reads_all_pages_and_archived_records() -> None:
    portal = FakeHubSpot()
    for one in range(1, 351):
        portal.put("companies", one, name=f"n{one}")
    portal.archive("companies", 7)
    rows: dict = {}
    pages = pull(connect(portal), "account", portal)
    land(rows, pages)
    assert live(rows) == portal.live("companies")
    assert rows["7"].is_deleted
    assert pages[-1].read_until == moment(portal.now - LAG)


def test_case_01_and_02_ten_thousand_rows_in_one_millisecond() -> None:
    portal = FakeHubSpot()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    portal.now += MINUTE
    for one in range(1, 10_002):
        portal.put("companies", one, name=str(one))
    portal.now += LAG + 1
    rows: dict = {}
    land(rows, pull(source, "account", portal, position))
    assert live(rows) == portal.live("companies")
    assert len(rows) == 10_001


def test_case_03_no_row_is_landed_twice_in_a_quiet_read() -> None:
    portal = FakeHubSpot()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    for one in range(1, 1001):
        portal.put("companies", one, at=portal.now + one // 150, name=str(one))
    portal.now += LAG + MINUTE
    ids = [record.id for page in pull(source, "account", portal, position) for record in page.records]
    assert len(ids) == len(set(ids)) == 1000


def test_case_04_late_indexed_row_is_caught_by_the_next_read() -> None:
    portal = FakeHubSpot(lag=20 * MINUTE)
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    portal.put("companies", 1, name="late")
    rows: dict = {}
    for _ in range(3):
        portal.now += 15 * MINUTE
        pages = pull(source, "account", portal, position)
        position = pages[-1].next_position
        land(rows, pages)
    assert live(rows) == {"1": "late"}


def test_case_05_edit_during_paging_is_caught_by_the_next_read() -> None:
    portal = FakeHubSpot()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    for one in range(1, 501):
        portal.put("companies", one, name="old")
    portal.now += LAG + MINUTE

    def edit(request) -> None:
        portal.now += 1000
        if request.path.endswith("search"):
            for one in (1, 250, 500):
                portal.put("companies", one, name="new")

    portal.before = edit
    rows: dict = {}
    pages = pull(source, "account", portal, position)
    land(rows, pages)
    portal.before = lambda request: None
    portal.now += LAG + MINUTE
    land(rows, pull(source, "account", portal, pages[-1].next_position))
    assert live(rows) == portal.live("companies")


def test_case_06_many_properties_stay_out_of_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"custom_property_with_a_rather_long_name_{number}" for number in range(100)]
    monkeypatch.setitem(PROPERTIES, "companies", PROPERTIES["companies"] + " " + " ".join(names))
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config" / "mappings").mkdir(parents=True)
    (tmp_path / "config" / "mappings" / "hubspot.yaml").write_text(
        "entities:\n  account:\n    columns: {name: name}\n    keep: [" + ", ".join(names) + "]\n"
    )
    portal = FakeHubSpot()
    portal.put("companies", 1, name="a", **{names[99]: "x"})
    source = connect(portal)
    record = pull(source, "account", portal)[0].records[0]
    assert record.values["name"] == "a"
    assert record.payload[names[99]] == "x"
    assert max(len(request.url) for request in portal.seen) < 4000
    assert source.entities() == ("account", "owner")


def test_case_08_and_09_cleared_and_broken_values() -> None:
    portal = FakeHubSpot()
    portal.put("deals", 1, dealname="", amount="1,000", notice_period_months=" ", hs_is_closed="true")
    portal.put("deals", 2, dealname="x", amount="1000.50", notice_period_months="3", closedate="2025-03-01T00:00:00Z")
    one, two = pull(connect(portal), "opportunity", portal)[0].records
    assert one.values["name"] is None
    assert one.values["amount"] is None
    assert one.problems == {"amount": "1,000"}
    assert one.payload["amount"] == "1,000"
    assert one.values["notice_months"] is None
    assert one.values["is_closed"] is True
    assert two.values["amount"] == Decimal("1000.50")
    assert two.values["notice_months"] == 3
    assert two.values["close_date"] == date(2025, 3, 1)
    assert two.problems == {}


def test_case_11_archived_row_is_detected_and_restored_row_returns() -> None:
    portal = FakeHubSpot()
    portal.put("companies", 1, name="a")
    portal.put("companies", 2, name="b")
    source = connect(portal)
    rows: dict = {}
    pages = pull(source, "account", portal)
    land(rows, pages)
    portal.now += MINUTE
    portal.archive("companies", 2)
    portal.now += 60 * MINUTE
    pages = pull(source, "account", portal, pages[-1].next_position)
    land(rows, pages)
    assert rows["2"].is_deleted
    portal.now += MINUTE
    portal.objects["companies"][2]["archived"] = None
    portal.put("companies", 2, name="b again")
    portal.now += LAG + MINUTE
    land(rows, pull(source, "account", portal, pages[-1].next_position))
    assert live(rows) == {"1": "a", "2": "b again"}


def test_rows_archived_long_ago_are_not_landed_again() -> None:
    portal = FakeHubSpot()
    portal.put("companies", 1, name="a")
    portal.archive("companies", 1)
    source = connect(portal)
    pages = pull(source, "account", portal)
    for _ in range(3):
        portal.now += 120 * MINUTE
        pages = pull(source, "account", portal, pages[-1].next_position)
    assert [record for page in pages for record in page.records] == []


def test_long_archive_is_scanned_rarely_and_misses_nothing() -> None:
    portal = FakeHubSpot()
    for one in range(1, 1202):
        portal.put("companies", one, name=str(one))
        if one > 1:
            portal.archive("companies", one)
    portal.now += 120 * MINUTE
    source = connect(portal)
    rows: dict = {}
    position = pull(source, "account", portal)[-1].next_position
    portal.now += MINUTE
    portal.archive("companies", 1)
    walks = 0
    for _ in range(26):
        portal.now += 15 * MINUTE
        portal.seen.clear()
        pages = pull(source, "account", portal, position)
        position = pages[-1].next_position
        walks += any(request.params.get("archived") == "true" for request in portal.seen)
        land(rows, pages)
    assert walks == 1
    assert set(rows) == {"1"}
