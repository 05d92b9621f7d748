"""Convert HubSpot rows to records: mapped values, change times, associations and merges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from include.connectors import positions
from include.connectors.base import Record
from include.connectors.casting import time_or_none as moment
from include.connectors.crm.hubspot.api import associated_id
from include.connectors.crm.hubspot.objects import Part
from include.connectors.crm.hubspot.resources import Resource
from include.connectors.mapping import Mapper

Row = dict[str, Any]
# (from type, to type, ids) -> id -> id of the associated object
Associated = Callable[[str, str, Sequence[str]], dict[str, str]]


def listed_associations(part: Part) -> tuple[str, ...]:
    """Return the object types whose associations are requested with each listed row."""
    wanted = [one.path[0] for one in part.resource.associations if one.column not in part.mapping.columns]
    return tuple(dict.fromkeys(wanted))


def records(
    part: Part, mapper: Mapper, rows: list[Row], associated: Associated, listed: Sequence[str] = ()
) -> list[Record]:
    """Return the records of a page.

    Args:
        part: The object of the rows.
        mapper: Maps the object's properties.
        rows: As HubSpot returns them.
        associated: Asks HubSpot for associations.
        listed: Object types whose associations came with the rows.
    """
    resource = part.resource
    # An object edited between two pages may be in both. The later row is newer.
    rows = list({str(row["id"]): row for row in rows}.values())
    made = [record(mapper, resource, row) for row in rows]
    _associate(part, made, associated, _associated_by_row(resource, rows, listed))
    merged = {one: record for row, record in zip(rows, made, strict=True) for one in _merged_ids(resource, row)}
    # After a merge, only the loser's id remains, in the survivor.
    there = {record.id for record in made}
    made += [
        Record(one, {}, {"merged_into": into.id}, into.source_at, is_deleted=True)
        for one, into in merged.items()
        if one not in there
    ]
    return [replace(one, id=f"{part.prefix}{one.id}") for one in made] if part.prefix else made


def record(mapper: Mapper, resource: Resource, row: Row) -> Record:
    """Return one row as a record, without the columns from associations."""
    properties = row.get("properties") or {}
    is_archived = bool(row.get("archived"))
    changed_at, updated_at = properties.get(resource.cursor), row.get("updatedAt")
    at = moment(changed_at)
    # Both are usually the same text, so parse it only once.
    if is_archived or updated_at != changed_at:
        clocks = (at, moment(updated_at), moment(row.get("archivedAt")) if is_archived else None)
        at = max(filter(None, clocks), default=None)
    return mapper.record(str(row["id"]), properties, at, is_archived)


def archived_at(row: Row) -> int | None:
    """Return when a row was archived, in milliseconds; None if unknown."""
    at = moment(row.get("archivedAt")) or moment(row.get("updatedAt"))
    return positions.milliseconds(at) if at else None


def _associated_by_row(resource: Resource, rows: list[Row], listed: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return type -> id -> the associated object by the row itself; "" if it has none."""
    from_rows = {
        to: {str(row["id"]): one for row in rows if (one := associated_id(row, to)) is not None} for to in listed
    }
    if "companies" not in from_rows and resource.primary:
        named = {str(row["id"]): str((row.get("properties") or {}).get(resource.primary) or "") for row in rows}
        # A row without a primary company may still be associated with one.
        from_rows["companies"] = {one: str(int(name)) for one, name in named.items() if name and name.isdigit()}
    return from_rows


def _associate(part: Part, made: list[Record], associated: Associated, from_rows: dict[str, dict[str, str]]) -> None:
    """Fill the columns from associations. Archived records have lost theirs."""
    live = {record.id: record for record in made if not record.is_deleted}
    found: dict[tuple[str, ...], dict[str, str]] = {(): {one: one for one in live}}
    for association in part.resource.associations:
        if association.column in part.mapping.columns:
            continue
        lacking = [one for one, record in live.items() if not record.values.get(association.column)]
        if not lacking:
            continue
        chain = (part.resource.object_type, *association.path)
        for length in range(1, len(association.path) + 1):
            path = association.path[:length]
            nearer = found[path[:-1]]
            far = found.setdefault(path, dict(from_rows.get(path[0], {})) if length == 1 else {})
            asked = {one: nearer[one] for one in lacking if nearer.get(one) and one not in far}
            if asked:
                answer = associated(chain[length - 1], chain[length], sorted(set(asked.values()), key=int))
                far |= {one: answer.get(middle, "") for one, middle in asked.items()}
        for one in lacking:
            there = found[association.path].get(one) or None
            is_own = there and association.of == association.path[-1]
            live[one].values[association.column] = f"{association.of}-{there}" if is_own else there


def _merged_ids(resource: Resource, row: Row) -> list[str]:
    """Return the ids of the records merged into this one. Contacts write ``id:time`` in the second property."""
    properties = row.get("properties") or {}
    named = [properties[name] for name in resource.merged if properties.get(name)]
    if not named:
        return []
    parts = [part for value in named for part in str(value).split(";")]
    ids = dict.fromkeys(part.split(":")[0].strip() for part in parts)
    return [one for one in ids if one and one != str(row["id"])]
