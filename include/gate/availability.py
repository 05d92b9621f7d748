"""Which entities each source provides, and why others are missing. An entity is provided once there is a verdict on it.

A KPI or trigger that reads a missing entity is *not available: needs <entity>*, never 0. A CRM without line items may
keep its contracts in fields of the deal or the company: then nothing misses ``contract_line``.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from include.config import load
from include.entities.catalog import Kind, of_kind
from include.gate.source_failures import NOT_OFFERED
from include.warehouse.engine import engine, has_table


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


LINES = "contract_line"
# The CRM entities that a billing system provides.
BILLED = ("account", "opportunity", "contract_line", "invoice")


def missing() -> list[Missing]:
    """Return the entities that sources with a verdict lack, out of those that their kind can have."""
    found = []
    without_lines = contracts_without_lines()
    for source in load().sources:
        known, refused = judged(source.id), _refusals(source.id)
        if source.id in without_lines:
            known |= {LINES}
        for entity in of_kind(source.kind) if known else ():
            if entity.name in known or (source.is_billing and entity.name not in BILLED):
                continue
            reason, cure = refused.get(entity.name, ("it is not mapped", "map it; see docs/reference"))
            found.append(Missing(source.id, entity.name, f"not available: needs {entity.name}: {reason}", cure))
    return found


def available(kind: Kind) -> frozenset[str]:
    """Return the entities of a kind that at least one source provides."""
    names = (judged(source.id) for source in load().sources if source.kind == kind)
    lines = {LINES} if kind == "crm" and contracts_without_lines() else set()
    return frozenset(lines).union(*names)


def contracts_without_lines() -> frozenset[str]:
    """Return the sources with contracts in fields of won deals, or of companies (docs/reference/mapping.md).

    Line items that may not be read may be half of the contracts, so their source is left out.
    """
    with engine("reader").connect() as connection:
        if not has_table(connection, "raw.crm__opportunity"):
            return frozenset()
        sources = connection.execute(_WITHOUT_LINES).scalars().all()
    return frozenset(source for source in sources if LINES not in refused(source))


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


_WITHOUT_LINES = sa.text(
    """
    select source from (select distinct source from meta.verdict) as s
    where exists (
        select from raw.crm__opportunity as o
        where o.source = s.source and o.is_won
            and (o.term_end is not null or o.term_months is not null or o.is_evergreen)
    ) or exists (
        select from raw.crm__account as a
        where a.source = s.source and (a.contract_arr is not null or a.contract_mrr is not null)
    )
    """
)
