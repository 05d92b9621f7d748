"""Find all records, addresses and names of the person or account to erase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.entities.catalog import ENTITIES, VENDORS, Entity, raw_table
from include.identity import store
from include.ingest.suppression import ADDRESS, ADDRESS_COLUMNS
from include.operations.privacy.redaction import letter

# Shared mailboxes belong to no single person. sql/core/person_address has the same words.
SHARED_MAILBOXES = frozenset(
    {
        "accounting", "accounts", "admin", "billing", "contact", "finance", "hello", "help", "hr", "info", "invoices",
        "it", "legal", "mail", "marketing", "no-reply", "noreply", "office", "operations", "ops", "procurement",
        "purchasing", "sales", "security", "service", "support", "team",
    }
)  # fmt: skip
PAIRS = "(select * from unnest(cast(:sources as text[]), cast(:ids as text[])))"
# Records that belong to another record: entity -> the column that refers to it, and its entity.
_OF_OTHERS = {"contract_line": ("opportunity_id", "opportunity")}
_TICKETS = ("ticket_id", "ticket")


@dataclass
class Found:
    """The records, addresses and names to erase.

    Args:
        addresses: In lower case.
        names: Full names of people, as they appear in texts.
        companies: Names of whole accounts.
        records: (source, entity, id).
        accounts: (source, id in the source) of whole accounts.
        touched: (source, account id in the source) of accounts whose figures change.
        written: (source, entity, id) of records that stay, but whose texts the person wrote.
    """

    addresses: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    companies: set[str] = field(default_factory=set)
    records: set[tuple[str, str, str]] = field(default_factory=set)
    accounts: set[tuple[str, str]] = field(default_factory=set)
    touched: set[tuple[str, str]] = field(default_factory=set)
    written: set[tuple[str, str, str]] = field(default_factory=set)

    def pairs(self, entity: str) -> dict[str, list[str]]:
        """Return sources and ids of an entity's records, to bind in ``PAIRS``."""
        found = sorted((source, record_id) for source, name, record_id in self.records if name == entity)
        return {"sources": [source for source, _ in found], "ids": [record_id for _, record_id in found]}


def raw_tables(connection: Connection) -> Iterator[tuple[str, Entity, str]]:
    """Yield every existing raw table, its entity, and its suffix: "", "__version" or "__history"."""
    present = set(
        connection.execute(
            sa.text("select relname from pg_class where relnamespace = 'raw'::regnamespace and relkind = 'r'")
        ).scalars()
    )
    for vendor, kind in VENDORS.items():
        for entity in ENTITIES.values():
            for end in ("", "__version", "__history"):
                name = raw_table(vendor, entity.name) + end
                if entity.kind == kind and name in present:
                    yield f"raw.{name}", entity, end


def waiting_tables(connection: Connection) -> Iterator[tuple[str, Entity, str]]:
    """Yield source, entity and table of each unmerged batch."""
    rows = connection.execute(
        sa.text(
            "select source, entity, 'raw.' || table_name as name from meta.batch"
            " where table_name <> '' and to_regclass('raw.' || table_name) is not null order by batch_id"
        )
    )
    for row in rows.all():
        yield row.source, ENTITIES[row.entity], row.name


def _everywhere(connection: Connection) -> list[tuple[str, Entity]]:
    """Return everything that holds records, as FROM items: raw tables, waiting batches, and quarantine."""
    found = [(table, entity) for table, entity, _ in raw_tables(connection)]
    for _, entity, table in waiting_tables(connection):
        name = table.partition(".")[2]
        of = f"select b.source, w.* from meta.batch as b cross join {table} as w where b.table_name = '{name}'"  # noqa: S608
        found.append((f"({of}) as waiting", entity))
    for entity in ENTITIES.values():
        columns = ", ".join(f"record ->> '{name}' as {name}" for name in entity.column_names)
        of = f"select source, record_id as id, {columns} from quarantine.record where entity = '{entity.name}'"  # noqa: S608
        found.append((f"({of} and record_id <> '') as quarantined", entity))
    return found


def person(connection: Connection, address: str) -> Found:
    """Return all records with an address, then those with their other addresses, until nothing new is found."""
    found = Found({address.strip().lower()})
    before = 0
    tables = _everywhere(connection)
    while len(found.addresses) + len(found.records) > before:
        before = len(found.addresses) + len(found.records)
        for table, entity in tables:
            _people_of(connection, table, entity, found)
    return found


def _people_of(connection: Connection, table: str, entity: Entity, found: Found) -> None:
    columns = [name for name in ADDRESS_COLUMNS if name in entity.column_names]
    if not columns:
        return
    account = entity.account_ref or "cast(null as text)"
    has = " or ".join(f"{name} ~* :any" for name in columns)
    rows = connection.execute(
        sa.text(
            f"select source, id, {account} as account, concat_ws(',', {', '.join(columns)}) as addresses,"  # noqa: S608
            f" {_name_of(entity)} as name from {table}"
            f" where {has} or (source, id) in {PAIRS}"
        ),
        {
            "any": "|".join(f"(^|[,; ]){''.join(map(letter, one))}($|[,; ])" for one in sorted(found.addresses)),
            **found.pairs(entity.name),
        },
    )
    for row in rows:
        found.records.add((row.source, entity.name, row.id))
        for address in ADDRESS.findall(row.addresses.lower()):
            if address.partition("@")[0] not in SHARED_MAILBOXES:
                found.addresses.add(address)
        _add_name(found, row.name)
        if row.account:
            found.touched.add((row.source, row.account))


def account(connection: Connection, account_key: str) -> Found:
    """Return everything that belongs to an account, by all its ids in its sources."""
    source, _, account_id = account_key.partition(":")
    found = Found(accounts={(source, account_id)})
    if store.has_bridge(connection):
        ids = connection.execute(
            sa.text("select source, source_id from core.account_bridge where account_key = :key"), {"key": account_key}
        )
        found.accounts |= {(one.source, one.source_id) for one in ids}
    tables = _everywhere(connection)
    for table, entity in tables:
        if entity.account_column:
            _records_of(connection, table, entity, found, entity.account_column, found.accounts)
        if entity.is_account:
            called = sa.text(f"select distinct name from {table} where (source, id) in {PAIRS} and name <> ''")  # noqa: S608
            found.companies |= set(connection.execute(called, found.pairs(entity.name)).scalars())
    for table, entity in tables:
        column, owner = _OF_OTHERS.get(entity.name, _TICKETS)
        if column in entity.column_names and entity.name != owner:
            owners = {(one, record_id) for one, name, record_id in found.records if name == owner}
            _records_of(connection, table, entity, found, column, owners)
    return found


def _records_of(
    connection: Connection, table: str, entity: Entity, found: Found, column: str, refs: set[tuple[str, str]]
) -> None:
    if entity.name in ("usage_day", "seat_day"):
        return  # usage and seats are erased with their account; there are too many rows to list
    addresses = [name for name in ADDRESS_COLUMNS if name in entity.column_names]
    rows = connection.execute(
        sa.text(
            f"select distinct source, id, concat_ws(',', {', '.join(addresses) or 'null'}) as addresses,"  # noqa: S608
            f" {_name_of(entity)} as name from {table}"
            f" where (source, {column}) in {PAIRS}"
        ),
        {"sources": [one for one, _ in sorted(refs)], "ids": [one for _, one in sorted(refs)]},
    )
    for row in rows:
        found.records.add((row.source, entity.name, row.id))
        _add_name(found, row.name)
        found.addresses |= {
            one for one in ADDRESS.findall(row.addresses.lower()) if one.partition("@")[0] not in SHARED_MAILBOXES
        }


def _name_of(entity: Entity) -> str:
    named = [name for name in ("first_name", "last_name", "name") if name in entity.sensitive]
    return f"concat_ws(' ', {', '.join(named) or 'null'})"


def _add_name(found: Found, name: str) -> None:
    """Add a full name. A single word occurs in too many unrelated texts."""
    if " " in name.strip() and len(name.strip()) > 4:
        found.names.add(name.strip())
