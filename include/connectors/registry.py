"""Find the source for a connection.

A vendor is a folder ``include/connectors/<kind>/<vendor>/`` whose package exports its ``Source`` as ``SOURCE``.
"""

from __future__ import annotations

import importlib

from include.common.connections import Connection
from include.config import load
from include.connectors.base import Source
from include.connectors.database.urls import is_database
from include.entities.catalog import DATABASES, VENDORS


def connect(connection: Connection) -> Source:
    """Return the source for a connection in the settings.

    Raises:
        ConfigError: It is not listed in ``settings.yaml``, or its vendor is unknown for its kind.
    """
    settings = load()
    listed = settings.listed(connection.id)
    if listed.kind == "product":
        # Imported on use, so that vendors that are not connected cost nothing.
        from include.connectors.database.source import Database

        return Database(connection, settings)
    vendor = DATABASES[listed.kind] if is_database(connection) else connection.vendor
    if VENDORS.get(vendor) == listed.kind:
        package = importlib.import_module(f"include.connectors.{listed.kind}.{vendor}")
        source: Source = package.SOURCE(connection, settings)
        return source
    named = f"names the vendor {connection.vendor}" if connection.vendor else "names no vendor"
    known = ", ".join(vendor for vendor, kind in VENDORS.items() if kind == listed.kind)
    raise connection.error(
        f"{named}, but a {listed.kind} source must be one of: {known}", cure='set its type, or "vendor" in its extra'
    )
