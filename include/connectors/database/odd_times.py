"""Reads PostgreSQL's dates and times that Python does not have, such as ``infinity``, as text.

Otherwise the driver fails on the page with such a value, and nothing of the entity is read. As text it fails its column
of one row only, which goes to quarantine.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

_TYPES = ("date", "timestamp", "timestamptz")


def allowed(engine: sa.Engine) -> sa.Engine:
    """Return an engine whose connections read such values as text."""
    if engine.dialect.driver == "psycopg":
        sa.event.listen(engine, "connect", _allow_on)
    return engine


def _allow_on(connection: Any, record: object) -> None:
    import psycopg
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    def lenient(strict: Any) -> type[Loader]:
        class Lenient(Loader):
            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._strict = strict(oid, context)

            def load(self, data: Any) -> Any:
                try:
                    return self._strict.load(data)
                except psycopg.DataError:
                    return bytes(data).decode()

        return Lenient

    for name in _TYPES:
        oid = psycopg.adapters.types[name].oid
        connection.adapters.register_loader(name, lenient(psycopg.adapters.get_loader(oid, Format.TEXT)))
