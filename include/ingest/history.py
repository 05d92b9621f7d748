"""History of records before their first load, from their vendor: ``raw.<vendor>__<entity>__history``.

These states have their own table. The versions (``..._version``) are states that we observed ourselves, and a query for
the newest version must not return an old state that was only reported late. ``_source_at`` is the time from which a
state was valid; ``_loaded_at`` is the time when we learnt of it.

The vendor is asked once, after an entity's first load. Each page and its read mark are stored in one transaction, so
the backfill can be killed anywhere and resumed. A state that is reported twice is stored once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import Connection

from include.common import clock
from include.common.errors import PerennialError
from include.entities.catalog import ENTITIES, Entity, raw_table
from include.ingest import batches, landing, row_values, suppression
from include.warehouse import locks

if TYPE_CHECKING:
    from include.connectors.base import Page

_LOCK_NAME = "{}__history"


@dataclass(frozen=True)
class Progress:
    """Progress of one entity's history backfill.

    Args:
        entity: Name of the entity.
        mark: Read mark to resume from; None before the first page.
        n_states: States stored so far.
        finished_at: When the last page was stored.
        problem: Why the last attempt failed.
    """

    source: str
    entity: str
    mark: dict[str, Any] | None = None
    n_states: int = 0
    finished_at: datetime | None = None
    problem: str = ""


def waiting(connection: Connection, source: str, entities: tuple[str, ...]) -> list[Progress]:
    """Return the entities that are loaded but whose history is not complete.

    Args:
        connection: Of any role.
        entities: The source's entities.
    """
    kept = [name for name in entities if ENTITIES[name].history]
    rows = connection.execute(_WAITING, {"source": source, "entities": kept}).mappings()
    found = {row["entity"]: Progress(source, row["entity"], row["mark"], row["n_states"]) for row in rows}
    return [found[name] for name in kept if name in found]


@contextmanager
def storing(source: str, entity: str) -> Iterator[Connection]:
    """Hold the lock for storing the history of one entity; see ``batches.reading``."""
    with batches.reading(source, _LOCK_NAME.format(entity)) as connection:
        yield connection


def progress(connection: Connection, source: str, entity: str) -> Progress:
    row = connection.execute(_PROGRESS, {"source": source, "entity": entity}).mappings().one_or_none()
    connection.commit()
    return Progress(**row) if row else Progress(source, entity)


def land(connection: Connection, source: str, vendor: str, entity_name: str, page: Page) -> int:
    """Store one page of states and its read mark in one transaction.

    Args:
        connection: From ``storing``.
        vendor: The connected system.
        page: Its records are states; the last page has ``next_position``.

    Returns:
        How many states were new.
    """
    entity = ENTITIES[entity_name]
    with connection.begin():
        page = suppression.keep(connection, source, entity, page)
        # As in a merge: a build that takes its snapshot time must see either this whole page or nothing of it.
        now = locks.stamp(connection)
        n_states = _store(connection, source, vendor, entity, page, now) if page.records else 0
        connection.execute(
            _STORE_PROGRESS,
            {
                "source": source,
                "entity": entity_name,
                "mark": batches.to_json(page.mark),
                "n_states": n_states,
                "finished_at": now if page.next_position is not None else None,
                "now": now,
            },
        )
    return n_states


def store_problem(connection: Connection, source: str, entity: str, error: PerennialError) -> None:
    """Store why the last attempt failed, for ``status``. The next run continues."""
    with connection.begin():
        connection.execute(
            _STORE_PROBLEM, {"source": source, "entity": entity, "problem": error.message, "now": clock.now()}
        )


def _store(connection: Connection, source: str, vendor: str, entity: Entity, page: Page, now: datetime) -> int:
    raw = raw_table(vendor, entity.name)
    names = row_values.columns(entity)
    kept = [name for name in names if name not in ("payload", "_is_deleted", "_problems")]
    connection.execute(
        sa.text(
            f"create temporary table incoming on commit drop as select cast(0 as bigint) as _row,"  # noqa: S608
            f" {', '.join(names[:-1])}, cast(null as text[]) as _problems from raw.{raw} where false"
        )
    )
    landing.copy_page(connection, sql.Identifier("incoming"), entity, page, 0)
    bound = {"source": source, "entity": entity.name, "now": now}
    text = ", ".join(kept)
    # The account of a record, and what the states do not have at all, such as associations, has no history at the
    # vendor, so the current value is used.
    given = {name for state in page.records for name in state.values} | {"id", "_source_at"}
    columns = ", ".join(
        f"coalesce({name}, (select {name} from raw.{raw} as now where now.source = :source and now.id = incoming.id))"  # noqa: S608
        if name == entity.account_ref or name not in given
        else name
        for name in kept
    )
    stored = connection.execute(
        sa.text(
            f"""
            with first_seen as (
                select id, min(_source_at) as at from raw.{raw}__version
                where source = :source and id in (select id from incoming) group by id
            ),
            stored as (
                insert into raw.{raw}__history (source, {text}, _loaded_at)
                select :source, {columns}, :now from incoming
                where _source_at <= (select at from first_seen where first_seen.id = incoming.id)
                on conflict (source, id, _source_at) do nothing
                returning id
            )
            select id, count(*) as n from stored group by id
            """  # noqa: S608 - names from the entity catalog
        ),
        bound,
    ).all()
    if stored and entity.account_column:
        connection.execute(
            sa.text(
                "insert into meta.dirty_range (batch_id, source, entity, account_ref, from_day, to_day)"  # noqa: S608
                f" select distinct 0, :source, :entity, {entity.account_column}, date '0001-01-01', cast(null as date)"
                f" from raw.{raw} where source = :source and id = any(:ids) and {entity.account_column} <> ''"
            ),
            bound | {"ids": [row.id for row in stored]},
        )
    return sum(row.n for row in stored)


_WAITING = sa.text(
    """
    select cursor.entity, progress.mark, coalesce(progress.n_states, 0) as n_states
    from meta.cursor as cursor
    left join meta.history as progress on progress.source = cursor.source and progress.entity = cursor.entity
    where cursor.source = :source
        and cursor.entity = any(:entities)
        and cursor.read_until is not null
        and progress.finished_at is null
    """
)
_PROGRESS = sa.text(
    "select source, entity, mark, n_states, finished_at, problem from meta.history"
    " where source = :source and entity = :entity"
)
_STORE_PROGRESS = sa.text(
    """
    insert into meta.history as known (source, entity, mark, n_states, finished_at, updated_at)
    values (:source, :entity, cast(:mark as jsonb), :n_states, :finished_at, :now)
    on conflict (source, entity) do update
    set mark = excluded.mark, n_states = known.n_states + excluded.n_states, problem = '',
        finished_at = excluded.finished_at, updated_at = excluded.updated_at
    """
)
_STORE_PROBLEM = sa.text(
    """
    insert into meta.history as known (source, entity, problem, updated_at) values (:source, :entity, :problem, :now)
    on conflict (source, entity) do update set problem = excluded.problem, updated_at = excluded.updated_at
    """
)
