"""A CRM that is a database, or is copied into one: read by queries in ``sql/sources/<connection>/``."""

from __future__ import annotations

from include.connectors.database.source import Database
from include.entities.catalog import Kind


class SqlCrm(Database):
    """A ``Database`` with the entities of a CRM."""

    vendor = "sqlcrm"
    kind: Kind = "crm"


SOURCE = SqlCrm
