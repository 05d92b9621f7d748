"""From a connection to the source that reads it."""

from __future__ import annotations

from collections.abc import Callable

from include.config import Settings, load
from include.connections import Connection
from include.errors import ConfigError
from include.sources.base import Source
from include.sources.entities import Kind


def _hubspot(connection: Connection, settings: Settings) -> Source:
    from include.sources.crm.hubspot import HubSpot

    return HubSpot(connection, settings)


def _zendesk(connection: Connection, settings: Settings) -> Source:
    from include.sources.support.zendesk import Zendesk

    return Zendesk(connection, settings)


def _database(connection: Connection, settings: Settings) -> Source:
    from include.sources.product.database import ProductDatabase

    return ProductDatabase(connection, settings)


# Kind -> vendor -> how to make the source. Imported on use: nobody pays for a vendor that is not connected.
_VENDORS: dict[Kind, dict[str, Callable[[Connection, Settings], Source]]] = {
    "crm": {"hubspot": _hubspot},
    "support": {"zendesk": _zendesk},
}


def connect(connection: Connection) -> Source:
    """Return the source behind a connection that settings list.

    Raises:
        ConfigError: It is not listed in ``settings.yaml``, or names no vendor that is known for its kind.
    """
    settings = load()
    listed = settings.source(connection.id)
    if listed is None:
        raise ConfigError(
            f"there is no source {connection.id}",
            cure=f"listed in config/settings.yaml: {', '.join(source.id for source in settings.sources)}",
        )
    if listed.kind == "product":
        return _database(connection, settings)
    vendors = _VENDORS[listed.kind]
    if connection.vendor in vendors:
        return vendors[connection.vendor](connection, settings)
    named = f"names the vendor {connection.vendor}" if connection.vendor else "names no vendor"
    raise connection.error(
        f"{named}, but a {listed.kind} source can be: {', '.join(sorted(vendors))}",
        cure='set its type, or "vendor" in its extra',
    )
