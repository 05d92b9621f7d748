"""HubSpot records over a fake transport: merges, associations, owners, positions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.common.errors import ConfigError, Unavailable
from include.connectors.base import Record
from include.connectors.crm.hubspot.api import associated_id
from include.connectors.crm.hubspot.records import records as made_of
from include.connectors.positions import moment
from tests.connectors.crm.hubspot.portal import LAG, MINUTE, connect, land, live, pull
from tests.fixtures.fake_hubspot import FakeHubSpot, iso
from tests.fixtures.fake_vendor import Request


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


@pytest.mark.parametrize(
    ("shown", "to", "one"),
    [
        ({}, "companies", ""),
        ({"line items": {"results": [{"id": "5", "type": "x"}]}}, "line_items", None),
        ({"deals": {"results": [{"id": "5", "type": "x"}]}}, "subscriptions", None),
        ({"deals": {"results": [{"id": "5", "type": "x"}]}}, "deals", "5"),
    ],
)
def test_omitted_association_is_none_only_for_objects_keyed_by_name(shown: dict, to: str, one: str | None) -> None:
    assert associated_id({"id": "1", "associations": shown}, to) == one


def test_record_moved_between_pages_comes_once_in_its_latest_version() -> None:
    portal = FakeHubSpot()
    portal.put("contacts", 9, email="a@b.c")
    source = connect(portal)
    part, mapper = source._objects("contact")["contacts"], source._prepare("contact", "contacts")[1]
    rows = [{"id": "9", "properties": {"email": email}} for email in ("old@b.c", "new@b.c")]
    made = made_of(part, mapper, rows, lambda near, far, ids: dict.fromkeys(ids, "20"))
    assert [(record.values["email"], record.values["account_id"]) for record in made] == [("new@b.c", "20")]


def test_case_15_failed_part_of_a_response_is_retried() -> None:
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
    records = _found(portal, "contact")
    assert [record.values["account_id"] for record in records] == ["20", "13", None]
    asked = [request.json["inputs"] for request in portal.seen if "associations" in request.path]
    assert asked == [[{"id": "1"}, {"id": "2"}, {"id": "3"}], [{"id": "2"}], [{"id": "2", "after": "2"}]]


def _found(portal: FakeHubSpot, entity: str) -> list[Record]:
    """Return the records found by a search, which returns no associations."""
    empty = FakeHubSpot(now=portal.now - LAG - MINUTE)
    position = pull(connect(empty), entity, empty)[-1].next_position
    portal.now += LAG + MINUTE
    return [record for page in pull(connect(portal), entity, portal, position) for record in page.records]


def test_persistently_failing_associations_end_in_an_error() -> None:
    portal = FakeHubSpot()
    portal.put("contacts", 1, email="a@b.c")

    def fail(request) -> None:
        if "associations" in request.path:
            portal.association_errors.append({"category": "INTERNAL", "context": {"fromObjectId": ["1"]}})

    portal.before = fail
    with pytest.raises(Unavailable, match="failed to return the companies of 1 contacts, such as 1"):
        _found(portal, "contact")


def test_line_gets_its_account_from_its_deal() -> None:
    portal = FakeHubSpot()
    portal.put(
        "line_items",
        1,
        name="Seats",
        recurringbillingfrequency="annually",
        hs_recurring_billing_start_date="2025-01-15",
        hs_recurring_billing_end_date="2026-01-15",
        hs_recurring_billing_period="P12M",
    )
    portal.put("line_items", 2, name="Setup", recurringbillingfrequency="")
    portal.links["line_items", "deals"] = {1: [{"toObjectId": 50}], 2: [{"toObjectId": 51}]}
    portal.links["deals", "companies"] = {50: [{"toObjectId": 900}]}
    one, two = pull(connect(portal), "contract_line", portal)[0].records
    assert (one.values["opportunity_id"], one.values["account_id"]) == ("50", "900")
    assert (two.values["opportunity_id"], two.values["account_id"]) == ("51", None)
    assert (one.values["is_recurring"], two.values["is_recurring"]) == (True, False)
    assert (one.values["term_start"], one.values["term_end"]) == (date(2025, 1, 15), date(2026, 1, 15))
    assert (one.values["amount_per"], one.values["billing_frequency"]) == ("period", "annually")
    assert one.values["term_months"] == 12


def test_deal_with_only_contacts_belongs_to_their_company() -> None:
    portal = FakeHubSpot()
    portal.put("deals", 50, dealname="Renewal")
    portal.put("line_items", 1, name="Seats", recurringbillingfrequency="annually")
    portal.links["line_items", "deals"] = {1: [{"toObjectId": 50}]}
    portal.links["deals", "contacts"] = {50: [{"toObjectId": 7}]}
    portal.links["contacts", "companies"] = {7: [{"toObjectId": 900}]}
    deal = pull(connect(portal), "opportunity", portal)[0].records[0]
    line = pull(connect(portal), "contract_line", portal)[0].records[0]
    assert (deal.values["account_id"], line.values["account_id"]) == ("900", "900")


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
    portal.put("contacts", 1, email="a@b.c", hs_buying_role="END_USER;BLOCKER;INTERN", salary="secret")
    record = pull(connect(portal), "contact", portal)[0].records[0]
    assert "salary" not in record.payload
    assert record.values["role"] == "user;veto;INTERN"


def test_mapped_property_missing_in_the_portal_is_reported_with_its_line(
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


def test_position_of_a_newer_version_is_rejected() -> None:
    portal = FakeHubSpot()
    with pytest.raises(ConfigError, match="version 3"):
        pull(connect(portal), "account", portal, {"v": 3, "phase": "done", "at": 1})


@pytest.mark.parametrize("is_known", [True, False])
def test_a_vendor_clock_behind_ours_loses_nothing(is_known: bool) -> None:
    """By hours too, as where this machine's clock shows local time: each run learns it from its first answer only."""
    portal = FakeHubSpot()
    source = connect(portal)
    position = pull(source, "account", portal)[-1].next_position
    # HubSpot says that it is two hours earlier than we think; it stamps by its own clock.
    ours = moment(portal.now) + timedelta(hours=2)

    def late(request: Request | None = None) -> None:
        source._api.client.skew_seconds = -7200

    if is_known:
        late()
    portal.before = late
    last = list(source.read("account", position=position, until=ours))[-1]
    portal.put("companies", 1, name="stamped by a late clock")
    assert last.next_position["at"] <= portal.now - LAG
    assert last.read_until == moment(last.next_position["at"])


@settings(max_examples=60)
@given(data=st.data())
def test_rows_equal_the_source_once_quiet(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Random edits, creations, archivals and kills with a lagging index: finally all rows equal the source."""
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        patch.setattr("include.connectors.crm.hubspot.api.SEARCH_PAGE", 3)
        patch.setattr("include.connectors.crm.hubspot.api.LIST_PAGE", 3)
        portal = FakeHubSpot(lag=data.draw(st.sampled_from([0, MINUTE, 10 * MINUTE]), "lag"))
        for one in range(1, data.draw(st.integers(0, 14), "objects") + 1):
            portal.put("companies", one, at=portal.now - data.draw(st.integers(0, 3), "age"), name="first")
        steps = iter(data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 18)), max_size=40), "edits"))

        def change_at_random(request) -> BaseException | None:
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
        portal.before = change_at_random
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


def test_source_does_not_read_the_clock() -> None:
    """The source reads no clock; the run passes the time."""
    portal = FakeHubSpot(now=int(datetime(2031, 1, 1, tzinfo=UTC).timestamp() * 1000))
    assert pull(connect(portal), "account", portal)[-1].read_until == datetime(2030, 12, 31, 23, 55, tzinfo=UTC)
