"""What each table was made by: the fingerprint of its query and the settings that the query takes as parameters.

A table whose model's fingerprint is another one today is rebuilt, and what is read from it as far as its rows come
out different; nothing else is. Comments, layout and the case of keywords are no part of a fingerprint. It is written in
the transaction that replaces the table: a build that is killed leaves either both or neither. Settings that queries
read as tables are compared row by row instead (``settings_tables``).
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from include.models import registry, settings_tables, unread
from include.models.registry import Model

_UNKNOWN = "made by an unknown query"


class Fingerprint(NamedTuple):
    """What a model's rows follow from, next to the rows that it reads.

    Args:
        query: A hash of its query, and of those of the views that it reads.
        settings: Name -> value of the settings that it takes as parameters or from its metadata.
    """

    query: str
    settings: dict[str, Any]

    def difference(self, before: Fingerprint | None) -> str:
        """Return in words what differs from the fingerprint of before; "" if nothing does."""
        if before is None:
            return _UNKNOWN
        names = sorted({*self.settings, *before.settings})
        said = [f"setting {name} changed" for name in names if self.settings.get(name) != before.settings.get(name)]
        # Anyone who takes a parameter more, or one less, has another query.
        return "query changed" if self.query != before.query else ", ".join(said)


def of(model: Model) -> Fingerprint:
    """Return a model's fingerprint as its files and the settings are now."""
    known = settings_tables.parameters() | {"daily_days": model.metadata.daily_days}
    settings = {name: known[name] for name in model.facts.parameters if name in known}
    return Fingerprint(_query(model, registry.load()), settings | model.metadata.look_back)


def changes(connection: sa.Connection) -> dict[str, str]:
    """Return model -> what differs from what its table was made by; models that are as before left out."""
    before = _recorded(connection)
    found = {name: of(model).difference(before.get(name)) for name, model in registry.load().items()}
    return {name: said for name, said in found.items() if said}


def change(connection: sa.Connection, model: Model) -> str:
    """Return what differs from what a model's table was made by; "" if nothing does."""
    return of(model).difference(_recorded(connection, model.name).get(model.name))


def record(connection: sa.Connection, build_id: str, model: Model, reason: str) -> None:
    """Write down what a model's table is made by now, in the transaction that makes it."""
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
    """Let the next build make every table again."""
    connection.execute(sa.text("delete from meta.model_fingerprint"))


def redefined(connection: sa.Connection, build_id: str) -> dict[str, str]:
    """Return model or setting -> what changed of it, as far as a build carries on the rows that differ for it."""
    return {row.name: row.reason for row in connection.execute(_REDEFINED, {"build_id": build_id})}


def _query(model: Model, known: dict[str, Model]) -> str:
    text = unread.visible(model.facts.fingerprint, model.entities) if model.is_view else model.facts.fingerprint
    views = [_query(known[name], known) for name in model.models if known[name].is_view]
    return hashlib.sha256(orjson.dumps([text, *views])).hexdigest()[:32]


def _recorded(connection: sa.Connection, name: str | None = None) -> dict[str, Fingerprint]:
    """Return model -> what its table was made by: of one model, or of all."""
    rows = connection.execute(_RECORDED, {"name": name})
    return {row.model: Fingerprint(row.query, row.settings) for row in rows}


_RECORDED = sa.text(
    "select model, query, settings from meta.model_fingerprint where cast(:name as text) is null or model = :name"
)
_RECORD = sa.text(
    "insert into meta.model_fingerprint (model, query, settings, build_id, reason)"
    " values (:model, :query, cast(:settings as jsonb), :build_id, :reason)"
    " on conflict (model) do update set query = excluded.query, settings = excluded.settings,"
    " build_id = excluded.build_id, reason = excluded.reason"
)
# A build also carries on what builds that were never finished had changed.
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
