"""Detect schema drift: new, removed, renamed and retyped fields of a source. Most changes do not fail a run.

Before rows of an entity are landed, and at least once a day, the source is asked for its fields. Differences from the
last answer are stored in ``meta.schema_change``, and its owner is notified of them. Only the removal of a mapped field
fails its entity's contract: the columns filled from it would otherwise look cleared.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from include.common import clock
from include.common.errors import AuthError, ConfigError, ContractError
from include.common.texts import N_, gettext
from include.connectors.base import Source
from include.warehouse.engine import engine

log = logging.getLogger(__name__)
# A removed field counts as renamed if a new field has the same type and a name at least this similar.
_MIN_SIMILARITY = 0.6
_MAX_AGE = timedelta(days=1)
Kind = Literal["new", "removed", "renamed", "retyped"]
_CHANGED: Mapping[Kind, str] = {
    "new": N_("{field} was added ({is_now})"),
    "removed": N_("{field} was removed ({was})"),
    "renamed": N_("{was} was renamed to {field}"),
    "retyped": N_("{field} changed from {was} to {is_now}"),
}


@dataclass(frozen=True)
class Change:
    """One change of one field.

    Args:
        kind: Kind of change.
        field: Its current name, or its last name if it was removed.
        was: Its former type; for a renamed field, its former name; "" for a new field.
        is_now: Its current type; "" for a removed field.
    """

    kind: Kind
    field: str
    was: str
    is_now: str

    @property
    def missing(self) -> str:
        """The field name that no longer exists; "" if the change removed no name."""
        return {"removed": self.field, "renamed": self.was}.get(self.kind, "")

    def sentence(self, fills: str) -> str:
        """Return the change as a sentence.

        Args:
            fills: The columns that are mapped from the field, comma-separated.
        """
        names = {"field": self.field, "was": self.was, "is_now": self.is_now}
        sentence = gettext(_CHANGED[self.kind], **names)
        return gettext("{change}; it fills {columns}", change=sentence, columns=fills) if fills else sentence


def compare(before: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """Return the changes between two descriptions of an entity's fields."""
    new, gone = set(now) - set(before), set(before) - set(now)
    changes = [
        Change("retyped", name, before[name], now[name]) for name in sorted(set(before) & set(now))
        if before[name] != now[name]
    ]  # fmt: skip
    for former in sorted(gone):
        same_type = [name for name in new if now[name] == before[former]]
        renamed = difflib.get_close_matches(former, same_type, n=1, cutoff=_MIN_SIMILARITY)
        if renamed:
            new.remove(renamed[0])
            changes.append(Change("renamed", renamed[0], former, now[renamed[0]]))
        else:
            changes.append(Change("removed", former, before[former], ""))
    return changes + [Change("new", name, "", now[name]) for name in sorted(new)]


def is_due(source_id: str, source: Source, entity: str) -> bool:
    """Return whether to check the schema even if no rows may arrive.

    This is so if the check costs no API call, if the last one is a day old, or if a mapped field was never seen.
    """
    if source.client is None:
        return True
    with engine("loader").connect() as connection:
        seen = connection.execute(_SEEN, {"source": source_id, "entity": entity}).first()
    if seen is None or clock.now() - seen.seen_at >= _MAX_AGE:
        return True
    return not set(source.mapped(entity)) <= set(seen.fields)


def check(source_id: str, source: Source, entity: str) -> None:
    """Compare the source's fields with the last known ones.

    Raises:
        ContractError: A mapped field was removed. The error says which, since when, and the columns that it filled.
    """
    fills = source.mapped(entity)
    _store_changes(source_id, entity, source.fields, fills)
    _check(source_id, entity, fills)


def _store_changes(source_id: str, entity: str, describe: Any, fills: Mapping[str, str]) -> None:
    try:
        now = {_clean(name): _clean(kind) for name, kind in describe(entity).items()}
    except (AuthError, ConfigError) as error:
        # If something is wrong, reading will report it. Describing may only lack a permission that reading does not
        # need.
        log.info("%s.%s: cannot fetch its fields: %s", source_id, entity, error)
        return
    if not now:
        return
    with engine("loader").begin() as connection:
        known = connection.execute(_KNOWN, {"source": source_id, "entity": entity}).scalar()
        changes = compare(known, now) if known else []
        _store_fields(connection, source_id, entity, now)
        for change in changes:
            filled = fills.get(change.missing or change.field, "")
            log.warning("%s.%s: %s", source_id, entity, change.sentence(filled))
            values = vars(change) | {"source": source_id, "entity": entity, "fills": filled, "now": clock.now()}
            connection.execute(_NOTE, values)


def _clean(name: str) -> str:
    """Return a vendor's field name in a form that PostgreSQL accepts, cut to a displayable length."""
    return str(name).replace("\x00", "").encode("utf-8", "replace").decode()[:200]


def _store_fields(connection: Connection, source_id: str, entity: str, fields: Mapping[str, str]) -> None:
    values = {"source": source_id, "entity": entity, "fields": orjson.dumps(fields).decode(), "now": clock.now()}
    connection.execute(_STORE_FIELDS, values)


def _check(source_id: str, entity: str, fills: Mapping[str, str]) -> None:
    with engine("loader").connect() as connection:
        fields = connection.execute(_KNOWN, {"source": source_id, "entity": entity}).scalar()
        missing = sorted(set(fills) - set(fields)) if fields else []
        gone = connection.execute(_GONE, {"source": source_id, "entity": entity, "fields": missing}).first()
    if gone is None:
        return
    cure = f"map {gone.field} instead" if gone.kind == "renamed" else f"restore it in {source_id}, or map another field"
    name = gone.was if gone.kind == "renamed" else gone.field
    new_name = f"; it seems to have been renamed to {gone.field}" if gone.kind == "renamed" else ""
    raise ContractError(
        f"{source_id}.{entity}: the field {name}, which fills {fills[name]}, has been missing from the source since"
        f" {gone.noticed_at:%Y-%m-%d %H:%M} UTC{new_name}",
        cure=f"{cure} in its mapping, or remove the line, which makes {fills[name]} not available",
    )


@dataclass(frozen=True)
class Noticed:
    """A schema change whose notice is still to be sent.

    Args:
        change_id: Its number.
        fills: The columns that are mapped from the field, comma-separated.
        noticed_at: When it was detected.
    """

    change_id: int
    entity: str
    change: Change
    fills: str
    noticed_at: datetime

    @property
    def sentence(self) -> str:
        """The change as a sentence, in the reader's language."""
        return self.change.sentence(self.fills)


def unreported(source_id: str) -> list[Noticed]:
    """Return the changes that a source's owner was not notified of, those of mapped fields first."""
    with engine("loader").connect() as connection:
        rows = connection.execute(_UNREPORTED, {"source": source_id}).all()
    return [
        Noticed(row.change_id, row.entity, Change(row.kind, row.field, row.was, row.is_now), row.fills, row.noticed_at)
        for row in rows
    ]


def note_notified(changes: list[Noticed]) -> None:
    """Record that the owner was notified."""
    with engine("loader").begin() as connection:
        connection.execute(_NOTIFIED, {"now": clock.now(), "ids": [change.change_id for change in changes]})


_SEEN = sa.text("select seen_at, fields from meta.source_schema where source = :source and entity = :entity")
_KNOWN = sa.text("select fields from meta.source_schema where source = :source and entity = :entity")
_STORE_FIELDS = sa.text(
    "insert into meta.source_schema (source, entity, fields, seen_at)"
    " values (:source, :entity, cast(:fields as jsonb), :now)"
    " on conflict (source, entity) do update set fields = excluded.fields, seen_at = excluded.seen_at"
)
_NOTE = sa.text(
    "insert into meta.schema_change (source, entity, kind, field, was, is_now, fills, noticed_at)"
    " values (:source, :entity, :kind, :field, :was, :is_now, :fills, :now)"
)
_GONE = sa.text(
    "select kind, field, was, noticed_at from meta.schema_change where source = :source and entity = :entity"
    " and (kind = 'removed' and field = any(:fields) or kind = 'renamed' and was = any(:fields))"
    " order by change_id desc limit 1"
)
_UNREPORTED = sa.text(
    "select change_id, entity, kind, field, was, is_now, fills, noticed_at from meta.schema_change"
    " where source = :source and notified_at is null order by fills = '', change_id"
)
_NOTIFIED = sa.text("update meta.schema_change set notified_at = :now where change_id = any(:ids)")
