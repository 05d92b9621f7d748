"""The channels, one small module each. A channel knows its vendor, and nothing of renewals, gates or the outbox.

To add one, write a class with the attributes and methods of ``base.Channel``, and add it to ``open_channel``. The robot
of a group needs only a module in ``robots``.
"""

from __future__ import annotations

from include.config import Settings
from include.config.channels import INTO_CRM, NAMES
from include.deliver.channels.base import Channel


def routes(settings: Settings) -> list[tuple[str, str]]:
    """Return each channel with the CRM source that it writes to; "" for channels that are not a CRM.

    The tasks of two CRMs are two entries, so that one failing CRM does not block the other. Tasks come first, so that
    messages can link to them.
    """
    crms = [source.id for source in settings.crms] or [""]
    tasks, fields = ([(name, crm) for crm in crms] for name in INTO_CRM)
    return [*tasks, *((name, "") for name in NAMES if name not in INTO_CRM), *fields]


def open_channel(name: str, settings: Settings, source: str = "") -> Channel:
    """Return a channel, ready to send.

    Args:
        source: For channels that write to a CRM: the source whose accounts they write to.

    Raises:
        ConfigError: Its connection is missing or wrong.
    """
    if name == "slack":
        from include.deliver.channels import slack

        return slack.connect(settings)
    if name == "email":
        from include.deliver.channels.email import EmailChannel

        return EmailChannel.connect(settings)
    if name not in INTO_CRM:
        from include.deliver.channels.robots import ROBOTS

        return ROBOTS[name].connect(settings)
    from include.deliver.channels import crm_task
    from include.deliver.channels.crm_field import channel as crm_field

    return crm_field.connect(settings, source) if name == "crm_field" else crm_task.connect(settings, source)
