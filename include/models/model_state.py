"""Read the state of a build and of one of its models in one query, since a build does so for a hundred models."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from include.models import build_store, tables
from include.models.build_store import Built
from include.models.fingerprints import Fingerprint
from include.models.increments import Build
from include.models.registry import Model
from include.models.tables import Existing


class ModelState(NamedTuple):
    """The state of a model when a build reaches it.

    Args:
        build: The build, with the newest ``known_at`` and day of any forward build.
        done: The result, if this build has already built the model.
        table: Its table or view in the database.
        fingerprint: What its table was built from.
        lacks_month: Whether its partitioned table has no partition for the newest day.
    """

    build: Build
    done: Built | None
    table: Existing | None
    fingerprint: Fingerprint | None
    lacks_month: bool


def read(connection: sa.Connection, build_id: str, model: Model) -> ModelState:
    """Return the state of a model. Call it while holding the model's lock.

    Raises:
        WarehouseError: The build was never planned.
    """
    row = connection.execute(_STATE, {"id": build_id, "model": model.name}).one_or_none()
    if row is None:
        raise build_store.unknown(build_id)
    done = Built(row.model, row.n_rows, row.n_changed, row.seconds, row.scope, row.reason) if row.model else None
    table = Existing(row.relkind, row.word, row.comment, row.partitioned_by) if row.relkind else None
    return ModelState(
        build_store.as_build(row),
        done,
        table,
        Fingerprint(row.query, row.settings) if row.query else None,
        bool(tables.is_partitioned(model) and table and row.lacks_month),
    )


_STATE = sa.text(
    f"""
    select
        {build_store.NEWEST_COLUMNS},
        m.model, m.n_rows, m.n_changed, m.seconds, m.scope, m.reason,
        {tables.EXISTING_COLUMNS},
        f.query, f.settings,
        to_regclass(cast(:model as text) || to_char(known.newest_day, '_YYYY_MM')) is null as lacks_month
    {build_store.FROM_NEWEST}
    left join meta.build_model as m on m.build_id = b.build_id and m.model = :model
    left join meta.model_fingerprint as f on f.model = :model
    left join pg_class as c on c.oid = to_regclass(:model)
    where b.build_id = :id
    """
)
