"""``channels.yaml``: the ways out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from include.config.documents import Strict
from include.config.fields import Email, Identifier


class SlackChannel(Strict):
    """How Slack is used; ``fallback`` is tried when it refuses permanently."""

    dry_run: bool
    connection: Identifier
    fallback: Literal["email", ""]


class EmailChannel(Strict):
    """How e-mail is used; who has ``unsubscribed`` gets the message by ``fallback``."""

    dry_run: bool
    connection: Identifier
    fallback: Literal["slack", ""]
    from_name: str
    from_address: Email
    unsubscribed: tuple[Email, ...]


class WeComChannel(Strict):
    """How the robot of a WeCom group is used; ``fallback`` is tried when it refuses permanently."""

    dry_run: bool
    connection: Identifier
    fallback: Literal["email", "slack", ""]


class CrmTaskChannel(Strict):
    """How tasks are written: into the CRM that the account is of.

    Args:
        dry_run: Whether nothing is written.
        connections: CRM source -> the connection to write with, where it is not the one that is read.
    """

    dry_run: bool
    connections: dict[Identifier, Identifier]


CrmValue = Literal[
    "risk_band", "open_risks", "last_alert_on", "next_decision_on", "arr", "health", "health_band", "tier"
]
# As HubSpot and Salesforce name what an administrator has made; it is also used in queries.
CrmProperty = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,99}$")]


class CrmFieldChannel(Strict):
    """What is written back into the CRM's account records; nothing is until ``fields`` names something.

    Args:
        dry_run: Whether nothing is written.
        connections: CRM source -> the connection to write with, where it is not the one that is read.
        fields: CRM source -> property of its accounts -> the value that is kept there.
    """

    dry_run: bool
    connections: dict[Identifier, Identifier]
    fields: dict[Identifier, dict[CrmProperty, CrmValue]]


class Links(Strict):
    """Where a message's links lead; ``{id}`` becomes the record's id. Empty: no link.

    Args:
        report: Of a report on the pages inside Airflow.
        task: Of a task that was written for an alert; ``{account}`` becomes its account's id.
        accounts: CRM source -> link of its accounts, where it is another.
        tasks: CRM source -> link of its tasks, where it is another.
    """

    account: str
    opportunity: str
    task: str
    report: str
    accounts: dict[Identifier, str]
    tasks: dict[Identifier, str]


class Channels(Strict):
    """``channels.yaml``: nothing leaves while ``dry_run`` is true.

    Args:
        messages_by: The channels over which people are written to; each message goes over all of them.
    """

    messages_by: Annotated[tuple[Literal["slack", "email", "wecom"], ...], Field(min_length=1)]

    slack: SlackChannel
    email: EmailChannel
    wecom: WeComChannel
    crm_task: CrmTaskChannel
    crm_field: CrmFieldChannel
    links: Links


INTO_CRM = ("crm_task", "crm_field")
NAMES = ("slack", "email", "wecom", *INTO_CRM)
