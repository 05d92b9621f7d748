"""As much of Slack as the Slack channel needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.delivery.stub import Answer, Call

USERS = {"ada@vendor.example": "U1", "lead@vendor.example": "U2"}


@dataclass
class Workspace:
    """A workspace that keeps what was posted; ``next_error`` refuses the next post in Slack's way."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[dict[str, Any]] = field(default_factory=list)
    next_error: str = ""
    may_read_history: bool = True
    page: int = 100

    def answer(self, call: Call) -> Answer:
        """Answer a call of the Web API."""
        method = call.path.strip("/").replace(".", "_")
        return 200, getattr(self, method)(call)

    def auth_test(self, call: Call) -> dict[str, Any]:
        return {"ok": True, "team_id": "T1", "team": "Vendor"}

    def users_lookupByEmail(self, call: Call) -> dict[str, Any]:
        user = USERS.get(call.query["email"])
        return {"ok": True, "user": {"id": user}} if user else {"ok": False, "error": "users_not_found"}

    def conversations_open(self, call: Call) -> dict[str, Any]:
        return {"ok": True, "channel": {"id": f"D{call.body['users']}"}}

    def conversations_list(self, call: Call) -> dict[str, Any]:
        return {"ok": True, "channels": [{"id": "C9", "name": "cs-operations"}]}

    def chat_postMessage(self, call: Call) -> dict[str, Any]:
        if self.next_error:
            error, self.next_error = self.next_error, ""
            return {"ok": False, "error": error}
        ts = f"{1_800_000_000 + len(self.messages) + len(self.deleted)}.000100"
        self.messages.append({**call.body, "ts": ts})
        return {"ok": True, "channel": call.body["channel"], "ts": ts}

    def chat_delete(self, call: Call) -> dict[str, Any]:
        here = [
            each for each in self.messages if (each["channel"], each["ts"]) == (call.body["channel"], call.body["ts"])
        ]
        if not here:
            return {"ok": False, "error": "message_not_found"}
        self.messages.remove(here[0])
        self.deleted.append(here[0])
        return {"ok": True}

    def conversations_history(self, call: Call) -> dict[str, Any]:
        if not self.may_read_history:
            return {"ok": False, "error": "missing_scope", "needed": "im:history"}
        here = [each for each in reversed(self.messages) if each["channel"] == call.query["channel"]]
        start = int(call.query.get("cursor", "0"))
        following = start + self.page
        return {
            "ok": True,
            "messages": [{"ts": each["ts"], "metadata": each.get("metadata")} for each in here[start:following]],
            "response_metadata": {"next_cursor": str(following) if following < len(here) else ""},
        }
