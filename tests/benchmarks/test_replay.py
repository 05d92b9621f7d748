"""Replayed responses look like the vendor's own with more rows: none missing, none duplicated, unique ids."""

from __future__ import annotations

import orjson

from benchmarks.replay import FIRST_ID, Rows, Vendors

CONTACT = {"id": "51", "properties": {"email": "a51@b.example", "hs_object_id": "51", "amount": "51"}, "n": 51}


def test_pages_contain_every_row_once_with_a_unique_id() -> None:
    rows = Rows([CONTACT, CONTACT | {"id": "52", "properties": {"hs_object_id": "52"}}], 5)
    first, end = rows.page(0, 3)
    second, last = rows.page(end, 3)
    found = orjson.loads(first) + orjson.loads(second)
    assert last == 5
    assert [row["id"] for row in found] == [str(FIRST_ID + number) for number in range(5)]
    assert [row["properties"]["hs_object_id"] for row in found] == [row["id"] for row in found]
    assert found[0]["properties"]["email"] == "a51@b.example"
    assert [rows.original(int(row["id"])) for row in found] == [0, 0, 0, 1, 1]


def test_list_ends_with_the_last_row() -> None:
    vendors = Vendors("http://nowhere", {"contacts": 150})
    vendors._rows["hubspot", "contacts"] = Rows([CONTACT], 150)
    _, first = vendors.answer("GET", "/hubspot/crm/v3/objects/contacts?limit=100", "", b"")
    after = orjson.loads(first)["paging"]["next"]["after"]
    _, second = vendors.answer("GET", f"/hubspot/crm/v3/objects/contacts?limit=100&after={after}", "", b"")
    assert len(orjson.loads(first)["results"]) == 100
    assert len(orjson.loads(second)["results"]) == 50
    assert "paging" not in orjson.loads(second)
