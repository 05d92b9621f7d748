"""HubSpot as a source, over a fake transport: nothing lost, nothing stale, whatever changes meanwhile."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.config import load
from include.connections import make
from include.errors import ConfigError, Unavailable
from include.sources.base import Page, Position
from include.sources.crm.hubspot import HubSpot
from include.sources.positions import moment
from tests.sources.fake import wire
from tests.sources.fake_hubspot import PROPERTIES, FakeHubSpot, iso

MINUTE = 60_000
LAG = 5 * MINUTE


def connect(portal: FakeHubSpot) -> HubSpot:
    source = HubSpot(make("crm", conn_type="hubspot", host="https://api.example", password="t0ken"), load())
    wire(source._api.client, portal)
    return source


def pull(source: HubSpot, entity: str, portal: FakeHubSpot, position: Position | None = None, **options) -> list[Page]:
    pages = list(source.read(entity, position=position, until=moment(portal.now), **options))
    for page in pages:
        assert orjson.loads(orjson.dumps(page.mark)) == page.mark
    assert all(page.next_position is None for page in pages[:-1])
    assert pages[-1].next_position is not None
    return pages


def land(rows: dict, pages: list[Page]) -> None:
    """Do what the loader does: the newer version of an id wins."""
    for page in pages:
        for record in page.records:
            known = rows.get(record.id)
            if known is None or known.source_at <= record.source_at:
                rows[record.id] = record


def live(rows: dict) -> dict[str, str | None]:
    return {one: record.values.get("name") for one, record in rows.items() if not record.is_deleted}


def test_a_first_load_reads_all_pages_and_the_archived() -> None:
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


def test_case_01_and_02_ten_thousand_rows_of_one_millisecond() -> None:
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


def test_case_03_no_row_is_landed_twice_in_one_quiet_read() -> None:
    portal = FakeHubSpot()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    for one in range(1, 1001):
        portal.put("companies", one, at=portal.now + one // 150, name=str(one))
    portal.now += LAG + MINUTE
    ids = [record.id for page in pull(source, "account", portal, position) for record in page.records]
    assert len(ids) == len(set(ids)) == 1000


def test_case_04_a_row_that_the_index_shows_late_is_caught_by_the_next_read() -> None:
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


def test_case_05_an_edit_while_paging_is_read_next_time() -> None:
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


def test_case_06_many_properties_do_not_go_into_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_case_11_an_archived_row_is_noticed_and_a_restored_one_comes_back() -> None:
    portal = FakeHubSpot()
    portal.put("companies", 1, name="a")
    portal.put("companies", 2, name="b")
    source = connect(portal)
    rows: dict = {}
    pages = pull(source, "account", portal)
    land(rows, pages)
    portal.now += MINUTE
    portal.archive("companies", 2)
    portal.now += MINUTE
    pages = pull(source, "account", portal, pages[-1].next_position)
    land(rows, pages)
    assert rows["2"].is_deleted
    portal.now += MINUTE
    portal.objects["companies"][2]["archived"] = None
    portal.put("companies", 2, name="b again")
    portal.now += LAG + MINUTE
    land(rows, pull(source, "account", portal, pages[-1].next_position))
    assert live(rows) == {"1": "a", "2": "b again"}


def test_what_was_archived_long_ago_is_not_landed_again() -> None:
    portal = FakeHubSpot()
    portal.put("companies", 1, name="a")
    portal.archive("companies", 1)
    source = connect(portal)
    pages = pull(source, "account", portal)
    for _ in range(3):
        portal.now += 120 * MINUTE
        pages = pull(source, "account", portal, pages[-1].next_position)
    assert [record for page in pages for record in page.records] == []


def test_a_long_archive_is_walked_seldom_and_still_misses_nothing() -> None:
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


def test_case_12_merged_records_become_tombstones() -> None:
    portal = FakeHubSpot()
    portal.put("companies", 5, name="a", hs_merged_object_ids="3;4")
    portal.put("contacts", 9, email="a@b.c", hs_merged_object_ids="7", hs_calculated_merged_vids="7:1;8:1650000000000")
    records = pull(connect(portal), "account", portal)[0].records
    assert [(record.id, record.is_deleted) for record in records] == [("5", False), ("3", True), ("4", True)]
    assert records[0].values["merged_ids"] == "3;4"
    assert records[1].payload == {"merged_into": "5"}
    records = pull(connect(portal), "contact", portal)[0].records
    assert [record.id for record in records if record.is_deleted] == ["7", "8"]


def test_case_15_a_partial_answer_is_asked_again_for_what_failed() -> None:
    portal = FakeHubSpot()
    for one in (1, 2, 3):
        portal.put("contacts", one, email=f"{one}@x.y")
    portal.links["contacts", "companies"] = {
        1: [{"toObjectId": 30, "associationTypes": []}, {"toObjectId": "20", "associationTypes": []}],
        2: [
            {"toObjectId": 11, "associationTypes": [{"typeId": 279, "label": None}]},
            {"toObjectId": 12, "associationTypes": [{"typeId": 279, "label": None}]},
            {"toObjectId": 13, "associationTypes": [{"typeId": 1, "label": "Primary"}]},
        ],
    }
    failure = {"category": "INTERNAL_ERROR", "message": "try again", "context": {"fromObjectId": ["2"]}}
    portal.association_errors.append(failure)
    records = pull(connect(portal), "contact", portal)[0].records
    assert [record.values["account_id"] for record in records] == ["20", "13", None]
    asked = [request.json["inputs"] for request in portal.seen if "associations" in request.path]
    assert asked == [[{"id": "1"}, {"id": "2"}, {"id": "3"}], [{"id": "2"}], [{"id": "2", "after": "2"}]]


def test_associations_that_keep_failing_end_in_an_error() -> None:
    portal = FakeHubSpot()
    portal.put("contacts", 1, email="a@b.c")

    def fail(request) -> None:
        if "associations" in request.path:
            portal.association_errors.append({"category": "INTERNAL", "context": {"fromObjectId": ["1"]}})

    portal.before = fail
    with pytest.raises(Unavailable, match="does not tell the companies of 1 contacts, such as 1"):
        pull(connect(portal), "contact", portal)


def test_a_line_finds_its_account_through_its_deal() -> None:
    portal = FakeHubSpot()
    portal.put(
        "line_items",
        1,
        name="Seats",
        recurringbillingfrequency="annually",
        hs_recurring_billing_start_date="2025-01-15",
        hs_recurring_billing_end_date="2025-12-31",
    )
    portal.put("line_items", 2, name="Setup", recurringbillingfrequency="")
    portal.links["line_items", "deals"] = {1: [{"toObjectId": 50}], 2: [{"toObjectId": 51}]}
    portal.links["deals", "companies"] = {50: [{"toObjectId": 900}]}
    one, two = pull(connect(portal), "contract_line", portal)[0].records
    assert (one.values["opportunity_id"], one.values["account_id"]) == ("50", "900")
    assert (two.values["opportunity_id"], two.values["account_id"]) == ("51", None)
    assert (one.values["is_recurring"], two.values["is_recurring"]) == (True, False)
    # The last day of the term becomes the first day after it.
    assert (one.values["term_start"], one.values["term_end"]) == (date(2025, 1, 15), date(2026, 1, 1))


def test_case_17_deactivated_owners_are_read_too() -> None:
    portal = FakeHubSpot()
    portal.owners = [
        {
            "id": "1",
            "email": "a@b.c",
            "firstName": "Ada",
            "lastName": "L",
            "type": "PERSON",
            "userId": 5,
            "archived": False,
        }
        | {"teams": [{"name": "Second"}, {"name": "First", "primary": True}], "updatedAt": iso(portal.now)},
        {"id": "2", "email": "", "firstName": "", "type": "PERSON", "userIdIncludingInactive": 6, "archived": True},
    ]
    records = [record for page in pull(connect(portal), "owner", portal) for record in page.records]
    assert [record.values["is_active"] for record in records] == [True, False]
    assert [record.values["team"] for record in records] == ["First", None]
    assert [record.values["user_id"] for record in records] == ["5", "6"]
    assert not any(record.is_deleted for record in records)


def test_only_mapped_fields_are_kept() -> None:
    portal = FakeHubSpot()
    portal.put("contacts", 1, email="a@b.c", hs_buying_role="END_USER;BLOCKER;OTHER", salary="secret")
    record = pull(connect(portal), "contact", portal)[0].records[0]
    assert "salary" not in record.payload
    assert record.values["role"] == "user;veto;OTHER"


def test_a_mapped_property_that_the_portal_lacks_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "config" / "mappings").mkdir(parents=True)
    file = tmp_path / "config" / "mappings" / "hubspot.yaml"
    file.write_text("entities:\n  account:\n    columns:\n      name: name\n      tier: custommer_tier\n")
    portal = FakeHubSpot()
    with pytest.raises(ConfigError, match=r"hubspot.yaml:5: .*no property custommer_tier.*did you mean customer_tier"):
        pull(connect(portal), "account", portal)
    with pytest.raises(ConfigError, match="has no entity contact"):
        pull(connect(portal), "contact", portal)


def test_a_position_of_a_newer_version_is_refused() -> None:
    portal = FakeHubSpot()
    with pytest.raises(ConfigError, match="version 3"):
        pull(connect(portal), "account", portal, {"v": 3, "phase": "done", "at": 1})


def test_a_vendor_clock_behind_ours_loses_nothing() -> None:
    portal = FakeHubSpot()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    # HubSpot says that it is ten minutes earlier than we think; it stamps by its own clock.
    ours = moment(portal.now) + timedelta(minutes=10)
    source._api.client.skew_seconds = -600
    position = list(source.read("account", position=position, until=ours))[-1].next_position
    portal.put("companies", 1, name="stamped by a late clock")
    assert position["at"] <= portal.now - LAG


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_once_quiet_the_rows_equal_the_source(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Edits, creations, archives and kills at any request, with an index that lags: in the end nothing differs."""
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        patch.setattr("include.sources.crm.hubspot.api.SEARCH_PAGE", 3)
        patch.setattr("include.sources.crm.hubspot.api.LIST_PAGE", 3)
        portal = FakeHubSpot(lag=data.draw(st.sampled_from([0, MINUTE, 10 * MINUTE]), "lag"))
        for one in range(1, data.draw(st.integers(0, 14), "objects") + 1):
            portal.put("companies", one, at=portal.now - data.draw(st.integers(0, 3), "age"), name="first")
        steps = iter(data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 18)), max_size=40), "edits"))

        def live_on(request) -> BaseException | None:
            portal.now += 20_000
            action, one = next(steps, (9, 0))
            if action < 4:
                row = portal.objects["companies"].get(one)
                if not (row and row["archived"]):
                    portal.put("companies", one, name=f"at {portal.now}")
            elif (
                action == 4 and one in portal.objects["companies"] and not portal.objects["companies"][one]["archived"]
            ):
                portal.archive("companies", one)
            return KeyboardInterrupt() if action == 5 else None

        source, rows, position, mark = connect(portal), {}, None, None
        portal.before = live_on
        for _ in range(8):
            portal.now += 5 * MINUTE
            try:
                for page in source.read("account", position=position, mark=mark, until=moment(portal.now)):
                    land(rows, [page])
                    mark, position = (None, page.next_position) if page.next_position else (page.mark, position)
            except KeyboardInterrupt:
                pass
        portal.before = lambda request: None
        for _ in range(3):
            portal.now += 11 * MINUTE
            pages = list(source.read("account", position=position, mark=mark, until=moment(portal.now)))
            land(rows, pages)
            position, mark = pages[-1].next_position, None
        assert live(rows) == portal.live("companies")


def test_today_is_not_needed() -> None:
    """The source asks no clock of its own: the run says what time it is."""
    portal = FakeHubSpot(now=int(datetime(2031, 1, 1, tzinfo=UTC).timestamp() * 1000))
    assert pull(connect(portal), "account", portal)[-1].read_until == datetime(2030, 12, 31, 23, 55, tzinfo=UTC)
