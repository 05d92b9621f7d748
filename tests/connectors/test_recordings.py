"""Recorded response bodies of the real services: the parsers must accept every one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.common import paths
from include.common.connections import make
from include.config import load
from include.connectors.crm.hubspot import HubSpot
from include.connectors.crm.salesforce import api as salesforce
from include.connectors.crm.salesforce.api import SalesforceApi
from include.connectors.support.zendesk import Zendesk
from include.http import body
from include.http.client import Refused
from tests.fixtures.fake_vendor import Request, wire

RECORDINGS = paths.ROOT.parent / "shared" / "recordings"
UNTIL = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings next to this repository")


def files(pattern: str) -> list[Path]:
    return sorted(RECORDINGS.glob(pattern))


def interactions(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load((RECORDINGS / "hubspot" / name).read_text())["http_interactions"]


@pytest.mark.parametrize("file", files("*/*.json"), ids=lambda file: file.name)
def test_every_recorded_json_body_is_parsed(file: Path) -> None:
    content = file.read_bytes()
    if content.strip():
        assert isinstance(body.parse(content), (dict, list))


@pytest.mark.parametrize("file", files("hubspot/*.yml"), ids=lambda file: file.name)
def test_every_recorded_exchange_is_parsed(file: Path) -> None:
    for interaction in interactions(file.name):
        row = body.parse(interaction["response"]["body"]["string"].encode())
        assert row.get("results") or row["properties"]


@pytest.fixture
def hubspot() -> HubSpot:
    return HubSpot(make("crm", conn_type="hubspot", host="https://api.hubapi.com", password="x"), load())


def test_recorded_owners_become_records(hubspot: HubSpot) -> None:
    response = interactions("owner_all.yml")[0]["response"]
    headers = {name: values[0] for name, values in response["headers"].items()}
    answers = {"false": response["body"]["string"].encode(), "true": b'{"results": []}'}
    wire(hubspot._api.client, lambda request: (200, answers[request.params["archived"]], headers))
    records = [record for page in hubspot.read("owner", position=None, until=UNTIL) for record in page.records]
    assert len(records) == 7
    assert records[0].values["user_id"] == "2506672"
    assert records[0].values["owner_type"] == "PERSON"
    assert records[0].source_at == datetime(2018, 4, 9, 13, 16, 56, 625000, tzinfo=UTC)
    assert all(record.problems == {} for record in records)
    # The recorded response states the portal's limit of ten calls a second.
    assert '"calls":10' in hubspot._api.client.limiter.shared.path.read_text()


def test_recorded_search_is_read_to_its_end(hubspot: HubSpot) -> None:
    answer = interactions("task_search.yml")[0]["response"]["body"]["string"].encode()
    wire(hubspot._api.client, lambda request: (200, answer))
    rows, total = hubspot._api.search("tasks", ["hs_task_subject"], [])
    assert [row["id"] for row in rows] == ["65090432307", "65476695429"]
    assert total == 2


@pytest.mark.parametrize(
    ("file", "name", "entity"),
    [
        ("tickets.json", "tickets", "ticket"),
        ("ticket.json", "tickets", "ticket"),
        ("users.json", "users", "support_user"),
        ("user.json", "users", "support_user"),
        ("organizations.json", "organizations", "organization"),
        ("organization.json", "organizations", "organization"),
    ],
)
def test_recorded_desk_records_become_records(file: str, name: str, entity: str) -> None:
    recorded = body.parse((RECORDINGS / "zendesk" / file).read_bytes())
    rows = recorded.get(name) or [recorded[name.removesuffix("s")]]
    answer = {name: rows, "after_cursor": "x", "end_of_stream": True, "end_time": 1, "next_page": None}
    source = Zendesk(make("support", host="https://d.example", login="a@b.c", password="x"), load())
    wire(source._api.client, lambda request: (200, answer))
    records = [record for page in source.read(entity, position=None, until=UNTIL) for record in page.records]
    assert [record.id for record in records] == [str(row["id"]) for row in rows]
    for record, row in zip(records, rows, strict=True):
        assert record.problems == {}
        assert record.source_at is not None
        assert record.values["created_at"] == datetime.fromisoformat(row["created_at"])
        assert not record.is_deleted


def test_recorded_salesforce_responses_yield_all_rows() -> None:
    def recorded(name: str) -> bytes:
        return (RECORDINGS / "salesforce" / f"{name}_response.json").read_bytes()

    connection = make("crm", conn_type="salesforce", host="https://na1.salesforce.com", login="key", password="secret")
    api = SalesforceApi(salesforce.client(connection, ()))
    sessions = iter([(401, recorded("expired_session"))])

    def answer(request: Request) -> tuple[int, bytes]:
        if request.path.endswith("/token"):
            return 200, recorded("reauth_success")
        if request.path.endswith("/query/01gD"):
            return 200, recorded("query_paginated_last_page")
        if request.params["q"].startswith("SELECT Nothing"):
            return 400, recorded("query_error")
        return next(sessions, (200, recorded("query_paginated_first_page")))

    adapter = wire(api.client, answer)
    labels = [row["Text_Label"] for row in api.everything("SELECT Text_Label FROM Whizbang")]
    assert labels == ["First Page", "Last Page"]
    assert sum(request.path.endswith("/token") for request in adapter.requests) == 2  # the first session had expired
    assert adapter.requests[-1].headers["Authorization"] == "Bearer new_access_token"
    with pytest.raises(Refused, match="INVALID_FIELD error_message"):
        api.query("SELECT Nothing FROM Whizbang")
