"""Ten thousand planned deliveries are sent at the vendors' rate limits, none lost and none duplicated.

Slack's share takes most of it: 4,000 messages at 240 a minute.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest

from include.common.errors import PerennialError
from include.deliver import deliver
from include.outbox import store
from include.warehouse.engine import engine
from tests.deliver.example_messages import action
from tests.fixtures.decision_world import Book
from tests.fixtures.receivers import Receivers
from tests.fixtures.renewal_rows import NOW

SHARES = {"slack": 4000, "email": 3000, "crm_task": 3000}


@pytest.mark.soak
def test_ten_thousand_deliveries_drain(
    live_book: Book, receivers: Receivers, capsys: pytest.CaptureFixture[str]
) -> None:
    actions = [
        action(channel, entity_kind="metric", entity_id=str(number), deadline=None)
        for channel, share in SHARES.items()
        for number in range(share)
    ]
    with engine("builder").begin() as connection:
        assert store.plan(connection, actions, "ten thousand", NOW).planned == 10_000
    # Occasional throttling and lost responses.
    receivers.slack.faults["/chat.postMessage"] = [429 if number % 50 == 0 else "" for number in range(4000)]
    receivers.hubspot.faults["/crm/v3/objects/tasks/batch/upsert"] = [429, "drop", 502]
    began, now = time.monotonic(), NOW
    for _ in range(10):
        now += timedelta(minutes=10)
        live_book.pass_time(now)
        try:
            if deliver.deliver(now=now).n_sent == 0:
                break
        except PerennialError:
            continue
    seconds = time.monotonic() - began
    arrived = Counter(receivers.received())
    with capsys.disabled():
        print(f"\n{len(arrived)} of 10,000 in {seconds:.0f} s, {len(arrived) / seconds:.0f} a second")
    assert set(arrived) == {each.key for each in actions} and max(arrived.values()) == 1
    assert {row.state for row in live_book.outbox()} == {"sent"}
