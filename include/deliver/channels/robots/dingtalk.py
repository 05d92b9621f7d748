"""The custom robot of a DingTalk group.

Limits and the signature: https://open.dingtalk.com/document/robots/custom-robot-access and
https://open.dingtalk.com/document/robots/customize-robot-security-settings. DingTalk answers 200 to every error. Codes
differ between its pages and its service. Known ones are listed with the text that goes with them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import orjson

from include.deliver.channels.robots.channel import Meaning, RobotChannel
from include.deliver.render import rooms
from include.deliver.render.rooms import Line
from include.http.limiter import Limit

MAX_BYTES = 20_000  # "message too long, exceed 20000 bytes"


class DingTalk(RobotChannel):
    """Writes to a DingTalk group, in Markdown. Mentions are a field of their own, which is never sent."""

    name = "dingtalk"
    path = "/robot/send"
    key_hint = (
        "enter the part of the webhook's URL after access_token= as its password, and https://oapi.dingtalk.com as host"
    )
    limit = Limit(20, 60.0)  # per robot
    pause_seconds = 600.0  # after more than 20 messages a minute, it is blocked for 10 minutes
    room = MAX_BYTES - 2500
    code_field, text_field = "errcode", "errmsg"
    meanings: ClassVar[Mapping[Any, Meaning]] = {
        300001: "closed",  # "token is not exist"
        300005: "closed",  # "token is not exist"
        400101: "closed",  # the token does not exist
        40035: "closed",  # "access_token is missing"
        310000: "closed",  # "keywords not in content", "sign not match", "invalid timestamp", "ip … not in whitelist"
        400013: "closed",  # the group was dissolved
        400102: "closed",  # the robot was stopped
        400106: "closed",  # the robot does not exist
        130101: "later",  # "send too fast, exceed 20 times per minute"
        410100: "later",  # sent too fast
        90030: "later",  # "webhook over limit": the organisation's quota
        -1: "uncertain",  # "the system is busy"
    }
    cure = (
        "enter the robot's token as password and, if it checks signatures, its secret as signing_secret; correct this"
        " machine's clock, the robot's list of addresses or its keywords"
    )

    def secret_part(self) -> str:
        return f"?{urlencode({'access_token': self.key, **self._signature()})}"

    def show(self, line: Line) -> str:
        return rooms.markdown(line)

    def size(self, shown: str) -> int:
        return len(orjson.dumps(shown)) + 4

    def content(self, title: str, shown: Sequence[str]) -> dict[str, Any]:
        # The title appears in notifications and in the list of chats, not in the message. A line break takes two.
        text = "\n\n".join([f"**{rooms.escape(title)}**", *shown])
        return {"msgtype": "markdown", "markdown": {"title": rooms.escape(title), "text": text}}

    def _signature(self) -> dict[str, str]:
        """Return the parameters of the signature. It is valid for an hour."""
        if not self.signing_secret:
            return {}
        timestamp = str(int(self.now().timestamp() * 1000))
        text = f"{timestamp}\n{self.signing_secret}"
        digest = hmac.new(self.signing_secret.encode(), text.encode(), hashlib.sha256).digest()
        return {"timestamp": timestamp, "sign": base64.b64encode(digest).decode()}
