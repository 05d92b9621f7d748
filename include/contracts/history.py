"""What the warehouse knows of a batch and of what came before it."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from include import clock
from include.config import loader as settings
from include.contracts.rule import Known
from include.sources.entities import ENTITIES, Entity, of_kind, raw_table

TRAILING = timedelta(days=28)
FEWEST_READS = 5
_SAMPLE = 5000
_ENOUGH = 50


def known(connection: Connection, batch: RowMapping) -> Known:
    """Return what rules may use.

    Args:
        connection: Under the loader's role.
        batch: A row of ``meta.batch``.
    """
    entity = ENTITIES[batch["entity"]]
    raw = f"raw.{raw_table(batch['vendor'], entity.name)}"
    is_stored = _exists(connection, raw)
    is_full_end = bool(batch["is_full"] and batch["cursor_after"] is not None)
    seen = f"raw.seen_{batch['read_id'] or batch['batch_id']}"
    # Counting the stored rows of a day's facts scans them all: only where everything was read again.
    counts = is_stored and not batch["is_first_load"] and (is_full_end or "day" not in entity.column_names)
    return Known(
        batch_id=batch["batch_id"],
        source=batch["source"],
        entity=entity,
        now=clock.now(),
        currency=settings.load().currency,
        is_first_load=batch["is_first_load"],
        is_full=batch["is_full"],
        is_full_end=is_full_end,
        n_rows=batch["n_rows"],
        n_stored=_count_stored(connection, raw, batch["source"]) if counts else None,
        largest_read=_largest_read(connection, batch),
        filled=_filled(connection, raw, batch["source"], entity) if is_stored else (),
        raw=raw,
        seen=seen if _exists(connection, seen) else "",
        tables=_tables(connection, batch, entity),
    )


def _exists(connection: Connection, table: str) -> bool:
    return connection.execute(sa.text("select to_regclass(:name) is not null"), {"name": table}).scalar_one()


def _count_stored(connection: Connection, raw: str, source: str) -> int:
    query = f"select count(*) from {raw} where source = :source and not _is_deleted"  # noqa: S608
    return connection.execute(sa.text(query), {"source": source}).scalar_one()


def _largest_read(connection: Connection, batch: RowMapping) -> int | None:
    """Return the rows of the largest of the trailing incremental reads that brought any; None if those are few."""
    found = connection.execute(
        sa.text(
            "select count(*) as n, max(n_rows) as largest from (select sum(n_rows) as n_rows from meta.batch"
            " where source = :source and entity = :entity and state = 'merged' and merged_at > :since"
            " and not is_first_load and not is_full and n_rows > 0 group by coalesce(read_id, batch_id)) as reads"
        ),
        {"source": batch["source"], "entity": batch["entity"], "since": clock.now() - TRAILING},
    ).one()
    return int(found.largest) if found.n >= FEWEST_READS else None


def _filled(connection: Connection, raw: str, source: str, entity: Entity) -> tuple[str, ...]:
    """Return the columns that at least half of a sample of the stored rows have filled."""
    counts = ", ".join(f"count({name}) as {name}" for name in entity.column_names)
    query = (
        f"select count(*) as n_, {counts} from"  # noqa: S608
        f" (select * from {raw} where source = :source and not _is_deleted limit {_SAMPLE}) as sample"
    )
    found = connection.execute(sa.text(query), {"source": source}).mappings().one()
    if found["n_"] < _ENOUGH:
        return ()
    return tuple(name for name in entity.column_names if found[name] * 2 >= found["n_"])


def _tables(connection: Connection, batch: RowMapping, entity: Entity) -> dict[str, tuple[str, ...]]:
    """Return where rows of this source may be found: stored, or landed and not yet merged."""
    landed = connection.execute(
        sa.text(
            "select entity, table_name from meta.batch where source = :source and table_name <> ''"
            " and state in ('landing', 'closed', 'held') order by batch_id"
        ),
        {"source": batch["source"]},
    ).all()
    tables = {}
    for other in of_kind(entity.kind):
        raw = f"raw.{raw_table(batch['vendor'], other.name)}"
        found = [raw] if _exists(connection, raw) else []
        tables[other.name] = (*found, *(f"raw.{row.table_name}" for row in landed if row.entity == other.name))
    return tables
