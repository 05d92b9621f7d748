"""A full read includes every record, even those changed within the minute that exports withhold.

The merge marks records missing from a full read as deleted, so a missed record would be a false deletion.
"""

from __future__ import annotations

import pytest

from tests.connectors.support.zendesk.test_zendesk import connect, land, now, pull
from tests.fixtures.fake_zendesk import FakeZendesk

NAMES = {"organization": "organizations", "support_user": "users", "ticket": "tickets"}


def met(desk: FakeZendesk, entity: str) -> set[str]:
    rows: dict = {}
    land(rows, pull(connect(desk), entity, desk, full=True))
    return set(rows)


@pytest.mark.parametrize("entity", NAMES)
@pytest.mark.parametrize("most", [1, 3, 1000])
def test_page_ending_within_the_lag_loses_nothing(entity: str, most: int) -> None:
    desk = FakeZendesk(most=most)
    for one in range(1, 4):
        desk.put(NAMES[entity], one, at=desk.now - 9000, status="open", name="old")
    for one, seconds in ((4, 70), (5, 61), (6, 60), (7, 59), (8, 30), (9, 0)):
        desk.put(NAMES[entity], one, at=desk.now - seconds, status="open", name="young")
    assert met(desk, entity) == {str(one) for one in range(1, 10)}


@pytest.mark.parametrize("entity", NAMES)
def test_page_across_the_lag_loses_nothing(entity: str) -> None:
    """The page contains rows before and after the end of the read, and more rows follow."""
    desk = FakeZendesk(most=3)
    for one, seconds in enumerate((9000, 8000, 30, 20, 10), start=1):
        desk.put(NAMES[entity], one, at=desk.now - seconds, status="open", name="x")
    assert met(desk, entity) == {"1", "2", "3", "4", "5"}


@pytest.mark.parametrize("entity", NAMES)
def test_records_just_changed_are_seen_outside_the_export(entity: str) -> None:
    desk = FakeZendesk(lag=60)
    for one in range(1, 300):
        desk.put(NAMES[entity], one, at=desk.now - 9000 - one, status="open", name="old")
    desk.put(NAMES[entity], 7, status="open", name="changed just now")
    assert len(met(desk, entity)) == 299


def test_only_young_tickets_are_listed() -> None:
    desk = FakeZendesk()
    for one in range(1, 1000):
        desk.put("tickets", one, at=desk.now - 9000 - one, status="open")
    assert len(met(desk, "ticket")) == 999
    listed = [request for request in desk.seen if request.path == "/api/v2/tickets"]
    assert [request.params["sort"] for request in listed] == ["-updated_at"]
    assert listed[0].params["include"] == "metric_sets"


def test_killed_full_read_resumes() -> None:
    desk = FakeZendesk(most=2)
    for one in range(1, 8):
        desk.put("users", one, at=desk.now - 9000 + one, name="x")
    source, rows = connect(desk), {}
    pages = list(source.read("support_user", position=None, until=now(desk), full=True))
    in_rest = next(page for page in pages if page.mark["phase"] == "rest" and page.mark["after"])
    desk.now += 300
    rest = list(source.read("support_user", position=None, mark=in_rest.mark, until=now(desk), full=True))
    land(rows, rest)
    assert rest[-1].next_position == pages[-1].next_position
    assert rest[-1].next_position["cursor"] and "after" not in rest[-1].next_position
    assert set(rows) == {"3", "4", "5", "6", "7"}


def test_incremental_reads_continue_from_the_full_read_cursor() -> None:
    desk = FakeZendesk()
    desk.put("tickets", 1, at=desk.now - 9000, status="open")
    source = connect(desk)
    position = pull(source, "ticket", desk, full=True)[-1].next_position
    desk.put("tickets", 2, at=desk.now - 30, status="open")
    desk.now += 900
    again = pull(source, "ticket", desk, position)
    assert [record.id for page in again for record in page.records] == ["2"]
    assert desk.seen[-1].params.get("cursor")
