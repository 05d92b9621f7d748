"""API calls charged to a portal's quota: no unneeded calls, and full batches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from include.connectors.base import Position
from include.connectors.crm.hubspot import HubSpot
from tests.connectors.crm.hubspot.portal import LAG, MINUTE, connect, pull
from tests.fixtures.fake_hubspot import PROPERTIES, FakeHubSpot

ENTITIES = ("account", "contact", "owner", "opportunity", "contract_line")
OBJECTS = ("companies", "contacts", "deals", "line_items")
PRIMARY = {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"}
PLAIN = {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": None}


def _portal(count: int) -> FakeHubSpot:
    """Return a portal with ``count`` of each object: two lines per deal, every other deal only with a contact."""
    portal = FakeHubSpot()
    for one in range(1, count + 1):
        for kind in OBJECTS:
            portal.put(kind, one)
        portal.links.setdefault(("contacts", "companies"), {})[one] = [_to(one, PRIMARY, PLAIN)]
        near, to = ("companies", PRIMARY | {"typeId": 5}) if one % 2 else ("contacts", {"typeId": 3})
        portal.links.setdefault(("deals", near), {})[one] = [_to(one, to)]
        portal.links.setdefault(("line_items", "deals"), {})[one] = [_to((one + 1) // 2, {"typeId": 20})]
    return portal


def _to(one: int, *types: dict[str, Any]) -> dict[str, Any]:
    return {"toObjectId": one, "associationTypes": list(types)}


def _read(source: HubSpot, portal: FakeHubSpot, ends: dict[str, Position], *entities: str) -> dict[str, dict]:
    """Read entities from their last positions. Return the records' values by entity and id."""
    found: dict[str, dict] = {}
    for entity in entities:
        pages = pull(source, entity, portal, ends.get(entity))
        ends[entity] = pages[-1].next_position or {}
        found[entity] = {record.id: record.values for page in pages for record in page.records}
    return found


def _calls(portal: FakeHubSpot) -> Counter[str]:
    seen = Counter(request.path.removeprefix("/crm/") for request in portal.seen)
    portal.seen.clear()
    return seen


def test_first_load_costs_only_its_pages_with_associations_inline() -> None:
    portal = _portal(1000)
    source = connect(portal)
    found: dict[str, dict] = {}
    # The loader knows earlier reads.
    source.known_accounts = lambda entity, ids: {one: found[entity][one]["account_id"] for one in ids}
    for entity in ENTITIES:
        found |= _read(source, portal, {}, entity)
    # Per object: ten pages, one archived page and the properties. Owners, active and inactive.
    each = {f"v3/objects/{kind}": 11 for kind in OBJECTS} | {f"v3/properties/{kind}": 1 for kind in OBJECTS}
    assert _calls(portal) == Counter(each | {"v3/owners": 2})
    assert all(values["account_id"] == one for one, values in found["contact"].items())
    assert all(values["account_id"] == one for one, values in found["opportunity"].items())
    assert found["contract_line"]["999"]["account_id"] == found["contract_line"]["1000"]["account_id"] == "500"


def test_unknown_associations_are_read_a_thousand_at_a_time() -> None:
    portal = _portal(1000)
    for entity, asked in (
        ("opportunity", {"v4/associations/contacts/companies/batch/read": 1}),
        # The deals of the lines, the contacts of deals without a company, and their companies.
        (
            "contract_line",
            {
                "v4/associations/deals/companies/batch/read": 1,
                "v4/associations/deals/contacts/batch/read": 1,
                "v4/associations/contacts/companies/batch/read": 1,
            },
        ),
    ):
        found = _read(connect(portal), portal, {}, entity)
        calls = _calls(portal)
        assert {path: n for path, n in calls.items() if "associations" in path} == asked
        assert all(values["account_id"] for values in found[entity].values())


def test_quiet_quarter_hour_costs_one_search_per_object() -> None:
    portal = _portal(10)
    ends: dict[str, Position] = {}
    portal.now += 120 * MINUTE
    _read(connect(portal), portal, ends, *ENTITIES)
    _calls(portal)
    searches = Counter({f"v3/objects/{kind}/search": 1 for kind in OBJECTS})
    for _ in range(3):
        portal.now += 15 * MINUTE
        _read(connect(portal), portal, ends, *ENTITIES)
        assert _calls(portal) == searches
    portal.now += 15 * MINUTE
    _read(connect(portal), portal, ends, *ENTITIES)
    assert _calls(portal) == searches + Counter({f"v3/objects/{kind}": 1 for kind in OBJECTS} | {"v3/owners": 2})


@pytest.mark.parametrize(("kind", "entity"), [("contacts", "contact"), ("deals", "opportunity")])
def test_search_result_includes_the_primary_company(kind: str, entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {"contacts": "associatedcompanyid", "deals": "hs_primary_associated_company"}[kind]
    monkeypatch.setitem(PROPERTIES, kind, f"{PROPERTIES[kind]} {name}")
    portal = _portal(1)
    ends: dict[str, Position] = {}
    _read(connect(portal), portal, ends, entity)
    portal.put(kind, 1, None, **{name: "77"})
    portal.put(kind, 2)
    portal.now += LAG + MINUTE
    _calls(portal)
    source = connect(portal)
    source.known_accounts = lambda entity, ids: dict.fromkeys(ids, "stale")  # the entity being read needs no lookup
    found = _read(source, portal, ends, entity)[entity]
    assert (found["1"]["account_id"], found["2"]["account_id"]) == ("77", None)
    calls = _calls(portal)
    assert calls[f"v3/objects/{kind}/search"] == 1
    # Only the deal without a company needs a call.
    assert calls[f"v4/associations/{kind}/companies/batch/read"] == 1


@pytest.mark.parametrize(
    ("to", "company", "n_asked"),
    [
        ([_to(9, PLAIN), _to(30, PRIMARY, PLAIN)], "30", 0),
        ([_to(30, PLAIN), _to(9, PLAIN)], "9", 0),
        ([_to(40, PLAIN), _to(30, PLAIN), _to(9, PRIMARY)], "9", 2),  # more than the list shows: read page by page
        ([_to(30, PRIMARY), _to(9, PRIMARY)], "9", 1),  # a list does not show which one is primary
        ([], None, 0),
    ],
)
def test_list_result_includes_the_company_of_a_contact(to: list[dict], company: str | None, n_asked: int) -> None:
    portal = FakeHubSpot()
    portal.put("contacts", 1)
    portal.links["contacts", "companies"] = {1: to}
    assert _read(connect(portal), portal, {}, "contact")["contact"]["1"]["account_id"] == company
    assert _calls(portal)["v4/associations/contacts/companies/batch/read"] == n_asked


def test_history_costs_one_call_per_page() -> None:
    portal = _portal(120)
    list(connect(portal).history("account"))
    assert _calls(portal) == Counter({"v3/objects/companies": 3})
