"""Send direct messages in Slack, as a bot.

Slack has no idempotency key. Every message carries its key in its metadata. If an outcome is uncertain, the
conversation's history is searched for the key before anything is sent again. Scopes: chat:write, im:write, im:history,
users:read.email; also channels:history and channels:read if a team is written to in a channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from include.common import connections
from include.common.errors import AuthError, Unavailable
from include.config import Settings
from include.deliver.channels import slack_webhook
from include.deliver.channels.base import TIMEOUTS, Channel, Outcome, Undeliverable, message_of
from include.deliver.render import slack as render_slack
from include.http.auth import Bearer
from include.http.client import Client, RatePolicy, Refused, Uncertain
from include.http.limiter import Limit, for_account
from include.http.loops import Loop
from include.outbox.store import Delivery

EVENT_TYPE = "perennial_message"
_PAGE = 200
_MAX_PAGES = 25
# A page may contain fewer entries than requested before the end, and many may be empty (docs.slack.dev,
# conversations.list).
_MOST_EMPTY = 100
# Limits by method. Slack's limit of one message per second and conversation allows bursts, so its answers enforce it.
_LIMITS = {
    "auth.test": Limit(50, 60.0),
    "chat.delete": Limit(50, 60.0),
    "chat.postMessage": Limit(240, 60.0),
    "conversations.history": Limit(50, 60.0),
    "conversations.list": Limit(20, 60.0),
    "conversations.open": Limit(50, 60.0),
    "users.lookupByEmail": Limit(50, 60.0),
}
# By Slack's documentation, the message may have been posted despite these errors.
_MAYBE_POSTED = {"fatal_error", "internal_error", "request_timeout", "service_unavailable"}
_TOKEN_ERRORS = {
    "invalid_auth",
    "not_authed",
    "account_inactive",
    "token_revoked",
    "token_expired",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "org_login_required",
    "access_denied",
    "accesslimited",
    "team_access_not_granted",
    "ekm_access_denied",
}
_CURES = {
    "channel_not_found": "check the channel in people.yaml",
    "not_in_channel": "invite the bot into the channel",
    "is_archived": "name another channel in people.yaml",
    "users_not_found": "give that person the same e-mail address in Slack and in the CRM",
}


# The scopes that the bot needs: to write, to find people and their conversations, and to resolve uncertain messages.
SCOPES = ("chat:write", "im:write", "users:read", "users:read.email", "im:history", "channels:history")


class _SlackError(Exception):
    """Slack answered ``ok: false``."""

    def __init__(self, error: str) -> None:
        self.error = error
        super().__init__(error)


def connect(settings: Settings) -> Channel:
    """Return the channel of a workspace: the bot, or the webhook if the connection's URL is one.

    Raises:
        ConfigError: The connection is missing or wrong.
    """
    connection = connections.get(settings.channels.slack.connection)
    if connection.base_url(settings.allowed_plain_http_hosts).endswith(slack_webhook.HOST_PATH):
        return slack_webhook.SlackWebhook.connect(connection, settings)
    return SlackChannel.connect(settings)


class SlackChannel:
    """Writes to people by their e-mail address, or to the channel or user that people.yaml names for them.

    Args:
        places: E-mail address -> user id, channel id or #channel, where people.yaml names one.
    """

    name = "slack"
    batch_size = 1
    is_repeatable = False

    def __init__(self, client: Client, places: Mapping[str, str]) -> None:
        self._client = client
        self._places = {email.lower(): place for email, place in places.items()}
        self._conversations: dict[str, str] = {}
        self._shares_workspace_limits = False

    @classmethod
    def connect(cls, settings: Settings) -> SlackChannel:
        """Return the channel of the workspace that channels.yaml names.

        Raises:
            ConfigError: The connection is missing or wrong.
        """
        connection = connections.get(settings.channels.slack.connection)
        base_url = connection.base_url(settings.allowed_plain_http_hosts)
        token = connection.secret()
        client = Client(
            base_url=base_url,
            auth=Bearer(token),
            limiter=for_account("slack", base_url, token, limits=_LIMITS),
            rate_policy=RatePolicy(name="Slack", explain=_error_code),
            secrets=(token,),
            connection_id=connection.id,
            timeouts=TIMEOUTS,
        )
        known = settings.people
        people = (known.queue, known.head, *known.team_leads.values(), *known.data_owners.values())
        return cls(client, {person.email: person.slack for person in people if person and person.slack} | known.slack)

    def address(self, delivery: Delivery) -> str:
        """Return the id of the conversation with the person, and open it if necessary."""
        message_of(delivery)
        email = delivery.recipient.lower()
        if email not in self._conversations:
            self._conversations[email] = self._conversation(email)
        return self._conversations[email]

    def send(self, deliveries: Sequence[Delivery]) -> Mapping[str, Outcome]:
        (delivery,) = deliveries
        message = message_of(delivery, is_shared=not delivery.address.startswith("D"))
        payload = {
            "channel": delivery.address,
            "text": render_slack.fallback_text(message),
            "blocks": render_slack.blocks(message),
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": delivery.key}},
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        try:
            answer = self._call("chat.postMessage", payload, is_repeatable=False)
        except Uncertain as error:
            return {delivery.key: Outcome("uncertain", error.message)}
        except Refused as error:
            return {delivery.key: Outcome("refused", str(error))}
        except _SlackError as error:
            return {delivery.key: _outcome(error.error)}
        return {
            delivery.key: Outcome("sent", external_id=f"{answer.get('channel', delivery.address)}/{answer.get('ts')}")
        }

    def find(self, address: str, since: datetime) -> Mapping[str, str] | None:
        """Return our messages in a conversation's history; None if the bot may not read it."""
        found: dict[str, str] = {}
        cursor, loop = None, Loop("Slack's conversations.history", _MOST_EMPTY)
        for _ in range(_MAX_PAGES):
            query = {
                "channel": address,
                "oldest": f"{since.timestamp():.6f}",
                "limit": _PAGE,
                "include_all_metadata": "true",
                "cursor": cursor,
            }
            try:
                answer = self._get("conversations.history", query)
            except _SlackError:
                return None
            except AuthError as error:
                if "missing_scope" in error.message:
                    return None
                raise
            for message in answer.get("messages") or []:
                metadata = message.get("metadata") or {}
                key = (metadata.get("event_payload") or {}).get("key")
                if metadata.get("event_type") == EVENT_TYPE and key:
                    found[str(key)] = f"{address}/{message.get('ts')}"
            requested, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return found
            loop.check(requested, cursor, (str(message.get("ts")) for message in answer.get("messages") or []))
        return None  # too long to read completely: a missing message may still be there

    def take_back(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        (delivery,) = deliveries
        channel, _, ts = delivery.external_id.partition("/")
        if not ts:
            return {delivery.key: "Slack did not return the message's id"}
        try:
            self._call("chat.delete", {"channel": channel, "ts": ts}, is_repeatable=True)
        except (_SlackError, Refused) as error:
            code = error.error if isinstance(error, _SlackError) else error.message
            return {} if code == "message_not_found" else {delivery.key: f"Slack did not delete it: {code}"}
        return {}

    @property
    def client(self) -> Client:
        return self._client

    def identity(self) -> dict[str, Any]:
        """Return the identity of the token. From now on, its calls share the limits of its workspace."""
        try:
            identity_data = self._call("auth.test", {}, is_repeatable=True)
        except _SlackError as error:
            raise Unavailable(
                f"Slack could not check the token: {error}", cure="nothing to do: it is retried later"
            ) from None
        workspace = for_account("slack", str(identity_data.get("team_id") or ""), limits=_LIMITS)
        self._client.limiter = replace(self._client.limiter, shared=workspace.shared)
        self._shares_workspace_limits = True
        return identity_data

    def close(self) -> None:
        self._client.session.close()

    def _conversation(self, email: str) -> str:
        place = self._places.get(email, "")
        try:
            if place.startswith("#"):
                return self._channel_named(place[1:])
            if place.startswith(("C", "G", "D")):
                return place
            user = place or self._get("users.lookupByEmail", {"email": email})["user"]["id"]
            return self._call("conversations.open", {"users": user}, is_repeatable=True)["channel"]["id"]
        except (_SlackError, Refused) as error:
            code = error.error if isinstance(error, _SlackError) else error.message
            raise Undeliverable(
                f"Slack does not know {email}: {code}",
                cure=_CURES.get(code, "check the person's entry in people.yaml"),
            ) from None

    def _channel_named(self, name: str) -> str:
        cursor, loop = None, Loop("Slack's conversations.list", _MOST_EMPTY)
        while True:
            query = {"limit": _PAGE, "exclude_archived": "true", "types": "public_channel", "cursor": cursor}
            answer = self._get("conversations.list", query)
            for channel in answer.get("channels") or []:
                if channel.get("name") == name:
                    return str(channel["id"])
            requested, cursor = cursor, (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                raise _SlackError("channel_not_found")
            loop.check(requested, cursor, (str(channel.get("id")) for channel in answer.get("channels") or []))

    def _get(self, method: str, query: Mapping[str, Any]) -> dict[str, Any]:
        self._use_workspace_limits(method)
        return self._data(method, self._client.get(f"/{method}", query, kind=method).data)

    def _call(self, method: str, payload: Mapping[str, Any], *, is_repeatable: bool) -> dict[str, Any]:
        self._use_workspace_limits(method)
        answer = self._client.call("POST", f"/{method}", json=payload, kind=method, is_repeatable=is_repeatable)
        return self._data(method, answer.data)

    def _use_workspace_limits(self, method: str) -> None:
        """Look up the workspace before any other call: its limits are shared by all of its tokens."""
        if not self._shares_workspace_limits and method != "auth.test":
            self.identity()

    def _data(self, method: str, data: Any) -> dict[str, Any]:
        """Return the answer. Slack reports most errors with status 200 and ``ok: false``."""
        if not isinstance(data, dict):
            raise Uncertain(f"Slack's answer to {method} cannot be read", cure="check the conversation in Slack")
        if data.get("ok") is True:
            return data
        error = str(data.get("error") or "no reason given")
        if error in _TOKEN_ERRORS:
            needed = f", it needs {data['needed']}" if data.get("needed") else ""
            raise AuthError(
                f"Slack refuses {method}: {error}{needed}",
                cure=f"correct the token of connection {self._client.connection_id}, or grant the scope to its app",
            )
        if error in ("ratelimited", "rate_limited"):
            raise Unavailable(f"Slack refuses {method}: too many calls", cure="nothing to do: it is retried later")
        raise _SlackError(error)


def _outcome(error: str) -> Outcome:
    if error in _MAYBE_POSTED:
        return Outcome("uncertain", f"Slack answered {error}: the message may have been posted")
    cure = _CURES.get(error)
    return Outcome("refused", f"Slack answered {error}" + (f" | {cure}" if cure else ""))


def _error_code(data: Any) -> str:
    return str(data.get("error") or "") if isinstance(data, dict) else ""
