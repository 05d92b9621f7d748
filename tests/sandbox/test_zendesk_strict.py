"""The support desk is as strict as the real one: cursors, withheld minute, boundaries, limits, deletions."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable

import pytest
import requests

from tests.fixtures.sandbox import SandboxProcess

Call = Callable[..., requests.Response]
NOW_S = 1782820800


@pytest.fixture
def desk(sandbox: SandboxProcess) -> Call:
    connection = sandbox.connection("support")
    session = requests.Session()
    session.auth = (f"{connection['login']}/token", connection["password"])
    return lambda path, **params: session.get(f"{connection['host']}/api/v2/{path}", params=params, timeout=600)


def test_wrong_credentials(sandbox: SandboxProcess) -> None:
    connection = sandbox.connection("support")
    url = f"{connection['host']}/api/v2/users/me"
    for login in (connection["login"], f"{connection['login']}/token"):
        assert requests.get(url, auth=(login, "wrong"), timeout=600).status_code == 401
    assert requests.get(url, auth=(connection["login"], connection["password"]), timeout=600).status_code == 401
    bearer = {"Authorization": f"Bearer {connection['password']}"}
    assert requests.get(url, headers=bearer, timeout=600).json()["user"]["email"] == connection["login"]


def test_both_path_forms_work(desk: Call) -> None:
    assert desk("organizations.json").json() == desk("organizations").json()


def test_links_name_another_host_than_requested(sandbox: SandboxProcess, desk: Call) -> None:
    first = desk("incremental/tickets/cursor", start_time=1, per_page=2).json()
    listed = desk("users", per_page=2).json()
    for link in (first["after_url"], listed["next_page"], listed["users"][0]["url"]):
        assert link.startswith("https://perennial-sandbox.zendesk.com/") and sandbox.url not in link


def test_final_cursor_starts_the_next_run(sandbox: SandboxProcess, desk: Call) -> None:
    end = desk("incremental/tickets/cursor", start_time=1).json()
    assert end["end_of_stream"] is True
    text = base64.b64decode(end["after_cursor"] + "==").decode()
    assert text == f"{end['tickets'][-1]['generated_timestamp']}.0||{end['tickets'][-1]['id']}|"
    number = end["tickets"][0]["id"]
    again = desk("incremental/tickets/cursor", cursor=end["after_cursor"]).json()
    assert (again["tickets"], again["after_cursor"]) == ([], end["after_cursor"])
    sandbox.mutate("ticket", number, set={"priority": "urgent"})
    assert desk("incremental/tickets/cursor", cursor=end["after_cursor"]).json()["tickets"] == []
    sandbox.control("clock", advance_seconds=61)
    later = desk("incremental/tickets/cursor", cursor=end["after_cursor"]).json()["tickets"]
    assert number in [ticket["id"] for ticket in later]


def test_start_within_the_last_minute_is_rejected(desk: Call) -> None:
    assert desk("incremental/tickets/cursor", start_time=NOW_S - 59).status_code == 422
    assert desk("incremental/tickets/cursor", start_time=NOW_S - 60).status_code == 200
    assert desk("incremental/organizations", start_time=NOW_S).status_code == 422
    assert desk("incremental/tickets/cursor").status_code == 400
    assert desk("incremental/tickets/cursor", cursor="nonsense!").status_code == 400


def test_deletion_moves_the_export_clock_not_the_ticket_clock(sandbox: SandboxProcess, desk: Call) -> None:
    before = desk("incremental/tickets/cursor", start_time=1).json()
    ticket = before["tickets"][0]
    sandbox.mutate("ticket", ticket["id"], op="delete")
    sandbox.control("clock", advance_seconds=120)
    rows = desk("incremental/tickets/cursor", cursor=before["after_cursor"]).json()["tickets"]
    after = next(row for row in rows if row["id"] == ticket["id"])
    assert (after["status"], after["updated_at"]) == ("deleted", ticket["updated_at"])
    assert after["generated_timestamp"] > ticket["generated_timestamp"]
    hidden = desk("incremental/tickets/cursor", cursor=before["after_cursor"], exclude_deleted="true").json()["tickets"]
    assert ticket["id"] not in [row["id"] for row in hidden]
    for path in (f"tickets/{ticket['id']}", f"tickets/{ticket['id']}/comments", f"tickets/{ticket['id']}/metrics"):
        assert (desk(path).status_code, desk(path).json()["error"]) == (404, "RecordNotFound")
    assert ticket["id"] in [row["id"] for row in desk("deleted_tickets").json()["deleted_tickets"]]


def test_time_export_repeats_its_boundary_and_ends_on_whole_seconds(sandbox: SandboxProcess, desk: Call) -> None:
    numbers = sandbox.truth()["organization"]["live_ids"][:3]
    sandbox.mutate("organization", op="touch", ids=numbers, at="2026-06-30T11:30:00Z")
    page = desk("incremental/organizations", start_time=NOW_S - 1800, per_page=1).json()
    assert sorted(row["id"] for row in page["organizations"]) == sorted(numbers)
    assert (page["count"], page["end_time"]) == (3, NOW_S - 1800)
    again = desk("incremental/organizations", start_time=page["end_time"], per_page=1).json()
    assert sorted(row["id"] for row in again["organizations"]) == sorted(numbers)
    assert again["end_of_stream"] is True


def test_organizations_have_no_cursor_export(desk: Call) -> None:
    assert desk("incremental/organizations/cursor", start_time=1).status_code == 404


def test_exports_share_ten_calls_a_minute(sandbox: SandboxProcess, desk: Call) -> None:
    sandbox.control("limits", **{"zendesk.incremental": [10, 60]})
    first = desk("incremental/tickets/cursor", start_time=1)
    assert first.headers["zendesk-ratelimit-incremental-exports"].startswith("total=10; remaining=")
    names = ("tickets/cursor", "users/cursor", "organizations")
    answers = [desk(f"incremental/{names[n % 3]}", start_time=1) for n in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused and refused[0].json()["error"] == "APIRateLimitExceeded"
    assert 0 < int(refused[0].headers["Retry-After"]) <= 60
    assert desk("users").status_code == 200


def test_other_calls_return_their_limit(desk: Call) -> None:
    headers = desk("users").headers
    assert {"x-rate-limit", "x-rate-limit-remaining", "rate-limit", "rate-limit-remaining", "rate-limit-reset"} <= {
        name.lower() for name in headers
    }


def test_old_closed_tickets_leave_the_lists_but_not_the_exports(desk: Call) -> None:
    exported = {row["id"] for row in desk("incremental/tickets/cursor", start_time=1).json()["tickets"]}
    listed = {row["id"] for row in desk("tickets").json()["tickets"]}
    archived = exported - listed
    assert archived and listed
    metrics = {row["ticket_id"] for row in desk("ticket_metrics").json()["ticket_metrics"]}
    assert not archived & metrics


def test_page_numbers_end_where_cursors_continue(sandbox: SandboxProcess, desk: Call) -> None:
    assert desk("users", page=101, per_page=100).status_code == 400
    first = desk("users", **{"page[size]": 40}).json()
    assert first["meta"]["has_more"] is True
    second = desk("users", **{"page[size]": 40, "page[after]": first["meta"]["after_cursor"]}).json()
    numbers = [row["id"] for row in first["users"] + second["users"]]
    assert len(set(numbers)) == len(numbers) == min(80, sandbox.truth()["support_user"]["live"])
    wrong = desk("users", **{"page[size]": 101})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (400, "InvalidPaginationParameter")


def test_ids_are_too_long_for_a_float_and_nulls_are_everywhere(desk: Call) -> None:
    rows = desk("incremental/tickets/cursor", start_time=1).json()["tickets"]
    for name in ("priority", "type", "external_id", "problem_id", "satisfaction_rating"):
        assert any(row[name] is None for row in rows), name
    assert all(row["custom_status_id"] > 10**12 for row in rows)


def test_ticket_metrics_are_sideloaded_on_request(desk: Call) -> None:
    rows = desk("incremental/tickets/cursor", start_time=1, include="metric_sets,users").json()
    assert {row["metric_set"]["ticket_id"] for row in rows["tickets"]} == {row["id"] for row in rows["tickets"]}
    requesters = {row["requester_id"] for row in rows["tickets"]}
    assert requesters == {user["id"] for user in rows["users"]}
    solved = [row["metric_set"] for row in rows["tickets"] if row["status"] == "closed"]
    assert all(
        m["full_resolution_time_in_minutes"]["calendar"] >= m["reply_time_in_minutes"]["calendar"] for m in solved
    )


def test_ratings_within_a_window(desk: Call) -> None:
    everything = desk("satisfaction_ratings").json()["satisfaction_ratings"]
    stamps = sorted(row["updated_at"] for row in everything)
    some = desk("satisfaction_ratings", start_time=NOW_S - 200 * 86_400, end_time=NOW_S - 60).json()[
        "satisfaction_ratings"
    ]
    assert 0 < len(some) < len(everything)
    assert {row["score"] for row in everything} <= {"good", "bad"} and stamps


def test_merged_organizations_transfer_their_tickets(sandbox: SandboxProcess, desk: Call) -> None:
    tickets = desk("incremental/tickets/cursor", start_time=1).json()["tickets"]
    ticket = next(row for row in tickets if row["status"] != "closed" and row["organization_id"])
    loser = ticket["organization_id"]
    winner = next(number for number in sandbox.truth()["organization"]["live_ids"] if number != loser)
    sandbox.mutate("organization", loser, op="merge", into=winner)
    sandbox.control("clock", advance_seconds=61)
    rows = desk("incremental/tickets/cursor", start_time=1).json()["tickets"]
    moved = next(row for row in rows if row["id"] == ticket["id"])
    assert (moved["organization_id"], moved["updated_at"]) == (winner, ticket["updated_at"])
    exported = {
        row["id"]: row["deleted_at"] for row in desk("incremental/organizations", start_time=1).json()["organizations"]
    }
    assert exported[loser] and not exported[winner]
    assert desk(f"organizations/{loser}").status_code == 404


def test_ticket_events_contain_every_change_and_comment_once(sandbox: SandboxProcess, desk: Call) -> None:
    number = next(ticket["id"] for ticket in desk("tickets").json()["tickets"] if ticket["status"] == "solved")
    start, updates = 1, []
    while True:
        page = desk("incremental/ticket_events", start_time=start, include="comment_events", per_page=50).json()
        updates += [update for update in page["ticket_events"] if update["ticket_id"] == number]
        if page["end_of_stream"]:
            break
        start = page["end_time"]
    updates = list({update["id"]: update for update in updates}.values())
    statuses = [
        (child.get("previous_value"), child["status"])
        for update in updates
        for child in update["child_events"]
        if "status" in child
    ]
    assert statuses[0] == (None, "new") and statuses[-1][1] == "solved"
    assert all(before == after for (_, before), (after, _) in itertools.pairwise(statuses))
    comments = [child for update in updates for child in update["child_events"] if child["event_type"] == "Comment"]
    assert [c["id"] for c in comments] == [c["id"] for c in desk(f"tickets/{number}/comments").json()["comments"]]
    assert all(comment["body"] and comment["author_id"] for comment in comments)
    audits = desk(f"tickets/{number}/audits").json()["audits"]
    assert [audit["id"] for audit in audits] == [update["id"] for update in updates]
    changed = [event for audit in audits for event in audit["events"] if event.get("field_name") == "status"]
    assert [(event.get("previous_value"), event["value"]) for event in changed] == statuses


def test_ticket_events_without_comments_show_only_that_one_exists(desk: Call) -> None:
    page = desk("incremental/ticket_events", start_time=1).json()
    comments = [c for update in page["ticket_events"] for c in update["child_events"] if c["event_type"] == "Comment"]
    assert comments and all(comment["comment_present"] and "body" not in comment for comment in comments)
    assert {comment["comment_public"] for comment in comments} == {True, False}


def test_scrubbed_tickets_have_no_content(sandbox: SandboxProcess, desk: Call) -> None:
    number = sandbox.truth()["ticket"]["live_ids"][0]
    sandbox.mutate("ticket", number, op="delete")
    exported = {u["ticket_id"] for u in desk("incremental/ticket_events", start_time=1).json()["ticket_events"]}
    assert number in exported
    assert desk(f"tickets/{number}/audits").status_code == 404
    sandbox.mutate("ticket", number, set={"subject": "SCRUBBED", "description": "X"}, quiet=True)
    exported = {u["ticket_id"] for u in desk("incremental/ticket_events", start_time=1).json()["ticket_events"]}
    assert number not in exported
