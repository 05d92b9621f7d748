"""Track what each table was built from: the fingerprint of its query, and the settings the query reads as parameters.

A table is rebuilt when its model's fingerprint changes. Tables downstream follow only where its rows differ. Comments,
layout and the case of keywords do not change a fingerprint. It is written in the transaction that replaces the table,
so a killed build leaves either both or neither. Settings that queries read as tables are compared row by row instead
(``settings_tables``).
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from include.models import registry, settings_tables, unread
from include.models.registry import Model

_UNKNOWN = "built from an unknown query"


class Fingerprint(NamedTuple):
    """The inputs of a model besides the rows it reads.

    Args:
        query: A hash of its query, and of the views it reads.
        settings: Name -> value of the settings that it reads as parameters or from its metadata.
    """

    query: str
    settings: dict[str, Any]

    def difference(self, before: Fingerprint | None) -> str:
        """Describe the difference from the previous fingerprint; "" if there is none."""
        if before is None:
            return _UNKNOWN
        names = sorted({*self.settings, *before.settings})
        changed = [f"setting {name} changed" for name in names if self.settings.get(name) != before.settings.get(name)]
        # An added or removed parameter changes the query too.
        return "query changed" if self.query != before.query else ", ".join(changed)


def of(model: Model) -> Fingerprint:
    """Return a model's fingerprint from its current files and settings."""
    known = settings_tables.parameters() | {"daily_days": model.metadata.daily_days}
    settings = {name: known[name] for name in model.facts.parameters if name in known}
    return Fingerprint(_query(model, registry.load()), settings | model.metadata.look_back)


def changes(connection: sa.Connection) -> dict[str, str]:
    """Return model -> difference from the fingerprint that its table was built from. Unchanged models are left out."""
    before = _recorded(connection)
    found = {name: of(model).difference(before.get(name)) for name, model in registry.load().items()}
    return {name: change for name, change in found.items() if change}


def change(connection: sa.Connection, model: Model) -> str:
    """Return the difference from the fingerprint that a model's table was built from; "" if there is none."""
    return of(model).difference(_recorded(connection).get(model.name))


def record(connection: sa.Connection, build_id: str, model: Model, reason: str) -> None:
    """Record a model's fingerprint, in the transaction that builds its table."""
    now = of(model)
    connection.execute(
        _RECORD,
        {
            "model": model.name,
            "query": now.query,
            "settings": orjson.dumps(now.settings).decode(),
            "build_id": build_id,
            "reason": reason,
        },
    )


def forget(connection: sa.Connection) -> None:
    """Make the next build rebuild every table."""
    connection.execute(sa.text("delete from meta.model_fingerprint"))


def redefined(connection: sa.Connection, build_id: str) -> dict[str, str]:
    """Return model or setting -> what changed, for those whose differing rows a build carries."""
    return {row.name: row.reason for row in connection.execute(_REDEFINED, {"build_id": build_id})}


def _query(model: Model, known: dict[str, Model]) -> str:
    text = unread.visible(model.facts.fingerprint, model.entities) if model.is_view else model.facts.fingerprint
    views = [_query(known[name], known) for name in model.models if known[name].is_view]
    return hashlib.sha256(orjson.dumps([text, *views])).hexdigest()[:32]


def _recorded(connection: sa.Connection) -> dict[str, Fingerprint]:
    """Return model -> recorded fingerprint."""
    rows = connection.execute(_RECORDED)
    return {row.model: Fingerprint(row.query, row.settings) for row in rows}


_RECORDED = sa.text("select model, query, settings from meta.model_fingerprint")
_RECORD = sa.text(
    "insert into meta.model_fingerprint (model, query, settings, build_id, reason)"
    " values (:model, :query, cast(:settings as jsonb), :build_id, :reason)"
    " on conflict (model) do update set query = excluded.query, settings = excluded.settings,"
    " build_id = excluded.build_id, reason = excluded.reason"
)
# A build also carries the changes of unfinished builds.
_REDEFINED = sa.text(
    """
    with builds as (
        select cast(:build_id as text) as build_id
        union
        select theirs.build_id
        from meta.build_change as mine
        join meta.build_change as theirs on theirs.change_id = mine.copy_of
        where mine.build_id = :build_id
    )
    select model as name, reason from meta.model_fingerprint join builds using (build_id)
    union
    select distinct origin, 'setting changed' from meta.build_change
    where build_id = :build_id and origin like 'meta.%'
    """
)
