"""Read PostgreSQL's dates and times that Python does not have, such as ``infinity``, as text.

Otherwise the driver fails on the page with such a value, and nothing of the entity is read. As text it fails its column
of one row only, which goes to quarantine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

_TYPES = ("date", "timestamp", "timestamptz")


def read_as_text(engine: sa.Engine) -> sa.Engine:
    """Make an engine's connections read such values as text, and return the engine."""
    if engine.dialect.driver == "psycopg":
        sa.event.listen(engine, "connect", _register)
    return engine


def _register(connection: Any, record: object) -> None:
    for oid, loader in _loaders().items():
        connection.adapters.register_loader(oid, loader)


@cache
def _loaders() -> dict[int, type]:
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

    oids = [psycopg.adapters.types[name].oid for name in _TYPES]
    return {oid: lenient(psycopg.adapters.get_loader(oid, Format.TEXT)) for oid in oids}
