"""A read ends no later than the vendor's own clock."""

from __future__ import annotations

from datetime import timedelta

from tests.connectors.support.zendesk.test_zendesk import MINUTE, connect, now
from tests.fixtures.fake_vendor import Request
from tests.fixtures.fake_zendesk import FakeZendesk


def test_vendor_clock_behind_ours_loses_nothing() -> None:
    desk = FakeZendesk()
    source = connect(desk)

    def late(request: Request) -> None:
        source._api.client.skew_seconds = -7200

    desk.before = late
    ours = now(desk) + timedelta(hours=2)
    last = list(source.read("organization", position=None, until=ours))[-1]
    assert last.next_position is not None
    assert last.next_position["at"] <= (desk.now - MINUTE) * 1000
