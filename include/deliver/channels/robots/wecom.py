"""The robot of a WeCom group.

Limits and codes: https://developer.work.weixin.qq.com/document/path/91770 (robots) and
https://developer.work.weixin.qq.com/document/path/90313 (codes). WeCom answers 200 to every error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from include.deliver.channels.robots.channel import Meaning, RobotChannel
from include.deliver.render import rooms
from include.deliver.render.rooms import Line
from include.http.limiter import Limit

MAX_BYTES = 4096


class WeCom(RobotChannel):
    """Writes to a WeCom group, in Markdown."""

    name = "wecom"
    path = "/cgi-bin/webhook/send"
    key_hint = "enter the part of the robot's URL after key= as its password, and https://qyapi.weixin.qq.com as host"
    limit = Limit(20, 60.0)  # per robot
    room = MAX_BYTES - 700
    code_field, text_field = "errcode", "errmsg"
    meanings: ClassVar[Mapping[Any, Meaning]] = {
        93000: "closed",
        40001: "closed",
        40014: "closed",
        45009: "later",
        -1: "uncertain",  # "the system is busy": the message may have been accepted or not
    }
    cure = "enter the robot's key as password"

    def secret_part(self) -> str:
        return f"?key={self.key}"

    def show(self, line: Line) -> str:
        return rooms.markdown(line)

    def size(self, shown: str) -> int:
        return len(shown.encode()) + 1

    def content(self, title: str, shown: Sequence[str]) -> dict[str, Any]:
        content = "\n".join([f"**{rooms.escape(title)}**", *shown])
        return {"msgtype": "markdown", "markdown": {"content": content}}
