"""A CRM that is a database, or is copied into one: read by queries in ``sql/sources/<connection>/``."""

from __future__ import annotations

from include.sources.entities import Kind
from include.sources.product.database import ProductDatabase


class SqlCrm(ProductDatabase):
    """See ``ProductDatabase``, whose way of reading this is; the entities are those of a CRM."""

    vendor = "sqlcrm"
    kind: Kind = "crm"


SOURCE = SqlCrm
