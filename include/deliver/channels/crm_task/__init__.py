"""Tasks in the CRM: one module per vendor, chosen by the connection."""

from __future__ import annotations

from include.common import connections
from include.config import Settings
from include.deliver.channels.base import TaskChannel


def connect(settings: Settings, source: str) -> TaskChannel:
    """Return the channel of the CRM that a source's accounts are in.

    Raises:
        ConfigError: The connection is missing or wrong, or its vendor does not support tasks.
    """
    connection = connections.get(settings.channels.crm_task.connections.get(source, source))
    if connection.vendor == "hubspot":
        from include.deliver.channels.crm_task.hubspot import HubSpotTasks

        return HubSpotTasks.connect(connection, settings, connections.get(source))
    if connection.vendor == "salesforce":
        from include.deliver.channels.crm_task.salesforce import SalesforceTasks

        return SalesforceTasks.connect(connection, settings)
    raise connection.error(
        f"has vendor {connection.vendor or '(none)'}; tasks can only be written to HubSpot and Salesforce",
        cure="set crm_task.dry_run to true in channels.yaml, or name a HubSpot or Salesforce connection",
    )
