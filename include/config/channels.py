"""``channels.yaml``: the channels for messages and CRM writes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from include.config.documents import Strict
from include.config.fields import Email, Identifier

# Channels for messages to people, and the names that people know them by.
LABELS = {
    "slack": "Slack",
    "email": "e-mail",
    "wecom": "WeCom",
    "teams": "Teams",
    "feishu": "Feishu",
    "dingtalk": "DingTalk",
}
MessageChannel = Literal["slack", "email", "wecom", "teams", "feishu", "dingtalk"]


class RoomChannel(Strict):
    """Slack, or the robot of a group. Messages that it refuses permanently go to ``fallback``."""

    dry_run: bool
    connection: Identifier
    fallback: MessageChannel | Literal[""]


class EmailChannel(Strict):
    """E-mail. Recipients in ``unsubscribed`` get their messages through ``fallback``."""

    dry_run: bool
    connection: Identifier
    fallback: MessageChannel | Literal[""]
    from_name: str
    from_address: Email
    unsubscribed: tuple[Email, ...]


class CrmTaskChannel(Strict):
    """Tasks in the CRM that holds the account.

    Args:
        dry_run: Whether to write nothing.
        connections: CRM source -> connection to write with. The default is the connection that reads.
    """

    dry_run: bool
    connections: dict[Identifier, Identifier]


CrmValue = Literal[
    "risk_band", "open_risks", "last_alert_on", "next_decision_on", "arr", "health", "health_band", "tier", "touch"
]
# The API name of a custom property in HubSpot or Salesforce. Queries use it too.
CrmProperty = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]


class CrmFieldChannel(Strict):
    """Values written back to the CRM's account records. Nothing is written while ``fields`` is empty.

    Args:
        dry_run: Whether to write nothing.
        connections: CRM source -> connection to write with. The default is the connection that reads.
        fields: CRM source -> account property -> the value written to it.
    """

    dry_run: bool
    connections: dict[Identifier, Identifier]
    fields: dict[Identifier, dict[CrmProperty, CrmValue]]


class Links(Strict):
    """Link templates for messages. ``{id}`` becomes the record's id. An empty template means no link.

    Args:
        report: A report's page inside Airflow.
        brief: The brief of a renewal. ``{account}`` becomes the account's key, ``{renewal}`` the renewal's id.
        customer_report: A customer's usage report.
        task: The task of an alert. ``{account}`` becomes the id of the task's account.
        accounts: CRM source -> account link, if it differs from ``account``.
        tasks: CRM source -> task link, if it differs from ``task``.
    """

    account: str
    opportunity: str
    task: str
    report: str
    brief: str
    customer_report: str
    accounts: dict[Identifier, str]
    tasks: dict[Identifier, str]


class Channels(Strict):
    """``channels.yaml``. A channel sends nothing while its ``dry_run`` is true.

    Args:
        messages_by: The channels for messages to people. Each message goes to all of them.
    """

    messages_by: Annotated[tuple[MessageChannel, ...], Field(min_length=1)]

    slack: RoomChannel
    email: EmailChannel
    wecom: RoomChannel
    teams: RoomChannel
    feishu: RoomChannel
    dingtalk: RoomChannel
    crm_task: CrmTaskChannel
    crm_field: CrmFieldChannel
    links: Links

    @model_validator(mode="after")
    def _falls_back_to_another(self) -> Channels:
        for name in LABELS:
            if getattr(self, name).fallback == name:
                raise ValueError(f"{name}.fallback is {name} itself: name another channel, or none")
        return self


INTO_CRM = ("crm_task", "crm_field")
NAMES = (*LABELS, *INTO_CRM)
