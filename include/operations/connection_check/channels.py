"""Check the connections of the message channels without sending anything."""

from __future__ import annotations

from collections.abc import Iterator

from include.common.errors import PerennialError
from include.config import Settings
from include.deliver.channels import slack
from include.deliver.channels.email import EmailChannel
from include.deliver.channels.robots import ROBOTS
from include.deliver.channels.slack import SCOPES, SlackChannel
from include.deliver.channels.slack_webhook import SlackWebhook
from include.operations.connection_check.finding import LimitedSleep, Line, failed
from include.operations.connection_check.network import reach

_WAITING = 10.0


def check(name: str, settings: Settings) -> Iterator[Line]:
    """Check the connection of a message channel.

    Args:
        name: The channel, such as ``slack`` or ``email``.
    """
    options = getattr(settings.channels, name)
    is_on = not options.dry_run
    try:
        if name in ROBOTS:
            yield from _robot(name, settings)
        else:
            yield from _slack(settings) if name == "slack" else _email(settings)
    except PerennialError as error:
        line = failed(options.connection, "credentials", error)
        if is_on:
            yield line
            return
        # A channel in dry run does not need a working connection.
        yield Line(
            options.connection, "credentials", "warning", f"{error.message}; the channel is in dry run", error.cure
        )
        return
    fix = "" if is_on else f"set {name}.dry_run to false in config/channels.yaml to send messages"
    yield Line(options.connection, "channel", "ok" if is_on else "warning", "on" if is_on else "in dry run", fix)


def _slack(settings: Settings) -> Iterator[Line]:
    connection = settings.channels.slack.connection
    opened = slack.connect(settings)
    if isinstance(opened, SlackWebhook):
        opened.close()
        yield Line(connection, "credentials", "unknown", "a webhook: only a message can test it")
        return
    channel = SlackChannel.connect(settings)
    client = channel.client
    client.sleep = client.limiter.sleep = LimitedSleep(_WAITING)
    try:
        yield from reach(connection, client.base_url)
        who = channel.identity()
        yield Line(connection, "credentials", "ok", f"{who.get('user', '?')} in {who.get('team', '?')}")
        granted = {scope.strip() for scope in client.headers.get("X-OAuth-Scopes", "").split(",") if scope.strip()}
        missing = [scope for scope in SCOPES if scope not in granted]
        if not granted:
            yield Line(connection, "scopes", "unknown", "Slack does not list the token's scopes")
        elif missing:
            fix = "grant them under OAuth & Permissions of the Slack app, and reinstall it"
            yield Line(connection, "scopes", "failed", f"missing: {', '.join(missing)}", fix, exit_status=3)
        else:
            yield Line(connection, "scopes", "ok", ", ".join(SCOPES))
    finally:
        channel.close()


def _robot(name: str, settings: Settings) -> Iterator[Line]:
    channel = ROBOTS[name].connect(settings)
    connection = channel.client.connection_id
    channel.close()
    yield from reach(connection, channel.client.base_url)
    yield Line(connection, "credentials", "unknown", "a group robot: only a message can test it")


def _email(settings: Settings) -> Iterator[Line]:
    channel = EmailChannel.connect(settings)
    try:
        yield Line(settings.channels.email.connection, "credentials", "ok", channel.greet())
    finally:
        channel.close()
