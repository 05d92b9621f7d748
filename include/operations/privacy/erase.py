"""Erase a person or an account from every store, so that the next read does not bring it back.

One transaction: all is erased or nothing is. Loads and builds wait for it. The next build recomputes figures: a
person's records count as deleted, an account's as if they had never existed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common.errors import ConfigError, WarehouseError
from include.ingest import suppression
from include.ingest.suppression import Erased
from include.models import fingerprints, registry
from include.operations.privacy import find, free_text, redaction
from include.operations.privacy.find import PAIRS, Found
from include.warehouse import locks
from include.warehouse.engine import engine, has_table


@dataclass
class Erasure:
    """The result of an erasure.

    Args:
        kind: ``person`` or ``account``.
        counts: Store -> number of rows deleted or blanked.
        outside: What other systems still hold, as sentences.
        found: With ``is_dry_run`` only: the addresses and records that would be erased. Review them, since one address
            leads to the next.
    """

    kind: str
    is_dry_run: bool
    counts: dict[str, int] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        return sum(self.counts.values())


def person(address: str, *, reason: str, by: str, dry_run: bool = False) -> Erasure:
    """Erase a person by one of their addresses.

    Args:
        address: Any address of the person. Records that contain it lead to the others.
        reason: The reason. It is stored, so it must not name the person.

    Raises:
        ConfigError: This is not an address, or the reason contains it.
    """
    address = address.strip().lower()
    if not suppression.ADDRESS.fullmatch(address):
        raise ConfigError("--person needs an e-mail address", cure="write one, such as ada@example.com")
    return _erase("person", address, reason, by, dry_run)


def account(account_key: str, *, reason: str, by: str, dry_run: bool = False) -> Erasure:
    """Erase an account with everything that belongs to it.

    Args:
        account_key: Such as ``crm:1001``.
        reason: The reason. It is stored, so it must not name the account.

    Raises:
        ConfigError: This is not an account key.
    """
    source, _, account_id = account_key.partition(":")
    if not (source and account_id):
        raise ConfigError("--account needs an account key", cure="write source:id, such as crm:1001")
    return _erase("account", account_key, reason, by, dry_run)


def _erase(kind: str, subject: str, reason: str, by: str, dry_run: bool) -> Erasure:
    if not reason.strip() or subject.lower() in reason.lower():
        raise ConfigError(
            "the reason is missing or names whom it erases; it is stored with the erasure",
            cure="give a reason with --reason, without the address or account key",
        )
    counts: Counter[str] = Counter()
    with engine("owner").connect() as connection, connection.begin() as transaction:
        connection.execute(sa.text("set local jit = off"))
        for lock in (locks.SUPPRESSION_LOCK, locks.SETTLE_LOCK):
            connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": lock})
        now = locks.stamp(connection)
        hashes = suppression.load(connection)
        found = find.person(connection, subject) if kind == "person" else find.account(connection, subject)
        erasure_id = _add_erasure(connection, kind, hashes.subject(subject), reason, by, now)
        if kind == "person":
            _erase_people(connection, found, erasure_id, now, counts)
            free_text.blank_written(connection, found, counts)
        else:
            _erase_account(connection, subject, found, counts)
        _delete_by_record(connection, found, counts)
        _forget_questions(connection, found, counts)
        free_text.blank_lists(connection, found, counts)
        _blank_models(connection, found, counts)
        outside = _outside(connection, kind, found)
        free_text.blank_messages(connection, found, counts)
        places = free_text.places(connection, found)
        _blank(connection, _replacements(hashes, found), found, places, counts)
        left = sum(redaction.count(connection, table, found.addresses) for table in redaction.tables(connection))
        if left:
            raise WarehouseError(f"{left} rows still contain an address; nothing was erased", cure="report this defect")
        _suppress(connection, hashes, found, places, erasure_id)
        _mark_dirty(connection, kind, found)
        connection.execute(
            sa.text("update meta.erasure set counts = cast(:counts as jsonb) where erasure_id = :id"),
            {"counts": orjson.dumps(dict(counts)).decode(), "id": erasure_id},
        )
        shown = _listed(found) if dry_run else []
        if dry_run:
            transaction.rollback()
        else:
            redaction.forget_statistics(connection)
    return Erasure(kind, dry_run, {name: number for name, number in sorted(counts.items()) if number}, outside, shown)


def _add_erasure(connection: Connection, kind: str, subject_hash: str, reason: str, by: str, now: datetime) -> int:
    return connection.execute(
        sa.text(
            "insert into meta.erasure (kind, subject_hash, reason, asked_by, counts, erased_at)"
            " values (:kind, :hash, :reason, :by, '{}', :now) returning erasure_id"
        ),
        {"kind": kind, "hash": subject_hash, "reason": reason, "by": by, "now": now},
    ).scalar_one()


def _erase_people(connection: Connection, found: Found, erasure_id: int, now: datetime, counts: Counter[str]) -> None:
    """Reduce a person's records to deleted records without anything that identifies the person."""
    for table, entity, end in find.raw_tables(connection):
        ids = found.pairs(entity.name)
        if not ids["ids"]:
            continue
        names = [name for name in entity.column_names if name in entity.sensitive or name in _IDENTIFYING]
        blank = ", ".join(f"{name} = null" for name in names)
        if not end:
            blank += ", payload = null, _is_deleted = true, _deleted_at = coalesce(_deleted_at, :now), _hash = ''"
        if end == "__version":
            _add_tombstone(connection, table, entity.column_names, ids, erasure_id, now)
        clause = sa.text(f"update {table} set {blank} where {_OF_IDS}")  # noqa: S608
        counts[table] += connection.execute(clause, {**ids, "now": now}).rowcount


def _add_tombstone(
    connection: Connection, table: str, columns: tuple[str, ...], ids: dict, erasure_id: int, now: datetime
) -> None:
    """Add a last version that marks the record as deleted. Erasure ids are negative; batch ids are positive."""
    names = ", ".join(columns)
    connection.execute(
        sa.text(
            f"insert into {table} (source, id, {names}, _source_at, _is_deleted, _deleted_at, _hash, _batch_id,"  # noqa: S608
            " _loaded_at, _is_first_load)"
            f" select distinct on (source, id) source, id, {names}, _source_at, true, :now, '', :batch_id, :now, false"
            f" from {table} where {_OF_IDS} order by source, id, _loaded_at desc, _batch_id desc"
        ),
        {**ids, "now": now, "batch_id": -erasure_id},
    )


def _erase_account(connection: Connection, account_key: str, found: Found, counts: Counter[str]) -> None:
    refs = {"sources": [one for one, _ in sorted(found.accounts)], "ids": [one for _, one in sorted(found.accounts)]}
    for table, entity, _ in find.raw_tables(connection):
        terms = []
        if entity.account_column:
            terms.append(f"(source, {entity.account_column}) in {PAIRS}")
        records = {f"record_{name}": values for name, values in found.pairs(entity.name).items()}
        if records["record_ids"]:
            terms.append(f"(source, id) in {_RECORD_PAIRS}")
        if terms:
            clause = sa.text(f"delete from {table} where {' or '.join(terms)}")  # noqa: S608
            counts[table] += connection.execute(clause, {**refs, **records}).rowcount
    for source, entity, table in find.waiting_tables(connection):
        if entity.account_column:
            ids = [account_id for one, account_id in found.accounts if one == source]
            clause = sa.text(f"delete from {table} where {entity.account_column} = any(:ids)")  # noqa: S608
            counts["raw.batch"] += connection.execute(clause, {"ids": ids}).rowcount
    for statement, store in _OF_ACCOUNT:
        counts[store] += connection.execute(sa.text(statement), {"key": account_key, **refs}).rowcount
    for built in redaction.tables(connection, ("core", "marts")):
        if "account_key" in built.columns:
            clause = sa.text(f"delete from {built.name} where {_OF_KEYS}")  # noqa: S608
            counts[built.name] += connection.execute(clause, {"key": account_key, **refs}).rowcount


def _delete_by_record(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Delete the records' rows in waiting batches and in quarantine."""
    by_kind: dict[tuple[str, str], list[str]] = {}
    for source, name, record_id in sorted(found.records):
        by_kind.setdefault((source, name), []).append(record_id)
    for source, entity, table in find.waiting_tables(connection):
        if (source, entity.name) in by_kind:
            clause = sa.text(f"delete from {table} where id = any(:ids)")  # noqa: S608
            counts["raw.batch"] += connection.execute(clause, {"ids": by_kind[source, entity.name]}).rowcount
    for (source, name), ids in by_kind.items():
        counts["quarantine.record"] += connection.execute(
            sa.text(
                "delete from quarantine.record where source = :source and entity = :entity and record_id = any(:ids)"
            ),
            {"source": source, "entity": name, "ids": ids},
        ).rowcount
    if not found.addresses:
        return
    # Rows without an id are found by address alone.
    nameless = sa.text(
        "delete from quarantine.record where coalesce(record_id, '') = ''"
        " and lower(concat_ws(' ', record ->> 'email', record ->> 'other_emails')) ~ :any"
    )
    bound = {"any": "|".join(map(redaction.pattern, sorted(found.addresses)))}
    counts["quarantine.record"] += connection.execute(nameless, bound).rowcount


def _forget_questions(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Remove the keys of tickets from the frequent questions and the proposals that name them."""
    texts = found.records | found.written
    keys = sorted(f"{source}:{record_id}" for source, entity, record_id in texts if entity == "ticket")
    counts["meta.qa_cluster"] += connection.execute(_FORGET_QUESTIONS, {"keys": keys}).rowcount
    counts["meta.request_hint"] += connection.execute(_FORGET_HINTS, {"keys": keys}).rowcount


def _blank_models(connection: Connection, found: Found, counts: Counter[str]) -> None:
    """Blank the records' values in built tables. The next build removes the rows."""
    is_there = sa.text("select exists (select from pg_class where oid = to_regclass(:name) and relkind <> 'v')")
    for name, model in registry.load().items():
        columns = model.metadata.columns
        personal = [
            column
            for column, described in columns.items()
            if (described.sensitivity == "personal" or column in _IDENTIFYING)
            and column not in model.metadata.unique_key
        ]
        for key, entity in _RECORD_KEYS.items():
            records = found.records | found.written
            keys = sorted(f"{source}:{record_id}" for source, kind, record_id in records if kind == entity)
            if not (keys and personal and key in columns and connection.execute(is_there, {"name": name}).scalar()):
                continue
            blank = ", ".join(f"{column} = null" for column in personal)
            seen = " or ".join(f"{column} is not null" for column in personal)
            clause = sa.text(f"update {name} set {blank} where {key} = any(:keys) and ({seen})")  # noqa: S608
            counts[name] += connection.execute(clause, {"keys": keys}).rowcount


def _blank(
    connection: Connection, words: dict[str, str], found: Found, places: free_text.Places, counts: Counter[str]
) -> None:
    """Blank addresses everywhere, and names in messages, evidence, samples and the account's own rows."""
    sent = sa.text(
        "update ops.outbox set state = 'suppressed', reason = 'the recipient was erased', resolved_at = now()"
        " where state in ('planned', 'parked') and recipient ~* :any"
    )
    people = "|".join(map(redaction.pattern, sorted(found.addresses)))
    connection.execute(sent, {"any": people or "^$"})
    if has_table(connection, "core.person_address"):
        gone = sa.text("delete from core.person_address where address = any(:addresses)")
        counts["core.person_address"] += connection.execute(gone, {"addresses": sorted(found.addresses)}).rowcount
    names = dict.fromkeys(sorted(found.names, key=len, reverse=True), suppression.ERASED)
    of_accounts = {table: (where, bound) for table, where, bound in free_text.of_accounts(connection, places)}
    for table in redaction.tables(connection):
        counts[table.name] += redaction.blank(connection, table, words)
        if table.name.split(".")[0] in ("ops", "quarantine", "meta"):
            counts[table.name] += redaction.blank(connection, table, names)
        elif table.name in of_accounts:
            where, bound = of_accounts[table.name]
            counts[table.name] += redaction.blank(connection, table, names, where, **bound)


def _replacements(hashes: Erased, found: Found) -> dict[str, str]:
    """Return address -> its replacement. Replacements differ, so that keys that contain addresses stay distinct."""
    return {one: f"[erased {hashes.address(one)[:12]}]" for one in sorted(found.addresses, key=len, reverse=True)}


def _suppress(connection: Connection, hashes: Erased, found: Found, places: free_text.Places, erasure_id: int) -> None:
    made = {hashes.address(one) for one in found.addresses}
    made |= {hashes.record(*one) for one in found.records}
    made |= {hashes.account(*one) for one in found.accounts}
    if found.names:
        made |= {hashes.place(*ref) for ref in places.refs}
        made |= {hashes.name(*ref, name) for ref in places.refs for name in found.names}
    connection.execute(
        sa.text(
            "insert into meta.suppression (hash, erasure_id) select unnest(cast(:hashes as text[])), :id"
            " on conflict (hash) do nothing"
        ),
        {"hashes": sorted(made), "id": erasure_id},
    )


def _mark_dirty(connection: Connection, kind: str, found: Found) -> None:
    """Mark figures for the next build: everything for an account, the account for a person."""
    if kind == "account":
        fingerprints.forget(connection)
    for source, ref in sorted(found.touched | found.accounts):
        connection.execute(
            sa.text(
                "insert into meta.dirty_range (batch_id, source, entity, account_ref, from_day)"
                " select 0, :source, entity, :ref, '0001-01-01' from unnest(cast(:entities as text[])) as e (entity)"
            ),
            {
                "source": source,
                "ref": ref,
                "entities": sorted({name for _, name, _ in found.records | found.written} | {"account"}),
            },
        )


def _listed(found: Found) -> list[str]:
    """List the addresses and records to be erased. A wrong second address in the CRM would include a colleague."""
    records = sorted(f"{entity} {source}:{record_id}" for source, entity, record_id in found.records)
    return [*(f"address {one}" for one in sorted(found.addresses)), *records]


def _outside(connection: Connection, kind: str, found: Found) -> list[str]:
    """List what systems that Perennial reads from or writes to still hold."""
    others = [
        f"{source}: {number} records of {entity}{what}; erase them there"
        for records, what in ((found.records, ""), (found.written, " with texts by the person"))
        for (source, entity), number in Counter((source, entity) for source, entity, _ in records).items()
    ]
    contacts = [f"{entity} {source}:{record_id}" for source, entity, record_id in found.records]
    people = "|".join(map(redaction.pattern, [*sorted(found.addresses), *sorted(found.names)]))
    sent = connection.execute(
        sa.text(
            "select channel, count(*) from ops.outbox where state in ('sent', 'uncertain')"
            " and (cast(body as text) ~* :any or subject ~* :any or recipient ~* :any"
            " or entity_kind || ' ' || entity_id = any(:contacts)) group by channel order by 1"
        ),
        {"any": people or "^$", "contacts": contacts},
    )
    others += [f"{channel}: {number} sent messages contain it; delete them there" for channel, number in sent]
    return [
        *sorted(others),
        "Airflow: task logs and XComs may contain a record's id, or an address that somebody typed into a form; earlier"
        " requests of approve_actions contain recipients and subjects. `retention.logs` removes logs, `airflow db clean"
        " --clean-before-timestamp TIME` the rest",
        "backups of this database contain it until they are overwritten; run this again after a restore",
    ]


# The first key is the most typical of those that are left.
_FORGET_QUESTIONS = sa.text(
    "update meta.qa_cluster set answer_key = case when answer_key <> all(:keys) then answer_key end, ticket_keys ="
    " array(select key from unnest(ticket_keys) with ordinality as t (key, no) where key <> all(:keys) order by no)"
    " where ticket_keys && :keys"
)
_FORGET_HINTS = sa.text("delete from meta.request_hint where ticket_key = any(:keys) or like_ticket = any(:keys)")
# Columns that identify a person although they are not marked as sensitive.
_IDENTIFYING = ("job_title",)
# Columns of built tables that refer to a person's record -> its entity.
_RECORD_KEYS = {
    "contact_key": "contact",
    "user_key": "product_user",
    "owner_key": "owner",
}
_RECORD_PAIRS = "(select * from unnest(cast(:record_sources as text[]), cast(:record_ids as text[])))"
_OF_IDS = f"(source, id) in {PAIRS}"
BY_ACCOUNT_KEY = (
    "ops.evaluation", "ops.evaluation_input", "meta.renewal_answer", "meta.former_continuation", "meta.health_pulse",
    "meta.health_override", "meta.health_change", "meta.former_health_input", "meta.discount_request",
    "meta.feature_unused", "meta.request_entry", "ops.experiment_account", "ops.customer_report", "ops.touch_contact",
)  # fmt: skip
# For an account that absorbed others, rows under their keys are erased too.
_OF_KEYS = f"(account_key = :key or account_key in (select source || ':' || id from {PAIRS} as erased (source, id)))"  # noqa: S608
# Other rows that name an account. The outbox keeps its keys, so that nothing is sent twice.
_OF_ACCOUNT = (
    (f"delete from quarantine.record where (source, account_ref) in {PAIRS}", "quarantine.record"),  # noqa: S608
    (
        "update ops.outbox set subject = '[erased]', body = '{}', recipient = '', address = '',"  # noqa: S608
        f" state = case when state in ('planned', 'parked') then 'suppressed' else state end where {_OF_KEYS}",
        "ops.outbox",
    ),
    (
        "update ops.episode set evidence = '{}', state = 'closed', closed_on = coalesce(closed_on, updated_on),"  # noqa: S608
        " close_reason = 'the account was erased', answer = case when answer = '' then '' else '[erased]' end"
        f" where {_OF_KEYS}",
        "ops.episode",
    ),
    *(
        (
            f"delete from {table} where {_OF_KEYS}",  # noqa: S608
            table,
        )
        for table in BY_ACCOUNT_KEY
    ),
    (
        f"update ops.task set outcome = '' where key in (select key from ops.outbox where {_OF_KEYS})",  # noqa: S608
        "ops.task",
    ),
    (
        f"delete from meta.identity_answer where account_key = :key or (source, source_id) in {PAIRS}",  # noqa: S608
        "meta.identity_answer",
    ),
)
