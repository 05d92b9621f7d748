"""Find the accounts that have rows in quarantine or in a held batch.

Rows name an account by the id of their own source. A support desk's organisation, a product account and a billing
system's customer lead to the CRM's account by the CRM id that they store, and by ``core.account_bridge`` once built.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock
from include.entities.catalog import ENTITIES, VENDORS, Entity, Kind, of_kind, raw_table
from include.identity import store
from include.warehouse.engine import has_table

# Kind -> its account entity, and the column that stores the CRM's id.
_CRM_ID_COLUMNS: dict[Kind, tuple[str, str]] = {
    "support": ("organization", "external_id"),
    "product": ("product_account", "crm_account_id"),
    "crm": ("account", "crm_account_id"),  # of a billing system
}
Reasons = dict[str, set[str]]


def accounts(connection: Connection, sources: Mapping[str, Kind], crms: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return account keys with the reasons why they are quarantined.

    Args:
        connection: Of a role that reads raw and quarantine.
        sources: Source id -> kind, of the sources to check.
        crms: The ids of all CRMs; any other source of kind ``crm`` is a billing system.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for source, kind in sources.items():
        refs = _quarantined_refs(connection, source, kind)
        if not refs:
            continue
        for ref, keys in _keys_of(connection, source, kind, list(refs), list(crms)).items():
            for key in keys:
                found[key] |= refs[ref]
    return {key: tuple(sorted(reasons)) for key, reasons in sorted(found.items())}


def _quarantined_refs(connection: Connection, source: str, kind: Kind) -> Reasons:
    """Return the accounts that bad and waiting rows name, and those of the same records as they are stored.

    A bad row may have lost its account or name another one. The account it is stored under then shows old data too.
    """
    refs: Reasons = defaultdict(set)
    bad = sa.select(_BAD.c.entity).where(_BAD.c.source == source, _puts_on_hold()).distinct()
    has_bad = set(connection.execute(bad).scalars())  # usually empty: this saves a query per table of the source
    for entity in (entity for entity in of_kind(kind) if entity.name in has_bad):
        named = sa.select(_BAD.c.account_ref, _BAD.c.rule_id).where(
            _BAD.c.source == source, _BAD.c.entity == entity.name, _puts_on_hold()
        )
        for query in (named, *_as_stored(connection, entity, source, _BAD.c.record_id, named)):
            for ref, rule in connection.execute(query.distinct()):
                refs[ref].add(f"a record of {source}.{entity.name} is quarantined by {rule}")
    for batch_id, entity_name, table in connection.execute(_HELD, {"source": source}).all():
        entity = ENTITIES[entity_name]
        if not entity.account_column:
            continue
        held = sa.table(table, sa.column("id"), sa.column(entity.account_column), schema="raw")
        named = sa.select(held.c[entity.account_column].label("account_ref"))
        for query in (named, *_as_stored(connection, entity, source, held.c.id, named)):
            for (ref,) in connection.execute(query.distinct()):
                refs[ref].add(f"a record of {source}.{entity_name} is in batch {batch_id}, which is held")
    return {ref: reasons for ref, reasons in refs.items() if ref}


def _puts_on_hold() -> sa.ColumnElement[bool]:
    """Return whether a quarantined row puts its account on hold.

    A waived row does so again once its waiver has ended.
    """
    is_over = sa.and_(_BAD.c.state == "waived", _BAD.c.waived_until <= clock.now())
    return sa.or_(_BAD.c.state.in_(("open", "requeued")), is_over)


def _as_stored(
    connection: Connection, entity: Entity, source: str, record_id: sa.ColumnElement, named: sa.Select
) -> Iterator[sa.Select]:
    """Yield ``named`` once per vendor, with the stored account references in its first column instead."""
    if not entity.account_ref:
        return
    for vendor in _vendors(entity.kind):
        # Before the first read there are no raw tables, and nothing is stored.
        if not has_table(connection, f"raw.{raw_table(vendor, entity.name)}"):
            continue
        columns: list[sa.ColumnClause] = [sa.column(name) for name in ("source", "id", entity.account_ref)]
        stored = sa.table(raw_table(vendor, entity.name), *columns, schema="raw").alias("stored")
        _, *others = named.selected_columns
        yield (
            named.with_only_columns(stored.c[entity.account_ref], *others)
            .join_from(record_id.table, stored, stored.c.id == record_id)
            .where(stored.c.source == source)
        )


def _vendors(kind: Kind) -> list[str]:
    return [vendor for vendor, its_kind in VENDORS.items() if its_kind == kind]


def _keys_of(connection: Connection, source: str, kind: Kind, refs: list[str], crms: list[str]) -> dict[str, set[str]]:
    """Return for each reference the accounts that it can mean: with several CRMs, every one that could have the id."""
    keys: dict[str, set[str]] = defaultdict(set)
    candidates: dict[tuple[str, str], set[str]] = defaultdict(set)  # CRM and its id -> references
    if source in crms:
        for ref in refs:
            candidates[source, ref].add(ref)
    else:
        for ref, crm_id in _stored_crm_ids(connection, source, kind, refs):
            prefix, _, rest = crm_id.partition(":")
            # An id may be prefixed with its CRM: crm_eu:77.
            for place in [(prefix, rest)] if rest and prefix in crms else [(crm, crm_id) for crm in crms]:
                candidates[place].add(ref)
        for ref, key in _bridge_keys(connection, source, refs):
            keys[ref].add(key)
    survivors = connection.execute(
        sa.text(
            "select source, loser_id, survivor_id from meta.account_merge"
            " where source = any(:crms) and loser_id = any(:ids)"
        ),
        {"crms": [crm for crm, _ in candidates], "ids": [crm_id for _, crm_id in candidates]},
    )
    merged = {(crm, loser): survivor for crm, loser, survivor in survivors}
    for (crm, crm_id), crm_refs in candidates.items():
        for ref in crm_refs:
            keys[ref].add(f"{crm}:{merged.get((crm, crm_id), crm_id)}")
    return keys


def _stored_crm_ids(connection: Connection, source: str, kind: Kind, refs: list[str]) -> list[tuple[str, str]]:
    """Return (reference, CRM id) pairs stored in the accounts of a support desk, product or billing system."""
    entity, column = _CRM_ID_COLUMNS[kind]
    found: list[tuple[str, str]] = []
    for vendor in _vendors(kind):
        if not has_table(connection, f"raw.{raw_table(vendor, entity)}"):
            continue  # a vendor that a newer version added and of which nothing was read yet
        carrier = sa.table(raw_table(vendor, entity), *map(sa.column, ("source", "id", column)), schema="raw")
        query = sa.select(carrier.c.id, carrier.c[column]).where(
            carrier.c.source == source, carrier.c.id.in_(refs), carrier.c[column] != ""
        )
        found += [(ref, crm_id) for ref, crm_id in connection.execute(query)]
    return found


def _bridge_keys(connection: Connection, source: str, refs: list[str]) -> list[tuple[str, str]]:
    if not store.has_bridge(connection):
        return []
    rows = connection.execute(
        sa.text(
            "select source_id, account_key from core.account_bridge"
            " where source = :source and source_id = any(:refs) and account_key is not null"
        ),
        {"source": source, "refs": refs},
    )
    return [(ref, key) for ref, key in rows]


_BAD = sa.table(
    "record",
    *map(sa.column, ("source", "entity", "record_id", "account_ref", "rule_id", "state", "waived_until")),
    schema="quarantine",
)

# A held batch and the batches that wait behind it.
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
