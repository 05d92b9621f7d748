"""The suppression list: hashes of erased people, to remove their data from new reads before it reaches any table.

The hashes are salted with the installation's id, so the list reveals nothing without its warehouse. It covers email
addresses, records, accounts (by their source's ids), and names. A name is redacted only in the texts of its account:
elsewhere the same name may belong to another person.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import unescape
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.entities.catalog import ENTITIES, Entity
from include.warehouse import locks

if TYPE_CHECKING:
    from include.connectors.base import Page, Record

ERASED = "[erased]"
_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
_MAX_NAME_WORDS = 4  # words
# The lookbehind anchors a match at the start of a token. Otherwise the search in a long text without an address would
# restart at each letter. The local part may contain apostrophes: https://www.rfc-editor.org/rfc/rfc5322#section-3.2.3
_ENDS = r"\s<>\"'(),;:\[\]{}|\\"
ADDRESS = re.compile(rf"(?<![^{_ENDS}])[^{_ENDS}]+(?:'[^{_ENDS}]+){{0,3}}@[^{_ENDS}@]+\.[^\W\d_]+")
# Columns with email addresses of the person whom the record is about.
ADDRESS_COLUMNS = ("email", "other_emails")
# Entities with texts written by one person -> the column with that person's id, and the person's entity.
WRITERS = {
    "ticket": ("requester_id", "support_user"),
    "ticket_event": ("actor_id", "support_user"),
    "survey_response": ("contact_id", "contact"),
    "activity": ("contact_id", "contact"),
}


@dataclass(frozen=True)
class Erased:
    """The suppression list.

    Args:
        salt: The installation's id.
        hashes: Hashes of everything erased.
    """

    salt: str
    hashes: frozenset[str]

    def address(self, address: str) -> str:
        return self._hash("address", address.strip().lower())

    def record(self, source: str, entity: str, record_id: str) -> str:
        return self._hash("record", source, entity, record_id)

    def account(self, source: str, account_ref: str) -> str:
        """Return the hash of an account, by its source's id."""
        return self._hash("account", source, account_ref)

    def place(self, source: str, account_ref: str) -> str:
        """Return the hash of an account whose texts have names redacted."""
        return self._hash("place", source, account_ref)

    def name(self, source: str, account_ref: str, name: str) -> str:
        """Return the hash of a name in the texts of an account."""
        return self._hash("name", source, account_ref, *_WORD.findall(name.lower().replace("\u2019", "'")))

    def subject(self, subject: str) -> str:
        """Return the hash that identifies an erasure."""
        return self._hash("subject", subject)

    def has(self, source: str, entity: str, record_id: str) -> bool:
        """Return whether a record was erased, by its own id."""
        is_account = ENTITIES[entity].is_account
        return self.record(source, entity, record_id) in self.hashes or (
            is_account and self.account(source, record_id) in self.hashes
        )

    def keep(self, source: str, entity: Entity, records: Iterable[Record]) -> list[Record]:
        """Drop the records of erased people. From all others, redact erased people's texts, names and addresses."""
        return [self._without(source, entity, one) for one in records if not self._is_of_erased(source, entity, one)]

    def _is_of_erased(self, source: str, entity: Entity, record: Record) -> bool:
        if self.has(source, entity.name, str(record.id)):
            return True
        account = record.values.get(entity.account_ref)
        if not entity.is_account and account and self.account(source, str(account)) in self.hashes:
            return True
        named = (str(record.values.get(column) or "") for column in ADDRESS_COLUMNS)
        return any(self.address(one) in self.hashes for text in named for one in ADDRESS.findall(text))

    def _without(self, source: str, entity: Entity, record: Record) -> Record:
        if self._is_written_by_erased(source, entity, record):
            record = replace(record, values=record.values | dict.fromkeys(entity.sensitive), payload={})
        ref = str(record.values.get(entity.account_ref) or "")
        place = (source, ref) if ref and self.place(source, ref) in self.hashes else None
        return replace(
            record,
            values={name: self._clean(value, place) for name, value in record.values.items()},
            payload=self._clean(record.payload, place),
            problems=self._clean(record.problems, place),
        )

    def _is_written_by_erased(self, source: str, entity: Entity, record: Record) -> bool:
        if entity.name not in WRITERS:
            return False
        column, writer = WRITERS[entity.name]
        return self.record(source, writer, str(record.values.get(column))) in self.hashes

    def _clean(self, value: Any, place: tuple[str, str] | None) -> Any:
        if isinstance(value, str):
            plain = unescape(value) if "&" in value else value  # some vendors return HTML
            clean = ADDRESS.sub(self._without_address, plain) if "@" in plain else plain
            clean = self._without_names(clean, place) if place else clean
            return value if clean == plain else clean
        if isinstance(value, dict):
            return {name: self._clean(inner, place) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(inner, place) for inner in value]
        return value

    def _without_address(self, found: re.Match[str]) -> str:
        """Return the text of a match without an erased address; a word such as l' may precede the address."""
        words = found[0].split("'")
        tails = ("'".join(words[number:]) for number in range(len(words)))
        gone = next((one for one in tails if self.address(one) in self.hashes), "")
        return f"{found[0].removesuffix(gone)}{ERASED}" if gone else found[0]

    def _without_names(self, text: str, place: tuple[str, str]) -> str:
        words, parts, done, number = list(_WORD.finditer(text)), [], 0, 0
        while number < len(words) - 1:
            for size in range(min(_MAX_NAME_WORDS, len(words) - number), 1, -1):
                first, last = words[number], words[number + size - 1]
                if self.name(*place, text[first.start() : last.end()]) in self.hashes:
                    parts += [text[done : first.start()], ERASED]
                    done, number = last.end(), number + size - 1
                    break
            number += 1
        return "".join([*parts, text[done:]])

    def _hash(self, *parts: str) -> str:
        return hashlib.sha256("\x1f".join((self.salt, *parts)).encode("utf-8", "surrogatepass")).hexdigest()


def load(connection: Connection) -> Erased:
    """Load the current list."""
    salt = connection.execute(sa.text("select cast(installation_id as text) from meta.installation")).scalar_one()
    return Erased(salt, frozenset(connection.execute(sa.text("select hash from meta.suppression")).scalars()))


def keep(connection: Connection, source: str, entity: Entity, page: Page) -> Page:
    """Return a page without erased data. The shared lock delays new erasures until the transaction ends."""
    connection.execute(sa.text("select pg_advisory_xact_lock_shared(:key)"), {"key": locks.SUPPRESSION_LOCK})
    if not page.records or not connection.execute(sa.text("select exists (select from meta.suppression)")).scalar():
        return page
    return replace(page, records=load(connection).keep(source, entity, page.records))
