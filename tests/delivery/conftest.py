"""The house of the decisions' tests, together with all three outsides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.delivery import holds
from include.sources.http import sending
from include.sources.http.client import Client
from tests.alerts.conftest import house, overlay  # noqa: F401
from tests.alerts.house import House
from tests.alerts.signals.conftest import ward  # noqa: F401
from tests.delivery.stub import Stub, giving_up, serve
from tests.delivery.stub_hubspot import Portal
from tests.delivery.stub_mail import MailServer, running
from tests.delivery.stub_slack import Workspace


@pytest.fixture(autouse=True)
def no_answer_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients wait for an answer as long as it takes, and give up only where a stub hangs."""
    monkeypatch.setattr(sending, "send", giving_up(sending.send))


def make_hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients not wait between two attempts."""
    prepare = Client.__post_init__

    def prepare_hastily(made: Client) -> None:
        prepare(made)
        made.sleep = lambda seconds: None

    monkeypatch.setattr(Client, "__post_init__", prepare_hastily)


@dataclass
class Outside:
    """Slack, a mail server and HubSpot, with what they received."""

    workspace: Workspace
    slack: Stub
    mail: MailServer
    portal: Portal
    hubspot: Stub

    def received(self) -> list[str]:
        """Return the key of every message and task received, each as often as it was."""
        posted = [message["metadata"]["event_payload"]["key"] for message in self.workspace.messages]
        mailed = [mail.partition(b"Message-ID: <")[2].partition(b"@")[0].decode() for mail in self.mail.mails]
        return sorted([*posted, *mailed, *(task["perennial_key"] for task in self.portal.tasks.values())])


@pytest.fixture
def outside(socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """All three outsides, connected."""
    workspace, portal = Workspace(), Portal()
    with serve(workspace.answer) as slack_stub, serve(portal.answer) as hubspot_stub, running(MailServer()) as mail:
        connections = {
            "SLACK": {"conn_type": "slack", "host": slack_stub.url, "password": "xoxb-1"},
            "CRM": {"conn_type": "hubspot", "host": hubspot_stub.url, "password": "pat-1"},
            "SMTP": {"conn_type": "smtp", "host": "127.0.0.1", "port": mail.port},
        }
        for name, connection in connections.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
        monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path / "home"))
        make_hasty(monkeypatch)
        yield Outside(workspace, slack_stub, mail, portal, hubspot_stub)


@pytest.fixture
def open_house(house: House, outside: Outside) -> House:  # noqa: F811
    """The house with e-mail released: slack and tasks release themselves."""
    holds.release("email", "a new store: nothing was sent before", "test", house.now)
    return house
