"""Zendesk as a source over a fake transport: no lost rows and no endless loops under concurrent changes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.common.connections import make
from include.common.errors import ConfigError, Unavailable
from include.config import load
from include.connectors.base import Page, Position
from include.connectors.support.zendesk import Zendesk
from tests.fixtures.fake_vendor import Request, Time, wire
from tests.fixtures.fake_zendesk import FakeZendesk, iso

MINUTE = 60


def connect(desk: FakeZendesk, time: Time | None = None) -> Zendesk:
    connection = make("support", conn_type="zendesk", host="https://desk.example", login="a@b.c", password="t0ken")
    source = Zendesk(connection, load())
    wire(source._api.client, desk, time)
    return source


def now(desk: FakeZendesk) -> datetime:
    return datetime.fromtimestamp(desk.now, UTC)


def pull(source: Zendesk, entity: str, desk: FakeZendesk, position: Position | None = None, **options) -> list[Page]:
    pages = list(source.read(entity, position=position, until=now(desk), **options))
    for page in pages:
        assert orjson.loads(orjson.dumps(page.mark)) == page.mark
    assert all(page.next_position is None for page in pages[:-1])
    assert pages[-1].next_position is not None
    return pages


def land(rows: dict, pages: list[Page]) -> None:
    for page in pages:
        for record in page.records:
            known = rows.get(record.id)
            if known is None or known.source_at <= record.source_at:
                rows[record.id] = record


def test_ticket_becomes_a_record() -> None:
    desk = FakeZendesk()
    metrics = {
        "ticket_id": 1234567890123456,
        "solved_at": "2025-06-01T10:00:00Z",
        "reply_time_in_minutes": {"calendar": 12, "business": None},
        "requester_wait_time_in_minutes": {"calendar": 100, "business": 50},
        "reopens": 1,
        "replies": 3,
    }
    desk.put(
        "tickets",
        1234567890123456,
        at=desk.now - 3600,
        organization_id=9876543210123,
        status="open",
        priority=None,
        type=None,
        subject="Help",
        description="secret details",
        via={"channel": "email"},
        tags=["a", "b"],
        satisfaction_rating={"score": "good"},
        metric_set=metrics,
    )
    record = next(iter(pull(connect(desk), "ticket", desk)[0].records))
    assert record.id == "1234567890123456"
    assert record.values["organization_id"] == "9876543210123"
    assert record.values["tags"] == "a,b"
    assert record.values["channel"] == "email"
    assert record.values["satisfaction"] == "good"
    assert record.values["first_reply_minutes"] == 12
    assert record.values["first_reply_business_minutes"] is None
    assert record.values["requester_wait_minutes"] == 100
    assert record.values["requester_wait_business_minutes"] == 50
    assert record.values["solved_at"] == datetime(2025, 6, 1, 10, tzinfo=UTC)
    assert record.values["generated_at"] == record.source_at == datetime.fromtimestamp(desk.now - 3600, UTC)
    assert record.problems == {}
    assert "description" not in record.payload
    assert desk.seen[0].params["include"] == "metric_sets"


def test_sideloaded_ticket_metrics_are_read() -> None:
    desk = FakeZendesk()
    ticket = {"id": 7, "status": "open", "generated_timestamp": 1, "updated_at": iso(1)}
    body = {"tickets": [ticket], "metric_sets": [{"ticket_id": 7, "replies": 2}], "end_of_stream": True}
    desk.before = lambda request: (200, body | {"after_cursor": "x"})
    assert next(iter(pull(connect(desk), "ticket", desk)[0].records)).values["n_replies"] == 2


def test_case_22_next_read_starts_from_the_cursor_at_the_end_of_the_stream() -> None:
    desk = FakeZendesk()
    source = connect(desk)
    desk.put("tickets", 1, at=desk.now - 3600, status="open")
    position = pull(source, "ticket", desk)[-1].next_position
    # Written during the first read, before its end: by time alone it would be skipped.
    desk.put("tickets", 2, at=desk.now - 59, status="open")
    desk.now += 15 * MINUTE
    pages = pull(source, "ticket", desk, position)
    assert [record.id for page in pages for record in page.records] == ["2"]
    assert "start_time" not in desk.seen[-1].params
    again = pull(source, "ticket", desk, pages[-1].next_position)
    assert [record for page in again for record in page.records] == []


def test_case_23_and_24_deleted_ticket_with_an_unchanged_update_time_is_seen() -> None:
    desk = FakeZendesk()
    source = connect(desk)
    desk.put("tickets", 1, at=desk.now - 7200, status="solved")
    rows: dict = {}
    pages = pull(source, "ticket", desk)
    land(rows, pages)
    desk.delete_ticket(1)
    desk.now += 15 * MINUTE
    land(rows, pull(source, "ticket", desk, pages[-1].next_position))
    assert rows["1"].is_deleted
    assert rows["1"].values["updated_at"] < rows["1"].source_at


def test_case_27_stuck_stream_is_an_error_not_a_loop() -> None:
    desk = FakeZendesk()
    desk.before = lambda request: (200, {"tickets": [], "after_cursor": "same", "end_of_stream": False})
    with pytest.raises(Unavailable, match="returned a cursor that it had returned before"):
        pull(connect(desk), "ticket", desk)
    assert len(desk.seen) == 2


LEADING = {
    "is still": lambda n: "a",
    "alternates": lambda n: "ab"[n % 2],
    "is always new": lambda n: f"c{n}",
}


@pytest.mark.parametrize("cursor", LEADING.values(), ids=LEADING)
@pytest.mark.parametrize("rows", [[], [{"id": 1, "ticket_id": 1}]], ids=["empty", "the same row"])
@pytest.mark.parametrize(
    ("entity", "how"),
    [("ticket", "read"), ("support_user", "read"), ("rating", "read"), ("organization", "ids"), ("rating", "ids")],
)
def test_endless_pagination_ends_with_an_error(cursor, rows: list, entity: str, how: str) -> None:
    desk = FakeZendesk()
    numbers = itertools.count()

    def answer(request: Request):
        after = cursor(next(numbers))
        name = next(one for one in ("tickets", "users", "satisfaction_ratings", "organizations") if one in request.path)
        page = {name: rows, "after_cursor": after, "end_of_stream": False}
        return 200, page | {"meta": {"has_more": True, "after_cursor": after}}

    desk.before = lambda request: (200, {"tickets": []}) if "show_many" in request.path else answer(request)
    source = connect(desk)
    with pytest.raises(Unavailable, match=r"Zendesk's .*: the vendor returned"):
        pull(source, entity, desk) if how == "read" else list(source.ids(entity))
    assert len(desk.seen) < 40


def test_endless_time_export_ends_with_an_error() -> None:
    desk = FakeZendesk()
    numbers = itertools.count(1)
    desk.before = lambda request: (200, {"organizations": [], "end_time": next(numbers), "next_page": "x"})
    with pytest.raises(Unavailable, match=r"Zendesk's .*organizations: the vendor returned 10 empty pages"):
        pull(connect(desk), "organization", desk)
    assert len(desk.seen) < 40


@pytest.mark.parametrize("has_end_of_stream", [True, False])
def test_case_28_inclusive_second_ends(has_end_of_stream: bool) -> None:
    desk = FakeZendesk(has_end_of_stream=has_end_of_stream, most=5)
    for one in range(1, 24):
        desk.put("organizations", one, at=desk.now - 9000 + one // 3, name=f"n{one}")
    pages = pull(connect(desk), "organization", desk)
    assert {record.id for page in pages for record in page.records} == {str(one) for one in range(1, 24)}
    assert len(pages) < 15


@pytest.mark.parametrize("has_end_of_stream", [True, False])
def test_case_29_more_rows_in_one_second_than_fit_on_a_page(has_end_of_stream: bool) -> None:
    desk = FakeZendesk(has_end_of_stream=has_end_of_stream)
    for one in range(1, 2502):
        desk.put("organizations", one, at=desk.now - 9000, name="imported")
    for one in range(3000, 3010):
        desk.put("organizations", one, at=desk.now - 8000, name="later")
    source = connect(desk)
    pages = pull(source, "organization", desk)
    assert len({record.id for page in pages for record in page.records}) == 2511
    assert pages[-1].read_until == datetime.fromtimestamp(desk.now - 61, UTC)


def test_case_29_page_of_the_requested_smaller_size_is_full() -> None:
    desk = FakeZendesk(has_end_of_stream=False)
    for one in range(1, 31):
        desk.put("organizations", one, at=desk.now - 9000, name="imported")
    source = connect(desk)
    small = source._api  # type: ignore[attr-defined]
    export = small._export

    def asked_for_ten(*given: Any, **how: Any) -> Any:
        small._per_page = 10
        return export(*given, **how)

    small._export = asked_for_ten
    pages = pull(source, "organization", desk)
    assert len({record.id for page in pages for record in page.records}) == 30


def test_case_31_start_is_at_least_a_minute_ago() -> None:
    desk = FakeZendesk()
    source = connect(desk)
    for entity in ("organization", "support_user"):
        position = pull(source, entity, desk)[-1].next_position
        pull(source, entity, desk, position, since=now(desk))


def test_case_32_exports_share_ten_calls_a_minute() -> None:
    desk, time = FakeZendesk(), Time()
    for one in range(1, 25):
        desk.put("tickets", one, at=desk.now - 3600, status="open")
    desk.most = 2
    pull(connect(desk, time), "ticket", desk)
    assert 60 <= sum(time.slept) < 70


def test_case_33_slow_page_size_is_halved_and_later_restored() -> None:
    desk = FakeZendesk()
    for one in range(1, 2000):
        desk.put("tickets", one, at=desk.now - 3600 + one // 10, status="open")

    def slow(request: Request):
        return (504, b"upstream request timeout") if int(request.params["per_page"]) > 300 else None

    desk.before = slow
    pages = pull(connect(desk), "ticket", desk)
    assert len({record.id for page in pages for record in page.records}) == 1999
    assert [int(request.params["per_page"]) for request in desk.seen][:4] == [1000, 500, 250, 500]


def test_always_slow_desk_is_an_outage() -> None:
    desk = FakeZendesk()
    desk.before = lambda request: (504, b"upstream request timeout")
    with pytest.raises(Unavailable, match="504"):
        pull(connect(desk), "ticket", desk)
    assert [int(request.params["per_page"]) for request in desk.seen][-1] == 1


def test_case_34_and_35_nulls_and_long_ids() -> None:
    desk = FakeZendesk()
    desk.put("users", 9007199254740993, at=desk.now - 3600, name=None, email=None, organization_id=None, active=None)
    desk.put("organizations", 9007199254740995, at=desk.now - 3600, name="x", external_id=None, domain_names=[])
    user = next(iter(pull(connect(desk), "support_user", desk)[0].records))
    assert user.id == "9007199254740993"
    assert user.values["organization_id"] is None
    assert not user.is_deleted
    organization = pull(connect(desk), "organization", desk)[0].records[0]
    assert organization.values["domain_names"] is None


def test_erased_user_and_deleted_organisation_are_tombstones() -> None:
    desk = FakeZendesk()
    desk.put("users", 1, at=desk.now - 3600, name="Permanently Deleted User", email=None, active=False)
    desk.put("users", 2, at=desk.now - 3600, name="Ada", email="a@b.c", active=False)
    desk.put("organizations", 3, at=desk.now - 3600, name="x", deleted_at=iso(desk.now))
    users = pull(connect(desk), "support_user", desk)[0].records
    assert [(user.is_deleted, user.values["is_active"]) for user in users] == [(True, False), (False, False)]
    assert pull(connect(desk), "organization", desk)[0].records[0].is_deleted


def test_rating_belongs_to_the_organisation_of_its_ticket() -> None:
    desk = FakeZendesk()
    desk.put("tickets", 5, at=desk.now - 9000, organization_id=50, status="solved")
    desk.put("satisfaction_ratings", 1, at=desk.now - 3600, ticket_id=5, score="good")
    desk.put("satisfaction_ratings", 2, at=desk.now - 3600, ticket_id=6, score="bad")
    first, second = pull(connect(desk), "rating", desk)[0].records
    assert (first.values["ticket_id"], first.values["organization_id"]) == ("5", "50")
    assert second.values["organization_id"] is None


def test_rating_changed_days_later_is_read_again() -> None:
    desk = FakeZendesk()
    source = connect(desk)
    for one in range(1, 251):
        desk.put("satisfaction_ratings", one, at=desk.now - 3600, ticket_id=one, score="good")
    pages = pull(source, "rating", desk)
    assert sum(len(page.records) for page in pages) == 250
    desk.now += 86_400
    desk.rows["satisfaction_ratings"][7]["score"] = "bad"
    records = [r for p in pull(source, "rating", desk, pages[-1].next_position) for r in p.records]
    assert next(record for record in records if record.id == "7").values["score"] == "bad"


def test_rejected_cursor_falls_back_to_a_start_time() -> None:
    desk = FakeZendesk()
    source = connect(desk)
    desk.put("tickets", 1, at=desk.now - 3600, status="open")
    position = pull(source, "ticket", desk)[-1].next_position
    desk.now += 15 * MINUTE
    desk.put("tickets", 2, at=desk.now - 90, status="open")
    desk.known_cursors = set()
    pages = pull(source, "ticket", desk, position)
    assert "2" in {record.id for page in pages for record in page.records}


def test_full_and_since_read_again() -> None:
    desk = FakeZendesk()
    source = connect(desk)
    for one in range(1, 4):
        desk.put("tickets", one, at=desk.now - 100_000 * one, status="open")
    position = pull(source, "ticket", desk)[-1].next_position
    since = datetime.fromtimestamp(desk.now - 250_000, UTC)
    again = pull(source, "ticket", desk, position, since=since)
    assert {record.id for page in again for record in page.records} == {"1", "2"}
    full = pull(source, "ticket", desk, position, full=True)
    assert {record.id for page in full for record in page.records} == {"1", "2", "3"}


def test_links_to_other_hosts_are_not_followed() -> None:
    desk = FakeZendesk(most=3)
    for one in range(1, 10):
        desk.put("tickets", one, at=desk.now - 3600, status="open")
        desk.put("organizations", one, at=desk.now - 3600 + one, name="x")
        desk.put("satisfaction_ratings", one, at=desk.now - 3600, ticket_id=one)
    source = connect(desk)
    for entity in source.entities():
        pull(source, entity, desk)
    assert {request.host for request in desk.seen} == {"desk.example"}


def test_unknown_entity_is_reported() -> None:
    desk = FakeZendesk()
    with pytest.raises(ConfigError, match="no entity account"):
        pull(connect(desk), "account", desk)


@settings(max_examples=60)
@given(data=st.data(), entity=st.sampled_from(["ticket", "support_user", "organization"]))
def test_rows_equal_the_source_once_quiet(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, entity: str
) -> None:
    """Random edits, creations, deletions and kills: finally all rows equal the source."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERENNIAL_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        name = {"ticket": "tickets", "support_user": "users", "organization": "organizations"}[entity]
        desk = FakeZendesk(most=data.draw(st.integers(1, 4), "page"), lag=data.draw(st.sampled_from([0, 50]), "lag"))
        for one in range(1, data.draw(st.integers(0, 12), "rows") + 1):
            desk.put(name, one, at=desk.now - data.draw(st.integers(0, 3), "age"), status="open", name="first")
        steps = iter(data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 16)), max_size=40), "edits"))

        def change_at_random(request: Request) -> BaseException | None:
            desk.now += 7
            action, one = next(steps, (9, 0))
            row = desk.rows[name].get(one)
            if action < 4 and (row or {}).get("status") != "deleted":
                desk.put(name, one, status="open", name=f"at {desk.now}")
            elif action == 4 and row and entity == "ticket":
                desk.delete_ticket(one)
            return KeyboardInterrupt() if action == 5 else None

        source, rows, position, mark = connect(desk), {}, None, None
        desk.before = change_at_random
        for pause in data.draw(st.lists(st.sampled_from([5, 5 * MINUTE]), min_size=6, max_size=6), "pauses"):
            desk.now += pause
            try:
                for page in source.read(entity, position=position, mark=mark, until=now(desk)):
                    land(rows, [page])
                    mark, position = (None, page.next_position) if page.next_position else (page.mark, position)
            except KeyboardInterrupt:
                pass
        desk.before = lambda request: None
        for _ in range(2):
            desk.now += 11 * MINUTE
            pages = list(source.read(entity, position=position, mark=mark, until=now(desk)))
            land(rows, pages)
            position, mark = pages[-1].next_position, None
        expected = {str(one): (row["status"] == "deleted", row["updated_at"]) for one, row in desk.rows[name].items()}
        landed = {one: (r.is_deleted, r.values["updated_at"].strftime("%Y-%m-%dT%H:%M:%SZ")) for one, r in rows.items()}
        assert landed == expected


def test_full_read_of_ratings_includes_the_last_minutes() -> None:
    """The merge marks records missing from a full read as deleted."""
    desk = FakeZendesk()
    source = connect(desk)
    desk.put("satisfaction_ratings", 1, at=desk.now - 3600, ticket_id=1, score="good")
    desk.put("satisfaction_ratings", 2, at=desk.now, ticket_id=2, score="good")
    position = pull(source, "rating", desk)[-1].next_position
    full = pull(source, "rating", desk, position, full=True)
    assert [record.id for page in full for record in page.records] == ["1", "2"]
    assert full[-1].next_position == position
