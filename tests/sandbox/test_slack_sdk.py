"""Slack's Python client works on the sandbox unchanged, and messages are stored."""

from __future__ import annotations

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from tests.fixtures.sandbox import SandboxProcess


@pytest.fixture
def client(sandbox: SandboxProcess) -> WebClient:
    connection = sandbox.connection("slack")
    return WebClient(token=connection["password"], base_url=f"{connection['host']}/")


def _section(text: str) -> dict:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _owner_mail(sandbox: SandboxProcess) -> str:
    connection = sandbox.connection("crm")
    headers = {"Authorization": f"Bearer {connection['password']}"}
    owners = requests.get(f"{connection['host']}/crm/v3/owners", headers=headers, timeout=600).json()["results"]
    return owners[0]["email"]


def test_posts_to_a_person_and_finds_the_message_again(client: WebClient, sandbox: SandboxProcess) -> None:
    assert client.auth_test()["team"] == "Sandbox"
    user = client.users_lookupByEmail(email=_owner_mail(sandbox))["user"]["id"]
    channel = client.conversations_open(users=[user])["channel"]["id"]
    metadata = {"event_type": "renewal_alert", "event_payload": {"key": "abc"}}
    posted = client.chat_postMessage(channel=channel, text="Renewal", blocks=[_section("*Renewal*")], metadata=metadata)
    found = client.conversations_history(channel=channel, include_all_metadata=True)["messages"]
    assert [(message["ts"], message["metadata"]) for message in found] == [(posted["ts"], metadata)]
    assert "metadata" not in client.conversations_history(channel=channel)["messages"][0]
    client.chat_update(channel=channel, ts=posted["ts"], text="Renewal, done")
    assert [message["text"] for message in sandbox.inbox()["messages"]] == ["Renewal, done"]


def test_two_messages_of_one_moment_have_different_keys(client: WebClient) -> None:
    keys = {client.chat_postMessage(channel="#cs-operations", text="x")["ts"] for _ in range(5)}
    assert len(keys) == 5


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
@pytest.mark.parametrize(
    ("channel", "given", "error"),
    [
        ("#nowhere", {"text": "x"}, "channel_not_found"),
        ("#old-project", {"text": "x"}, "is_archived"),
        ("#board", {"text": "x"}, "not_in_channel"),
        ("#general", {"text": ""}, "no_text"),
        ("#general", {"text": "x", "blocks": [_section("x")] * 51}, "invalid_blocks"),
        ("#general", {"text": "x", "blocks": [_section("x" * 3001)]}, "invalid_blocks"),
        ("#general", {"text": "x", "blocks": [_section("x" * 2900)] * 5}, "msg_blocks_too_long"),
        ("#general", {"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn"}}]}, "invalid_blocks"),
        ("#general", {"text": "x", "metadata": {"key": "abc"}}, "invalid_metadata_format"),
    ],
)  # fmt: skip
def test_errors_match_slack(client: WebClient, sandbox: SandboxProcess, channel: str, given: dict, error: str) -> None:
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=channel, **given)
    assert refused.value.response["error"] == error
    assert refused.value.response.status_code == 200
    assert sandbox.inbox()["messages"] == []


def test_wrong_token_is_rejected(sandbox: SandboxProcess) -> None:
    client = WebClient(token="xoxb-wrong", base_url=f"{sandbox.connection('slack')['host']}/")
    with pytest.raises(SlackApiError, match="invalid_auth"):
        client.chat_postMessage(channel="#general", text="x")


def test_channel_accepts_a_burst_then_one_per_second(client: WebClient, sandbox: SandboxProcess) -> None:
    sandbox.control("limits", **{"slack.channel": [1, 1.0]})
    with pytest.raises(SlackApiError) as refused:
        for _ in range(8):
            client.chat_postMessage(channel="#general", text="x")
    assert refused.value.response.status_code == 429
    assert int(refused.value.response.headers["Retry-After"]) >= 1
    assert refused.value.response["error"] == "ratelimited"


def test_webhook_returns_ok_or_a_reason(sandbox: SandboxProcess) -> None:
    hook = WebhookClient(sandbox.note["webhook"])
    assert (hook.send(text="hello").status_code, hook.send(text="hello").body) == (200, "ok")
    assert (hook.send(text="").status_code, hook.send(text="").body) == (400, "no_text")
    assert WebhookClient(sandbox.note["webhook"] + "x").send(text="hello").status_code == 403
