"""Zendesk's Python client works on the sandbox unchanged, except for the adapter that redirects its https calls."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from zenpy import Zenpy

from tests.fixtures.sandbox import SandboxProcess


class _LeadHere(HTTPAdapter):
    def __init__(self, base: str) -> None:
        self.base = base
        super().__init__()

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(str(request.url))
        here = request.copy()
        here.url = f"{self.base}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        response = super().send(here, **options)  # type: ignore[arg-type]
        response.request = request  # the client checks the requested host
        return response


@pytest.fixture
def client(sandbox: SandboxProcess) -> Iterator[Zenpy]:
    connection = sandbox.connection("support")
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _LeadHere(connection["host"]))
    yield Zenpy(subdomain="perennial-sandbox", email=connection["login"], token=connection["password"], session=session)
    session.close()


def test_exports_every_ticket_once_with_its_metrics(client: Zenpy, sandbox: SandboxProcess) -> None:
    truth = sandbox.truth()["ticket"]
    found = list(
        client.tickets.incremental(start_time=1, paginate_by_time=False, include=["metric_sets"], per_page=100)
    )
    numbers = [ticket.id for ticket in found]
    assert sorted(numbers) == sorted(truth["live_ids"] + truth["deleted_ids"])
    assert any(ticket.to_dict()["metric_set"]["full_resolution_time_in_minutes"]["calendar"] for ticket in found)
    generated = [ticket.generated_timestamp for ticket in found]
    assert generated == sorted(generated)


def test_exports_users_and_organizations(client: Zenpy, sandbox: SandboxProcess) -> None:
    truth = sandbox.truth()
    users = list(client.users.incremental(start_time=1, paginate_by_time=False, per_page=50))
    assert sorted(user.id for user in users) == sorted(truth["support_user"]["live_ids"])
    organizations = {each.id: each for each in client.organizations.incremental(start_time=1)}
    assert sorted(organizations) == sorted(truth["organization"]["live_ids"])
    accounts = {str(number) for number in truth["account"]["live_ids"]}
    assert {each.external_id for each in organizations.values()} - {None} <= accounts


def test_lists_reads_and_searches(client: Zenpy, sandbox: SandboxProcess) -> None:
    listed = list(client.users())
    assert len(listed) == sandbox.truth()["support_user"]["live"]
    number = sandbox.truth()["ticket"]["live_ids"][-1]
    ticket = client.tickets(id=number)
    assert ticket.id == number and ticket.requester.id == ticket.requester_id
    assert [comment.public for comment in client.tickets.comments(ticket=number)]
    assert ticket.id in [found.id for found in client.search(type="ticket", status=ticket.status)]
    ratings = list(client.satisfaction_ratings())
    assert len(ratings) == sandbox.truth()["rating"]["live"]


def test_exports_ticket_events(client: Zenpy, sandbox: SandboxProcess) -> None:
    updates = list(client.tickets.events(start_time=1, include=["comment_events"]))
    tickets = {update.ticket_id for update in updates}
    assert tickets <= set(sandbox.truth()["ticket"]["live_ids"] + sandbox.truth()["ticket"]["deleted_ids"])
    assert all(update.child_events for update in updates)
    number = sandbox.truth()["ticket"]["live_ids"][-1]
    assert next(audit.ticket_id for audit in client.tickets.audits(ticket=number)) == number
