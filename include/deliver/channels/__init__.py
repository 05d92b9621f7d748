"""The ways out, one small module each. A channel knows its vendor; it knows nothing of renewals, gates or the outbox.

To add one: a class with the attributes and methods of ``base.Channel``, and a line in ``open_channel``.
"""

from __future__ import annotations

from include.config import Settings
from include.config.channels import INTO_CRM, NAMES
from include.deliver.channels.base import Channel


def ways(settings: Settings) -> list[tuple[str, str]]:
    """Return each channel with the CRM source that it writes to; "" for channels that are no CRM.

    Tasks of two CRMs are two ways, so that one that does not work holds up none of the other's. They go first, so that
    messages can link them.
    """
    crms = [source.id for source in settings.crms] or [""]
    tasks, fields = ([(name, crm) for crm in crms] for name in INTO_CRM)
    return [*tasks, *((name, "") for name in NAMES if name not in INTO_CRM), *fields]


def open_channel(name: str, settings: Settings, source: str = "") -> Channel:
    """Return a channel, ready to send.

    Args:
        source: For what goes into a CRM, the source whose accounts it is about.

    Raises:
        ConfigError: Its connection is missing or wrong.
    """
    if name == "slack":
        from include.deliver.channels import slack

        return slack.connect(settings)
    if name == "email":
        from include.deliver.channels.email import EmailChannel

        return EmailChannel.connect(settings)
    if name == "wecom":
        from include.deliver.channels.wecom import WeComChannel

        return WeComChannel.connect(settings)
    from include.deliver.channels import crm_task
    from include.deliver.channels.crm_field import channel as crm_field

    return crm_field.connect(settings, source) if name == "crm_field" else crm_task.connect(settings, source)
