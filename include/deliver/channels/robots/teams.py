"""A Microsoft Teams channel or chat, by a Workflows webhook: a Power Automate flow that posts Adaptive Cards.

How to create one: https://support.microsoft.com/office/8ae491c7-0394-4861-ba59-055e33f75498. The flow runs after the
answer: 202 says that it has started, not that it has posted. Limits that only the flow would notice are therefore kept
here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from include.deliver.channels.robots.channel import Meaning, RobotChannel
from include.deliver.render import rooms
from include.deliver.render.rooms import Line
from include.http.limiter import Limit

# Of the message's properties, in which the card is JSON inside JSON. The documentation says "about 28 KB"; the error is
# "Message properties size exceeded … max allowed size is 28672 bytes"
# (https://github.com/MicrosoftDocs/msteams-docs/issues/11274: a body of 24,453 bytes counted 28,897).
MAX_BYTES = 28_672
_CARD = "application/vnd.microsoft.card.adaptive"
_OFF = "WorkflowTriggerIsNotEnabled"  # with status 400, for a flow that is off or was deleted


def size_in_properties(content: Any) -> int:
    """Return the bytes of a card in the message's properties. Letters beyond ASCII count as escapes, to be safe."""
    return len(json.dumps(json.dumps(content)))


class Teams(RobotChannel):
    """Writes to a Teams channel, as an Adaptive Card.

    Its texts are text runs, in which "Markdown is not supported"
    (https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run). A mention needs an entity of the card, which
    is never sent.
    """

    name = "teams"
    path = "/"
    key_pattern = r"/\S+[?&]sig=[\w%.~-]+\S*"
    key_hint = (
        "enter the webhook's URL in two parts: https:// and the host (with its port) as host, and the rest, which"
        " begins with / and contains sig=, as its password"
    )
    # "Post an Adaptive Card as Flow bot, and any other Flow bot operations": 25 per connection in 300 seconds
    # (https://learn.microsoft.com/connectors/teams/#limits). The webhook itself would accept more.
    limit = Limit(25, 300.0)
    room = MAX_BYTES - 4500
    cure = (
        "in Power Automate, turn the flow on and let anyone trigger it; enter its present URL: the host as host, the"
        " rest as password"
    )

    @classmethod
    def secrets_in(cls, key: str) -> tuple[str, ...]:
        return tuple(parse_qs(urlsplit(key).query).get("sig", ()))

    def secret_part(self) -> str:
        return self.key

    def show(self, line: Line) -> dict[str, Any]:
        if url := next((run.url for run in line.runs if run.url), ""):
            title = rooms.literal("".join(run.text for run in line.runs))
            return {"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "title": title, "url": url}]}
        runs = [
            {"type": "TextRun", "text": rooms.literal(run.text)}
            | ({"weight": "Bolder"} if run.is_bold else {})
            | ({"isSubtle": True} if line.is_quoted else {})
            for run in line.runs
        ]
        return {"type": "RichTextBlock", "inlines": runs}

    def size(self, shown: dict[str, Any]) -> int:
        return size_in_properties(shown)

    def content(self, title: str, shown: Sequence[dict[str, Any]]) -> dict[str, Any]:
        heading = {"type": "TextRun", "text": rooms.literal(title), "weight": "Bolder", "size": "Medium"}
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": [{"type": "RichTextBlock", "inlines": [heading]}, *shown],
        }
        return {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}

    def parse(self, content: bytes) -> Any:
        """Return nothing: the body of a success is empty, or whatever the flow's author made it."""
        return None

    def read(self, status: int, data: Any) -> tuple[Meaning, str]:
        """Return the meaning of an answer: a status, and the code of an error."""
        if status < 300:
            return "sent", ""
        error = data.get("error") if isinstance(data, dict) else None
        error = error if isinstance(error, dict) else {}
        text = f"Teams answered {status} {error.get('code', '')}: {str(error.get('message', ''))[:200]}"
        is_closed = status in self.no_such_path or error.get("code") == _OFF
        return "closed" if is_closed else "refused", text
