"""A HubSpot portal over a fake transport, and a loader's copy of it."""

from __future__ import annotations

import orjson

from include.common.connections import make
from include.config import load
from include.connectors.base import Page, Position
from include.connectors.crm.hubspot import HubSpot
from include.connectors.positions import moment
from tests.fixtures.fake_hubspot import FakeHubSpot
from tests.fixtures.fake_vendor import wire

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
    """Merge records as the loader does: the newer version of an id wins."""
    for page in pages:
        for record in page.records:
            known = rows.get(record.id)
            if known is None or known.source_at <= record.source_at:
                rows[record.id] = record


def live(rows: dict) -> dict[str, str | None]:
    return {one: record.values.get("name") for one, record in rows.items() if not record.is_deleted}
