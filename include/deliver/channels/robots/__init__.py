"""The robots of groups: one class for what they share, and a module per vendor for what differs."""

from __future__ import annotations

from include.deliver.channels.robots.channel import RobotChannel
from include.deliver.channels.robots.dingtalk import DingTalk
from include.deliver.channels.robots.feishu import Feishu
from include.deliver.channels.robots.teams import Teams
from include.deliver.channels.robots.wecom import WeCom

ROBOTS: dict[str, type[RobotChannel]] = {robot.name: robot for robot in (WeCom, Teams, Feishu, DingTalk)}
