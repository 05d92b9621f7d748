"""Blank an erased person's own texts, texts about the person, and their name in texts of their accounts.

Addresses are blanked everywhere (see ``redaction.py``). A name may be shared with someone else. It is blanked only in
messages, evidence and samples, and in rows of the person's own accounts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.entities.catalog import ENTITIES, Entity
from include.identity import store as identity_store
from include.ingest import suppression
from include.operations.privacy import find, redaction
from include.operations.privacy.find import PAIRS, Found


@dataclass(frozen=True)
class Places:
    """Accounts in whose texts the name refers to the erased person.

    Args:
        refs: (source, id in the source).
    """

    keys: list[str]
    refs: list[tuple[str, str]]


def blank_written(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Blank the texts that a person wrote. The record and its time stay.

    The records are added to ``found.written``, their accounts to ``found.touched``.
    """
    for table, entity, end in find.raw_tables(connection):
        if end or entity.name not in suppression.WRITERS:
            continue
        column, writer = suppression.WRITERS[entity.name]
        statement = _blanked(table, entity, f"(source, {column}) in {PAIRS}")
        returning = f" returning source, id, {entity.account_column} as account"
        rows = connection.execute(sa.text(statement + returning), found.pairs(writer)).all()
        counts[table] += len(rows)
        found.written |= {(row.source, entity.name, row.id) for row in rows}
        found.touched |= {(row.source, row.account) for row in rows if row.account}
    _blank_waiting(connection, found, counts)


def _blank_waiting(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Blank the person's texts in waiting batches and in quarantine, so that a replay does not restore them."""
    for source, entity, table in find.waiting_tables(connection):
        if entity.name in suppression.WRITERS:
            column, writer = suppression.WRITERS[entity.name]
            ids = [record_id for one, name, record_id in found.records if (one, name) == (source, writer)]
            statement = sa.text(_blanked(table, entity, f"{column} = any(:ids)"))
            counts["raw.batch"] += connection.execute(statement, {"ids": ids}).rowcount
    for name, (column, writer) in suppression.WRITERS.items():
        values = {"entity": name, "texts": [*ENTITIES[name].sensitive, "payload"], **found.pairs(writer)}
        statement = sa.text(_IN_QUARANTINE.format(column=column))
        counts["quarantine.record"] += connection.execute(statement, values).rowcount


def _blanked(table: str, entity: Entity, where: str) -> str:
    blank = ", ".join(f"{name} = null" for name in entity.sensitive)
    texts = " or ".join(f"{name} is not null" for name in entity.sensitive)
    return f"update {table} set {blank}, payload = '{{}}' where {where} and ({texts})"  # noqa: S608


def blank_lists(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Blank the people's lines in the lists of touches."""
    keys = sorted(f"{source}:{record_id}" for source, entity, record_id in found.records if entity == "contact")
    clause = sa.text("update ops.touch_contact set line = :erased where contact_key = any(:keys) and line <> :erased")
    counts["ops.touch_contact"] += connection.execute(clause, {"keys": keys, "erased": suppression.ERASED}).rowcount


def blank_messages(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Blank messages and evidence about people, and an account's name in digests, reports, discounts and requests."""
    keys = sorted(f"{source}:{record_id}" for source, entity, record_id in found.records if entity == "contact")
    for store, statement in _OF_CONTACT.items():
        counts[store] += connection.execute(sa.text(statement), {"keys": keys}).rowcount
    names = dict.fromkeys(sorted(found.companies, key=len, reverse=True), suppression.ERASED)
    for table in redaction.tables(connection, ("ops",)):
        if table.name in _LISTS:
            counts[table.name] += redaction.blank(connection, table, names, _LISTS[table.name])
    for table in _WRITTEN:
        counts[table.name] += redaction.blank(connection, table, names)


def places(connection: Connection, found: Found) -> Places:
    """Return the accounts of the erased records, with all their ids in all sources."""
    refs = found.touched | found.accounts
    keys = {f"{source}:{ref}" for source, ref in refs}
    if identity_store.has_bridge(connection):
        bridge = "select account_key, source, source_id from core.account_bridge where account_key is not null and"
        pairs = {"sources": [source for source, _ in refs], "ids": [ref for _, ref in refs]}
        rows = connection.execute(sa.text(f"{bridge} (source, source_id) in {PAIRS}"), pairs)
        keys |= {row.account_key for row in rows}
        rows = connection.execute(sa.text(f"{bridge} account_key = any(:keys)"), {"keys": sorted(keys)})
        refs |= {(row.source, row.source_id) for row in rows}
    return Places(sorted(keys), sorted(refs))


def of_accounts(connection: Connection, places: Places) -> Iterator[tuple[str, str, dict[str, list[str]]]]:
    """Yield the tables with texts of some accounts: table, condition, and bound values."""
    for table in redaction.tables(connection, ("core", "marts")):
        if "account_key" in table.columns:
            yield table.name, "account_key = any(:accounts)", {"accounts": places.keys}
    pairs = {"sources": [source for source, _ in places.refs], "ids": [ref for _, ref in places.refs]}
    for name, entity, _ in find.raw_tables(connection):
        if entity.account_ref:
            yield name, f"(source, {entity.account_ref}) in {PAIRS}", pairs
    for source, entity, name in find.waiting_tables(connection):
        if entity.account_ref:
            yield name, f"{entity.account_ref} = any(:ids)", {"ids": [ref for one, ref in places.refs if one == source]}


_IN_QUARANTINE = f"""
    update quarantine.record
    set record = record - cast(:texts as text[])
    where entity = :entity and (source, record ->> '{{column}}') in {PAIRS} and record ?| cast(:texts as text[])
"""  # noqa: S608
# Tables with rows about many accounts -> the condition for those rows.
_LISTS = {"ops.outbox": "entity_kind in ('csm', 'person', 'report')", "ops.report": "", "ops.customer_report": ""}
# What people wrote about another account's discount or about a request may name the company.
_WRITTEN = (
    redaction.Texts("meta.discount_request", {"why": "text", "note": "text"}),
    redaction.Texts("meta.request_entry", {"request": "text", "note": "text"}),
    redaction.Texts("meta.request_change", {"request": "text", "merged_into": "text", "note": "text"}),
)
_OF_CONTACT = {
    "ops.outbox": (
        "update ops.outbox set subject = '[erased]', body = '{}', reason ="
        " case when state = 'planned' then 'the person whom it is about was erased' else reason end,"
        " state = case when state = 'planned' then 'suppressed' else state end"
        " where entity_kind = 'contact' and entity_id = any(:keys) and body <> '{}'"
    ),
    "ops.episode": (
        "update ops.episode set evidence = '{}', state = 'closed', closed_on = coalesce(closed_on, updated_on),"
        " close_reason = 'the person was erased', answer = case when answer = '' then '' else '[erased]' end"
        " where entity_kind = 'contact' and entity_id = any(:keys) and evidence <> '{}'"
    ),
    "ops.evaluation": "delete from ops.evaluation where subject_kind = 'contact' and subject_id = any(:keys)",
    "ops.evaluation_input": (
        "delete from ops.evaluation_input where subject_kind = 'contact' and subject_id = any(:keys)"
    ),
    "ops.task": (
        "update ops.task set outcome = '' where outcome <> '' and key in"
        " (select key from ops.outbox where entity_kind = 'contact' and entity_id = any(:keys))"
    ),
}
# All records of Perennial's own that name people or contain what they wrote.
WITH_PERSONS = (*_LISTS, *(one.name for one in _WRITTEN), *_OF_CONTACT, "ops.touch_contact")
