"""Propose a mapping for one connection of the settings."""

from __future__ import annotations

from include.common import connections
from include.common.errors import ConfigError
from include.config import load
from include.operations.mapping_proposal import reading
from include.operations.mapping_proposal.propose import Proposal, propose


def for_connection(connection_id: str) -> Proposal:
    """Propose a mapping for a connection.

    Raises:
        ConfigError: It is not in the settings, or its kind is mapped in another way.
        AuthError: The vendor refused the credentials.
        Unavailable: The vendor is down.
    """
    settings = load()
    listed = settings.listed(connection_id)
    connection = connections.get(connection_id)
    if listed.kind == "product":
        raise ConfigError(
            f"{connection_id} is a database: it is mapped by a SELECT per entity",
            cure="copy sql/sources/product/ into your folder and put your tables in;"
            " docs/how-to/connect-your-systems.md shows how",
        )
    if listed.kind == "support" and connection.vendor == "zendesk":
        raise ConfigError(
            f"{connection_id} needs no mapping: Zendesk's fields are known",
            cure=f"see what is read with `connect check {connection_id}`",
        )
    return propose(reading.read(connection, settings))
