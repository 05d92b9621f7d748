"""A support desk that is a database, or is copied into one: read by queries in ``sql/sources/<connection>/``."""

from __future__ import annotations

from include.connectors.database.source import Database
from include.entities.catalog import Kind


class SqlDesk(Database):
    """A ``Database`` with the entities of a support desk."""

    vendor = "sqldesk"
    kind: Kind = "support"


SOURCE = SqlDesk
