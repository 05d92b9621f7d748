"""Which entities each source provides, and why others are missing. An entity is provided once there is a verdict on it.

A KPI or trigger that reads a missing entity is *not available: needs <entity>*, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from include.config import load
from include.entities.catalog import Kind, of_kind
from include.gate.source_failures import NOT_OFFERED
from include.warehouse.engine import engine


@dataclass(frozen=True)
class Missing:
    """An entity that a source does not provide.

    Args:
        entity: Name of the entity.
        reason: "not available: needs ..." and why.
        cure: How to make it available.
    """

    source: str
    entity: str
    reason: str
    cure: str = ""


# The CRM entities that a billing system provides.
BILLED = ("account", "opportunity", "contract_line", "invoice")


def missing() -> list[Missing]:
    """Return the entities that sources with a verdict lack, out of those that their kind can have."""
    found = []
    for source in load().sources:
        known, refused = judged(source.id), _refusals(source.id)
        for entity in of_kind(source.kind) if known else ():
            if entity.name in known or (source.is_billing and entity.name not in BILLED):
                continue
            reason, cure = refused.get(entity.name, ("it is not mapped", "map it; see docs/reference"))
            found.append(Missing(source.id, entity.name, f"not available: needs {entity.name}: {reason}", cure))
    return found


def available(kind: Kind) -> frozenset[str]:
    """Return the entities of a kind that at least one source provides."""
    names = (judged(source.id) for source in load().sources if source.kind == kind)
    return frozenset().union(*names)


def judged(source: str) -> frozenset[str]:
    """Return the entities of a source that have a verdict."""
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text("select entity from meta.verdict where source = :source and entity <> ''"), {"source": source}
        )
        return frozenset(rows.scalars())


def refused(source: str) -> frozenset[str]:
    """Return the entities that the source does not offer or does not let us read, and that were never read."""
    return frozenset(_refusals(source))


def was_read(source: str, entity: str) -> bool:
    """Return whether an entity was ever merged."""
    with engine("reader").connect() as connection:
        found = connection.execute(
            sa.text("select 1 from meta.cursor where source = :source and entity = :entity"),
            {"source": source, "entity": entity},
        )
        return found.first() is not None


def _refusals(source: str) -> dict[str, tuple[str, str]]:
    with engine("reader").connect() as connection:
        rows = connection.execute(
            sa.text(
                "select entity, reason, cure from meta.source_failure as failure"
                " where source = :source and step = 'extract' and error = :refused and not exists ("
                " select from meta.cursor where cursor.source = failure.source and cursor.entity = failure.entity)"
            ),
            {"source": source, "refused": NOT_OFFERED},
        )
        return {row.entity: (row.reason, row.cure) for row in rows}
