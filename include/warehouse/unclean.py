"""Which accounts have rows in quarantine or in a held batch.

Rows name an account by the id that their own source uses. A desk's organisation and a product account lead to the CRM's
account by the explicit id that they carry, and by ``core.account_bridge`` once that is built.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.sources.entities import ENTITIES, VENDORS, Kind, raw_table

# Kind -> the entity that is its account, and the column in which that carries the CRM's id.
_CARRIERS: dict[Kind, tuple[str, str]] = {
    "support": ("organization", "external_id"),
    "product": ("product_account", "crm_account_id"),
}
Reasons = dict[str, set[str]]


def accounts(connection: Connection, sources: Mapping[str, Kind], crms: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return account keys with the reasons why they are not clean.

    Args:
        connection: Of a role that reads raw and quarantine.
        sources: Source id -> kind, of the sources that count.
        crms: The ids of all CRM sources.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for source, kind in sources.items():
        refs = _unclean_refs(connection, source)
        if not refs:
            continue
        for ref, keys in _keys_of(connection, source, kind, list(refs), list(crms)).items():
            for key in keys:
                found[key] |= refs[ref]
    return {key: tuple(sorted(reasons)) for key, reasons in sorted(found.items())}


def _unclean_refs(connection: Connection, source: str) -> Reasons:
    refs: Reasons = defaultdict(set)
    rows = connection.execute(
        sa.text(
            "select distinct account_ref, entity, rule_id from quarantine.record"
            " where source = :source and state = 'open' and account_ref <> ''"
        ),
        {"source": source},
    )
    for ref, entity, rule in rows:
        refs[ref].add(f"a {entity} of {source} is in quarantine by {rule}")
    for batch_id, entity_name, table in connection.execute(_HELD, {"source": source}).all():
        column = ENTITIES[entity_name].account_column
        if not column:
            continue
        held: sa.Select = sa.select(sa.column(column)).select_from(sa.table(table, schema="raw")).distinct()
        for (ref,) in connection.execute(held.where(sa.column(column).is_not(None))):
            refs[ref].add(f"a {entity_name} of {source} is in batch {batch_id}, which is held")
    return refs


def _keys_of(connection: Connection, source: str, kind: Kind, refs: list[str], crms: list[str]) -> dict[str, set[str]]:
    """Return for each reference the accounts that it can mean; with several CRMs all that have the id."""
    keys: dict[str, set[str]] = defaultdict(set)
    crm_ids: dict[str, set[str]] = defaultdict(set)  # the CRM's id -> references
    if kind == "crm":
        crms = [source]
        for ref in refs:
            crm_ids[ref].add(ref)
    else:
        for ref, crm_id in _carried(connection, source, kind, refs):
            crm_ids[crm_id].add(ref)
        for ref, key in _bridged(connection, source, refs):
            keys[ref].add(key)
    survivors = connection.execute(
        sa.text(
            "select source, loser_id, survivor_id from meta.account_merge"
            " where source = any(:crms) and loser_id = any(:ids)"
        ),
        {"crms": crms, "ids": list(crm_ids)},
    )
    merged = {(crm, loser): survivor for crm, loser, survivor in survivors}
    for crm_id, carriers in crm_ids.items():
        for ref in carriers:
            keys[ref] |= {f"{crm}:{merged.get((crm, crm_id), crm_id)}" for crm in crms}
    return keys


def _carried(connection: Connection, source: str, kind: Kind, refs: list[str]) -> list[tuple[str, str]]:
    """Return (reference, CRM id) pairs as the accounts of a desk or product carry them."""
    entity, column = _CARRIERS[kind]
    found: list[tuple[str, str]] = []
    for vendor in (vendor for vendor, of_kind in VENDORS.items() if of_kind == kind):
        carrier = sa.table(raw_table(vendor, entity), *map(sa.column, ("source", "id", column)), schema="raw")
        query = sa.select(carrier.c.id, carrier.c[column]).where(
            carrier.c.source == source, carrier.c.id.in_(refs), carrier.c[column] != ""
        )
        found += [(ref, crm_id) for ref, crm_id in connection.execute(query)]
    return found


def _bridged(connection: Connection, source: str, refs: list[str]) -> list[tuple[str, str]]:
    if not connection.execute(sa.text("select to_regclass('core.account_bridge')")).scalar():
        return []
    rows = connection.execute(
        sa.text(
            "select source_id, account_key from core.account_bridge"
            " where source = :source and source_id = any(:refs) and account_key is not null"
        ),
        {"source": source, "refs": refs},
    )
    return [(ref, key) for ref, key in rows]


# A held batch and those that wait behind it.
_HELD = sa.text(
    """
    select batch_id, entity, table_name
    from meta.batch as waiting
    where source = :source
        and state in ('closed', 'held')
        and table_name <> ''
        and exists (
            select from meta.batch as held
            where held.source = waiting.source and held.entity = waiting.entity and held.state = 'held'
                and held.batch_id <= waiting.batch_id
        )
    """
)
