"""Read a small sample of a CRM for a proposal, without names, addresses or texts of people."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from include.common.connections import Connection
from include.common.errors import ConfigError
from include.config.models import Settings
from include.connectors.mapping import MappingFile
from include.entities.catalog import ENTITIES
from include.operations.connection_check.finding import LimitedSleep
from include.operations.mapping_proposal import hubspot, salesforce, shipped
from include.operations.mapping_proposal.names import LIKELY, score
from include.operations.mapping_proposal.portal import Portal, Property
from include.operations.mapping_proposal.words import SOUGHT

# Objects with more properties than this are cut off: their values would be too much for one response.
MOST_PROPERTIES = 250
ENTITIES_READ = ("account", "contact", "owner", "opportunity", "contract_line")
_WAITING = 30.0
_READERS: dict[str, type[hubspot.Reader] | type[salesforce.Reader]] = {
    "hubspot": hubspot.Reader,
    "salesforce": salesforce.Reader,
}


def vendors() -> tuple[str, ...]:
    """Return the vendors for which a mapping can be proposed."""
    return tuple(_READERS)


def read(
    connection: Connection,
    settings: Settings,
    *,
    mapping: MappingFile | None = None,
    most_deals: int = 400,
    entities: Collection[str] = ENTITIES_READ,
) -> Portal:
    """Return the schema and a sample of records.

    Args:
        connection: Leads to the CRM.
        mapping: A mapping whose properties are read too; by default the shipped one.
        most_deals: Most won deals to read, newest first, with their companies and lines.
        entities: The entities to read.

    Raises:
        ConfigError: There is no reader for this vendor.
        AuthError: The CRM refused the credentials.
        Unavailable: The CRM is down.
    """
    reader = _READERS.get(connection.vendor)
    if reader is None:
        raise ConfigError(
            f"connection {connection.id}: no mapping can be proposed for {connection.vendor or 'an unknown vendor'}",
            cure=f"mappings are proposed for {' and '.join(_READERS)}",
        )
    mapped = mapping.entities if mapping else shipped.columns_of(connection.vendor)

    def wanted(entity: str, schema: dict[str, Property]) -> list[str]:
        mine = mapped.get(entity)
        sensitive = ENTITIES[entity].sensitive
        rules = mine.columns if mine else {}
        used = [rule.property for column, rule in rules.items() if column not in sensitive and rule.property in schema]
        used += [name for name in shipped.cpq_properties(entity) if name in schema]
        return list(dict.fromkeys((*used, *_promising(entity, schema.values()))))[:MOST_PROPERTIES]

    opened = reader(connection, settings)
    # A person is waiting: do not wait out long rate limits.
    opened.api.client.sleep = opened.api.client.limiter.sleep = LimitedSleep(_WAITING)
    return opened.read(wanted, most_deals, entities)


def _promising(entity: str, schema: Iterable[Property]) -> list[str]:
    """Return properties whose names may match a column, and choices, whose options may."""
    sought = [one for one in SOUGHT if one.entity == entity]
    by_options = any(one.holds in ("kind", "role") for one in sought)
    return [
        one.name
        for one in schema
        # Some are recognised by their values alone.
        if (one.is_own and (one.kind in ("date", "number") or (by_options and one.kind == "choice")))
        or any(score(one, column) >= LIKELY / 2 for column in sought)
    ]
