"""The custom bot of a Feishu or Lark group.

Limits, codes and the signature: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot. The same API answers
at https://open.larksuite.com for Lark.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import orjson

from include.deliver.channels.robots.channel import Meaning, RobotChannel
from include.deliver.render import rooms
from include.deliver.render.rooms import Line
from include.http.limiter import Limit

MAX_BYTES = 20_000  # of the whole body
_BAD_REQUEST = 9499


class Feishu(RobotChannel):
    """Writes to a Feishu group, as a post: its texts are plain, and mentions are elements of their own."""

    name = "feishu"
    path = "/open-apis/bot/v2/hook"
    key_hint = "enter the part of the webhook's URL after /hook/ as its password, and https://open.feishu.cn as host"
    limit = Limit(5, 3.0)  # keeps both limits of a bot: 5 a second and 100 a minute
    room = MAX_BYTES - 1500
    code_field, text_field = "code", "msg"
    meanings: ClassVar[Mapping[Any, Meaning]] = {
        19001: "closed",  # "incoming webhook access token invalid"
        19021: "closed",  # "sign match fail or timestamp is not within one hour from current time"
        19022: "closed",  # "Ip Not Allowed"
        19024: "closed",  # "Key Words Not Found": with keywords, hardly any message would pass
        11232: "later",  # "frequency limited"
    }
    cure = (
        "enter the bot's key as password and, if it checks signatures, its secret as signing_secret; correct this"
        " machine's clock, the bot's list of addresses or its keywords"
    )

    def secret_part(self) -> str:
        return f"/{self.key}"

    def show(self, line: Line) -> list[dict[str, str]]:
        return [
            {"tag": "a", "text": rooms.literal(run.text), "href": run.url}
            if run.url
            else {"tag": "text", "text": rooms.literal(run.text)}
            for run in line.runs
        ]

    def size(self, shown: list[dict[str, str]]) -> int:
        return len(orjson.dumps(shown)) + 1

    def content(self, title: str, shown: Sequence[list[dict[str, str]]]) -> dict[str, Any]:
        # A post needs one language at least. Every client shows the only one.
        post = {"zh_cn": {"title": rooms.literal(title), "content": list(shown)}}
        return {"msg_type": "post", "content": {"post": post}, **self._signature()}

    def read(self, status: int, data: Any) -> tuple[Meaning, str]:
        """Return the meaning of an answer. 9499 with status 400 says "Bad Request", or "too many request"."""
        meaning, text = super().read(status, data)
        is_throttled = f"answered {_BAD_REQUEST}:" in text and "too many" in text.lower()
        return ("later" if is_throttled else meaning), text

    def _signature(self) -> dict[str, str]:
        """Return the fields of the signature: the text is the key, and nothing is signed with it."""
        if not self.signing_secret:
            return {}
        timestamp = str(int(self.now().timestamp()))
        digest = hmac.new(f"{timestamp}\n{self.signing_secret}".encode(), b"", hashlib.sha256).digest()
        return {"timestamp": timestamp, "sign": base64.b64encode(digest).decode()}
