"""The failure cases of Zendesk's connectors, each with its fault switched on in the sandbox desk."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
import requests

from include.common.errors import Unavailable
from include.connectors.support.zendesk import api
from include.contracts.support import STATUSES
from include.http.client import Client
from tests.fixtures.pulled import START, Copy, later, truth
from tests.fixtures.sandbox import SandboxProcess

pytestmark = pytest.mark.usefixtures("no_waiting")
EXPORT = "/api/v2/incremental/*"
TICKETS = "/api/v2/incremental/tickets/cursor"
ORGANIZATIONS = "/api/v2/incremental/organizations"


def calls(sandbox: SandboxProcess, part: str) -> int:
    """Return the number of calls so far with this text in their path."""
    counted = sandbox.control("status")["calls"]
    return sum(number for name, number in counted.items() if part in name and name.startswith("GET"))


def desk(sandbox: SandboxProcess, path: str) -> requests.Response:
    given = sandbox.connection("support")
    login = (f"{given['login']}/token", given["password"])
    return requests.get(f"{given['host']}/api/v2/{path}", auth=login, timeout=600)


def small_pages(copy: Copy, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(api, "EXPORT_PAGE", rows)
    copy.source._api._per_page = rows  # type: ignore[attr-defined]


def first_ticket(sandbox: SandboxProcess) -> int:
    return min(sandbox.truth()["ticket"]["live_ids"])


def test_case_22_changes_during_the_end_of_a_read_are_in_the_next_one(sandbox: SandboxProcess) -> None:
    copy = Copy("support", "ticket")
    number = first_ticket(sandbox)
    # Within the minute that the export withholds: the read ends without it, but its time is before the read's end.
    sandbox.mutate("ticket", number, set={"priority": "urgent"}, at=(START - timedelta(seconds=30)).isoformat())
    copy.pull(START)
    end = copy.positions["ticket"]["cursor"]
    assert end
    until = later(sandbox, minutes=15)
    assert copy.pull(until) >= 1
    assert copy.rows["ticket"][str(number)].values["priority"] == "urgent"
    copy.pull(until)
    assert copy.positions["ticket"]["cursor"] != end
    assert copy.live("ticket") == truth(sandbox, "ticket")


def test_case_23_clock_is_the_export_timestamp(sandbox: SandboxProcess) -> None:
    copy = Copy("support", "ticket")
    copy.pull(START)
    number = str(first_ticket(sandbox))
    before = copy.rows["ticket"][number].values["updated_at"]
    later(sandbox, minutes=10)
    sandbox.mutate("ticket", int(number), set={"organization": None}, quiet=True)
    copy.pull(later(sandbox, minutes=20))
    record = copy.rows["ticket"][number]
    assert record.values["organization_id"] is None
    assert record.values["updated_at"] == before < record.source_at == record.values["generated_at"]


def test_case_24_deleted_restored_and_scrubbed_tickets(sandbox: SandboxProcess) -> None:
    copy = Copy("support", "ticket")
    copy.pull(START)
    number = str(first_ticket(sandbox))
    assert "deleted" in STATUSES
    for minutes, op, is_deleted in ((10, "delete", True), (40, "restore", False), (70, "delete", True)):
        later(sandbox, minutes=minutes)
        sandbox.mutate("ticket", int(number), op=op)
        copy.pull(later(sandbox, minutes=minutes + 15))
        record = copy.rows["ticket"][number]
        assert record.is_deleted is is_deleted
        assert (record.values["status"] == "deleted") is is_deleted
        assert (number in copy.live("ticket")) is not is_deleted
    later(sandbox, days=31)
    sandbox.mutate("ticket", int(number), set={"subject": "SCRUBBED", "description": "X"}, quiet=True)
    copy.pull(later(sandbox, days=31, minutes=15))
    record = copy.rows["ticket"][number]
    assert (record.is_deleted, record.values["subject"], record.problems) == (True, "SCRUBBED", {})


def test_case_25_missing_children_of_a_deleted_ticket_do_not_end_the_read(sandbox: SandboxProcess) -> None:
    copy = Copy("support")
    rated = copy.source
    assert rated
    copy.pull(START)
    number = next(record.values["ticket_id"] for record in copy.rows["rating"].values())
    later(sandbox, minutes=10)
    sandbox.mutate("ticket", int(number), op="delete")
    for child in ("comments", "metrics", "audits"):
        assert desk(sandbox, f"tickets/{number}/{child}").status_code == 404
    asked = calls(sandbox, f"/tickets/{number}/")
    again = Copy("support")
    until = later(sandbox, minutes=20)
    for one in (copy, again):
        one.pull(until)
        assert one.rows["ticket"][number].is_deleted
    assert calls(sandbox, f"/tickets/{number}/") == asked  # child records come with the exports, not one by one
    rating = next(record for record in again.rows["rating"].values() if record.values["ticket_id"] == number)
    assert rating.values["organization_id"] is None and not rating.is_deleted


def test_case_26_archived_tickets_keep_their_metrics(sandbox: SandboxProcess) -> None:
    listed = {one["ticket_id"] for one in desk(sandbox, "ticket_metrics?page[size]=100").json()["ticket_metrics"]}
    copy = Copy("support", "ticket")
    copy.pull(START)
    archived = [
        record
        for record in copy.rows["ticket"].values()
        if record.values["status"] == "closed" and record.values["updated_at"] < START - timedelta(days=121)
    ]
    assert archived and not {int(record.id) for record in archived} & listed
    assert all(record.values["solved_at"] for record in archived)
    assert all(record.values["full_resolution_minutes"] is not None for record in archived)


def test_case_27_stream_that_never_ends_is_an_error_not_a_loop(sandbox: SandboxProcess) -> None:
    sandbox.control("faults", vendor="zendesk", path=TICKETS, kind="set_field", field="end_of_stream", value=False)
    with pytest.raises(Unavailable, match="returned a cursor that it had returned before"):
        Copy("support", "ticket").pull(START)
    assert calls(sandbox, "incremental/tickets") < 5


@pytest.mark.parametrize("entity", ["ticket", "support_user", "organization", "ticket_event"])
def test_case_27_missing_end_of_stream_flag(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, entity: str
) -> None:
    sandbox.control("faults", vendor="zendesk", path=EXPORT, kind="drop_field", field="end_of_stream")
    copy = Copy("support", entity)
    small_pages(copy, monkeypatch, 100)
    copy.pull(START + timedelta(minutes=5))
    assert copy.live(entity) == truth(sandbox, entity)


def test_case_28_inclusive_second_is_repeated_and_ends(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.mutate("organization", op="create", set={"name": "Twin"}, count=30, at="2026-06-30T11:00:00Z")
    copy = Copy("support", "organization")
    small_pages(copy, monkeypatch, 7)
    n_records = copy.pull(START)
    assert copy.live("organization") == truth(sandbox, "organization")
    assert n_records > len(copy.rows["organization"])  # some came twice and are stored once
    assert calls(sandbox, "incremental/organizations") < 30
    position = copy.positions["organization"]
    copy.pull(START)
    again = copy.positions["organization"]
    assert again | {"at": 0} == position | {"at": 0}
    assert abs(again["at"] - position["at"]) < 3_600_000  # as far as the vendor's clock is known


@pytest.mark.parametrize("entity", ["organization", "support_user"])
def test_case_29_more_than_one_page_in_one_second(sandbox: SandboxProcess, entity: str) -> None:
    made = sandbox.mutate(entity, op="create", set={"name": "Imported"}, count=2100, at="2026-06-30T11:00:00Z")
    sandbox.mutate(entity, op="create", set={"name": "Later"}, at="2026-06-30T11:00:01Z")
    copy = Copy("support", entity)
    copy.pull(START)
    assert {str(one) for one in made} <= copy.live(entity) == truth(sandbox, entity)


def test_case_29_events_that_block_pagination_are_an_error(sandbox: SandboxProcess) -> None:
    sandbox.mutate("ticket", op="touch", set={"priority": "urgent"}, at="2026-06-30T11:00:00Z")
    sandbox.control("faults", vendor="zendesk", path=EXPORT, kind="set_field", field="end_time", value=1)
    sandbox.control("faults", vendor="zendesk", path=EXPORT, kind="set_field", field="end_of_stream", value=False)
    with pytest.raises(Unavailable, match=r"more events in one second.*1970-01-01"):
        Copy("support", "ticket_event").pull(START)
    assert calls(sandbox, "incremental/ticket_events") < 5


def test_case_30_list_of_more_than_ten_thousand_rows(sandbox: SandboxProcess) -> None:
    sandbox.mutate("rating", op="create", set={"score": "good"}, count=10_050, at="2026-06-30T11:00:00Z")
    assert desk(sandbox, "satisfaction_ratings?page=101").status_code == 400
    copy = Copy("support", "rating")
    copy.pull(START)
    assert copy.live("rating") == truth(sandbox, "rating")


def test_case_31_every_start_is_at_least_a_minute_ago(sandbox: SandboxProcess) -> None:
    young = int(START.timestamp()) - 59
    assert desk(sandbox, f"incremental/organizations?start_time={young}").status_code == 422
    copy = Copy("support")
    copy.pull(START)
    copy.pull(START, since=START + timedelta(hours=1))
    copy.pull(START)
    latest = int((START - timedelta(seconds=61)).timestamp() * 1000)
    assert latest - 3_600_000 < copy.positions["organization"]["at"] <= latest


@pytest.mark.parametrize("allowed", [10, 30])
def test_case_32_exports_share_a_limit_separate_from_other_calls(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    # A minute of the support desk lasts a second here, to keep the test short.
    sandbox.control("limits", **{"zendesk.incremental": [allowed, 1]})
    slept, refused, lock = [], [], threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            time.sleep(1.1)
            slept.append(seconds)

    def throttled(self: Client, *given: Any) -> Exception:
        refused.append(given)
        return AssertionError(given)

    monkeypatch.setattr(Client, "_throttled", throttled)
    copies = [Copy("support", "ticket", "organization"), Copy("support", "ticket_event", "rating")]
    for copy in copies:
        small_pages(copy, monkeypatch, 20)
        limiter = copy.source._api.client.limiter  # type: ignore[attr-defined]
        limiter.sleep = sleep
        limiter.clock = lambda: START.timestamp() + sum(slept)
    failed: list[BaseException] = []

    def pull(copy: Copy) -> None:
        try:
            copy.pull(START + timedelta(minutes=5))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=pull, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=600)
    assert (failed, refused) == ([], [])
    exports = calls(sandbox, "/incremental/")
    assert exports > allowed + 10
    assert slept
    for copy in copies:
        for entity in copy.rows:
            assert copy.live(entity) == truth(sandbox, entity), entity


def test_case_32_throttling_response_is_obeyed(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.control("faults", vendor="zendesk", path=EXPORT, kind="status", status=429, retry_after=93, times=1)
    copy = Copy("support", "organization")
    limiter = copy.source._api.client.limiter  # type: ignore[attr-defined]
    slept: list[float] = []
    limiter.clock = lambda: START.timestamp() + sum(slept)
    limiter.sleep = slept.append
    copy.pull(START)
    assert 92 <= sum(slept) <= 94
    assert copy.live("organization") == truth(sandbox, "organization")


@pytest.mark.parametrize(
    ("most", "sizes"), [(60, [1000, 500, 250, 125, 62, 31]), (1, [1000, 500, 250, 125, 62, 31, 15, 7, 3, 1])]
)
def test_case_33_slow_page_is_halved(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, most: int, sizes: list[int]
) -> None:
    sandbox.control("faults", vendor="zendesk", path=TICKETS, kind="status", status=504,
                    body="upstream request timeout", above={"per_page": most})  # fmt: skip
    asked: list[int] = []
    get = Client.get

    def spy(self: Client, path: str, params: Any = None, **more: Any) -> Any:
        asked.append(params["per_page"])
        return get(self, path, params, **more)

    monkeypatch.setattr(Client, "get", spy)
    copy = Copy("support", "ticket")
    pages = copy.source.read("ticket", position=None, until=START)
    first = next(pages)
    assert asked == sizes
    assert 0 < len(first.records) <= sizes[-1]
    next(pages)
    assert asked[len(sizes)] == sizes[-1] * 2  # restored step by step


def test_case_34_nulls_everywhere(sandbox: SandboxProcess) -> None:
    fields = ("name", "email", "organization_id", "requester_id", "assignee_id", "priority", "type", "subject", "via",
              "tags", "metric_set", "satisfaction_rating", "external_id", "domain_names", "role", "active",
              "updater_id", "child_events", "score", "updated_at", "created_at")  # fmt: skip
    for field in fields:
        sandbox.control("faults", vendor="zendesk", path="/api/v2/*", kind="set_field", field=field, value=None)
    copy = Copy("support")
    copy.pull(START)
    assert all(copy.rows[entity] for entity in ("organization", "support_user", "ticket", "rating"))
    for entity, rows in copy.rows.items():
        for record in rows.values():
            assert record.problems == {}, (entity, record)
    ticket = next(iter(copy.rows["ticket"].values()))
    assert ticket.source_at and ticket.values["channel"] is None and ticket.values["n_replies"] is None


def test_case_35_every_digit_of_an_id(sandbox: SandboxProcess) -> None:
    wide = 9_007_199_254_740_993  # the first whole number that a float does not hold
    for field in ("organization_id", "requester_id", "assignee_id"):
        sandbox.control("faults", vendor="zendesk", path=EXPORT, kind="set_field", field=field, value=wide)
    copy = Copy("support", "ticket", "support_user", "organization", "ticket_event")
    copy.pull(START)
    for record in copy.rows["ticket"].values():
        assert record.values["organization_id"] == record.values["requester_id"] == str(wide)
    for rows in copy.rows.values():
        assert all(type(record.id) is str and "." not in record.id and "e" not in record.id for record in rows.values())
    assert {len(one) for one in copy.rows["organization"]} == {12}


def test_case_36_mail_domain_does_not_make_an_organisation_an_account(sandbox: SandboxProcess) -> None:
    number = min(sandbox.truth()["organization"]["live_ids"])
    sandbox.mutate("organization", number, set={"domain_names": ["gmail.com"], "external": None})
    copy = Copy("support", "organization")
    copy.pull(START, full=True)
    record = copy.rows["organization"][str(number)]
    # A record without a CRM id gets none here; core.account_bridge ignores shared domains.
    assert (record.values["external_id"], record.values["domain_names"]) == (None, "gmail.com")


def test_case_37_facts_follow_a_merge(sandbox: SandboxProcess) -> None:
    copy = Copy("support")
    copy.pull(START)
    named = [record for record in copy.rows["ticket"].values() if record.values["organization_id"]]
    # Zendesk does not change closed tickets: those of the merged organisation keep its id, which the SQL maps.
    closed = {record.values["organization_id"] for record in named if record.values["status"] == "closed"}
    ticket = next(
        record
        for record in named
        if record.values["status"] in ("open", "pending", "hold", "solved")
        and record.values["organization_id"] in closed
    )
    loser, user = ticket.values["organization_id"], ticket.values["requester_id"]
    winner = next(one for one in copy.rows["organization"] if one != loser)
    survivor = next(one for one in copy.rows["support_user"] if one != user)
    later(sandbox, minutes=10)
    sandbox.mutate("organization", int(loser), op="merge", into=int(winner))
    sandbox.mutate("support_user", int(user), op="merge", into=int(survivor))
    copy.pull(later(sandbox, minutes=20))
    assert copy.rows["organization"][loser].is_deleted
    assert copy.rows["organization"][loser].values["merged_into"] == winner
    assert copy.rows["support_user"][user].is_deleted
    moved = copy.rows["ticket"][ticket.id].values
    assert (moved["organization_id"], moved["requester_id"]) == (winner, survivor)
    left = {r.values["status"] for r in copy.rows["ticket"].values() if r.values["organization_id"] == loser}
    assert left - {"deleted"} == {"closed"}
    events = [r.values for r in copy.rows["ticket_event"].values() if r.values["ticket_id"] == ticket.id]
    assert ("organization", loser, winner) in {(e["event_type"], e["old_value"], e["new_value"]) for e in events}
    # A deleted organisation that was not merged has no survivor.
    later(sandbox, minutes=40)
    sandbox.mutate("organization", int(winner), op="delete")
    copy.pull(later(sandbox, minutes=60))
    assert copy.rows["organization"][winner].is_deleted
    assert copy.rows["organization"][winner].values["merged_into"] is None
