"""The Slack channel: the outcome of each kind of Slack failure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from include.common import paths
from include.common.errors import AuthError, PerennialError, Unavailable
from include.config import load
from include.deliver.channels.base import Undeliverable
from include.deliver.channels.slack import SlackChannel, connect
from include.deliver.channels.slack_webhook import SlackWebhook
from include.outbox.store import Delivery
from tests.deliver.example_messages import NOW, delivery
from tests.fixtures.slack_server import Workspace
from tests.fixtures.vendor_server import Stub, serve

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def slack(workspace: Workspace) -> Iterator[Stub]:
    with serve(workspace.answer) as stub:
        yield stub


@pytest.fixture
def channel(slack: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlackChannel:
    monkeypatch.setenv("PERENNIAL_HOME", str(tmp_path))
    monkeypatch.setenv(
        "AIRFLOW_CONN_SLACK", f'{{"conn_type": "slack", "host": "{slack.url}", "password": "xoxb-secret"}}'
    )
    opened = SlackChannel.connect(load())
    opened._client.sleep = lambda seconds: None
    return opened


def addressed(channel: SlackChannel, **changes: object) -> Delivery:
    one = delivery("slack", **changes)
    return replace(one, address=channel.address(one))


def test_direct_message_has_its_key_and_no_active_markup(channel: SlackChannel, workspace: Workspace) -> None:
    one = addressed(channel)
    outcome = channel.send([one])[one.key]
    assert (outcome.state, outcome.external_id) == ("sent", "DU1/1800000000.000100")
    (sent,) = workspace.messages
    assert sent["metadata"] == {"event_type": "perennial_message", "event_payload": {"key": one.key}}
    assert (sent["parse"], sent["link_names"], sent["unfurl_links"]) == ("none", False, False)
    assert sent["text"].startswith("Customer 1: 30 days")
    assert channel.find("DU1", NOW) == {one.key: "DU1/1800000000.000100"}


@pytest.mark.parametrize("fault", ["hang", "drop", "refuse", 500, 503])
def test_broken_response_is_uncertain_and_not_resent(
    channel: SlackChannel, slack: Stub, workspace: Workspace, fault: str | int
) -> None:
    one = addressed(channel)
    slack.faults["/chat.postMessage"] = [fault]
    assert channel.send([one])[one.key].state == "uncertain"
    assert len(slack.made("/chat.postMessage")) == 1
    assert len(workspace.messages) == (1 if fault in ("hang", "drop") else 0)
    assert bool(channel.find("DU1", NOW)) == bool(workspace.messages)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("fatal_error", "uncertain"),
        ("internal_error", "uncertain"),
        ("channel_not_found", "refused"),
        ("msg_blocks_too_long", "refused"),
        ("is_archived", "refused"),
    ],
)
def test_slack_error_responses(channel: SlackChannel, workspace: Workspace, error: str, state: str) -> None:
    one = addressed(channel)
    workspace.next_error = error
    outcome = channel.send([one])[one.key]
    assert outcome.state == state
    assert error in outcome.reason


@pytest.mark.parametrize("error", ["invalid_auth", "token_revoked", "missing_scope", "account_inactive"])
def test_wrong_token_stops_the_channel_not_the_message(channel: SlackChannel, workspace: Workspace, error: str) -> None:
    one = addressed(channel)
    workspace.next_error = error
    with pytest.raises(AuthError, match=error) as caught:
        channel.send([one])
    assert "xoxb-secret" not in str(caught.value)
    assert "connection slack" in caught.value.cure


def test_throttled_message_waits_and_is_sent_once(channel: SlackChannel, slack: Stub, workspace: Workspace) -> None:
    one = addressed(channel)
    slack.faults["/chat.postMessage"] = [429, 429]
    assert channel.send([one])[one.key].state == "sent"
    assert len(workspace.messages) == 1


def test_long_throttling_stops_the_channel(channel: SlackChannel, slack: Stub) -> None:
    one = addressed(channel)
    slack.faults["/chat.postMessage"] = [429] * 20
    with pytest.raises(PerennialError, match="429"):
        channel.send([one])


def test_no_slack_user_for_the_recipient(channel: SlackChannel) -> None:
    with pytest.raises(Undeliverable, match=r"nobody@vendor\.example") as caught:
        channel.address(delivery("slack", recipient="nobody@vendor.example"))
    assert "same e-mail address" in caught.value.cure


def test_people_yaml_can_name_a_slack_channel(channel: SlackChannel) -> None:
    assert channel.address(delivery("slack", recipient="cs-operations@example.com")) == "C9"


def test_configured_address_wins_over_the_slack_lookup(
    channel: SlackChannel, slack: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert channel.address(delivery("slack", recipient="ada@vendor.example")) == "DU1"
    folder = tmp_path / "overlay" / "config"
    folder.mkdir(parents=True)
    shipped = paths.ROOT / "include" / "defaults" / "config" / "people.yaml"
    given = shipped.read_text().replace("slack: {}", "slack: {Ada@Vendor.example: U2, nobody@vendor.example: U1}")
    (folder / "people.yaml").write_text(given)
    monkeypatch.setenv("PERENNIAL_CONFIG_DIR", str(tmp_path / "overlay"))
    by_hand = SlackChannel.connect(load())
    slack.calls.clear()
    assert by_hand.address(delivery("slack", recipient="ada@vendor.example")) == "DU2"
    assert by_hand.address(delivery("slack", recipient="nobody@vendor.example")) == "DU1"
    assert not [call for call in slack.calls if "lookupByEmail" in call.path]


def test_tokens_and_webhooks_of_a_workspace_share_rate_limits(
    channel: SlackChannel, slack: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = channel.client.limiter.shared
    addressed(channel)
    assert channel.client.limiter.shared != own
    host = f'"conn_type": "slack", "host": "{slack.url}'
    monkeypatch.setenv("AIRFLOW_CONN_SLACK", f'{{{host}", "password": "xoxb-another"}}')
    other = SlackChannel.connect(load())
    other.identity()
    monkeypatch.setenv("AIRFLOW_CONN_SLACK", f'{{{host}/services", "password": "T1/B1/secret"}}')
    webhook = connect(load())
    assert isinstance(webhook, SlackWebhook)
    assert {other.client.limiter.shared, webhook._client.limiter.shared} == {channel.client.limiter.shared}


def test_workspace_error_is_not_a_rejection(
    channel: SlackChannel, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(Unavailable, match="internal_error"):
        patched.setattr(workspace, "auth_test", lambda call: {"ok": False, "error": "internal_error"})
        addressed(channel)
    assert addressed(channel).address == "DU1"


def test_history_is_read_to_its_end(channel: SlackChannel, workspace: Workspace) -> None:
    workspace.page = 2
    keys = []
    for number in range(5):
        one = addressed(channel, step=str(number))
        channel.send([one])
        keys.append(one.key)
    assert set(channel.find("DU1", NOW) or {}) == set(keys)


def test_history_without_permission_is_none(channel: SlackChannel, workspace: Workspace) -> None:
    workspace.may_read_history = False
    assert channel.find("DU1", NOW) is None


@pytest.mark.parametrize("cursor", [lambda n: "a", lambda n: "ab"[n % 2], lambda n: f"c{n}"])
def test_endless_channel_list_ends_with_an_error(channel: SlackChannel, workspace: Workspace, cursor) -> None:
    numbers = itertools.count()

    def answer(call) -> dict:
        following = {"next_cursor": cursor(next(numbers))}
        return {"ok": True, "channels": [{"id": "C1", "name": "other"}], "response_metadata": following}

    workspace.conversations_list = answer  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match=r"Slack's conversations\.list: the vendor returned"):
        channel._channel_named("cs-operations")
