"""Plan how to read each object, from its current description and the mapping. Every run makes its own plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from include.connectors.base import Record
from include.connectors.casting import time_or_none
from include.connectors.crm.salesforce.api import Row, SalesforceApi, select
from include.connectors.crm.salesforce.objects import Part, sobjects
from include.connectors.crm.salesforce.resources import CURSOR, Related
from include.connectors.mapping import Mapper, MappingFile
from include.entities.catalog import ENTITIES

_HOUR = 3_600_000
# Column -> the entity of which it holds an id.
_REFERENCES = {
    "account_id": "account", "parent_id": "account", "opportunity_id": "opportunity", "renews_id": "opportunity",
    "contact_id": "contact", "owner_id": "owner", "replaces_id": "contract_line",
}  # fmt: skip


class Plan(NamedTuple):
    """How one object is read.

    Args:
        select: The query up to FROM and the object.
        condition: Condition on its rows other than on their change time; "" for none.
        mapper: Converts its rows to records.
        phases: The phases that follow ``rows`` when only changes are read.
        related: Related objects with mapped fields -> those fields.
        refresh: Milliseconds until everything is read again; None if no mapped field is calculated.
        is_account: Whether it is the account object, whose merges are tracked.
    """

    select: str
    condition: str
    mapper: Mapper
    phases: tuple[str, ...]
    related: Mapping[Related, tuple[str, ...]]
    refresh: int | None
    is_account: bool


def make(api: SalesforceApi, file: MappingFile, part: Part, fields: Mapping[str, Row], zone: ZoneInfo) -> Plan:
    """Return how an object is read.

    Args:
        api: Describes further objects that the mapping refers to.
        file: Finds the line of a setting, for errors.
        zone: Time zone for converting timestamps to dates.

    Raises:
        ConfigError: The object or a mapped field does not exist; names file, line and field.
    """
    resource, mapping = part.resource, part.mapping
    if not fields:
        raise file.document.error(
            ("entities", resource.entity),
            f"Salesforce has no object {resource.sobject}, or this login cannot see it",
            cure="correct its name, or grant the login read access to it",
        )
    mapper = Mapper(ENTITIES[resource.entity], mapping.columns, mapping.keep, zone)
    related, parents, known = _dotted_fields(api, part, mapper.properties, fields)
    file.check_properties(resource.entity, known, f"Salesforce's {resource.sobject}", part=part.name)
    _check_references(file, part, known)
    related_names = {one.sobject for one in related}
    own = [name for name in mapper.properties if name.partition(".")[0] not in related_names]
    extra = [name for name in ("Id", CURSOR, "CreatedDate", "IsDeleted", "MasterRecordId") if name in fields]
    extra += [one.same for one in related if one.same]
    is_calculated = any(fields.get(name, {}).get("calculated") for name in own) or bool(mapping.refresh)
    return Plan(
        select([*extra, *own], resource.sobject),
        f"{resource.empty} = NULL" if resource.empty in fields else "",
        mapper,
        (*(f"parent:{name}" for name in parents), *(f"related:{one.sobject}" for one in related)),
        related,
        mapping.refresh_hours * _HOUR if is_calculated else None,
        resource.entity == "account",
    )


def add_related(api: SalesforceApi, plan: Plan, rows: list[Row]) -> None:
    """Add the values of related records to the rows. Several values become a multi-select list."""
    for related, names in plan.related.items():
        by_id = {row["Id"]: row for row in rows}
        for row in by_id.values():
            row[related.sobject] = {}
        asked = select(filter(None, (related.key, related.same, *names)), related.sobject)
        for other in api.by_ids(asked, related.key, by_id, is_all=False):
            row = by_id[other[related.key]]
            if related.same and other[related.same] != row[related.same]:
                continue
            for name in names:
                parts = str(other[name] or "").split(";") + str(row[related.sobject].get(name) or "").split(";")
                row[related.sobject][name] = ";".join(sorted(set(filter(None, parts)))) or None


def record(plan: Plan, row: Row) -> Record:
    made = plan.mapper.record(str(row["Id"]), row, time_or_none(row.get(CURSOR)), bool(row.get("IsDeleted")))
    survivor = row.get("MasterRecordId")
    if survivor:
        made.payload["merged_into"] = survivor
    if plan.is_account:
        made.values["merged_into"] = survivor
    return made


def _dotted_fields(
    api: SalesforceApi, part: Part, mapped: tuple[str, ...], fields: Mapping[str, Row]
) -> tuple[dict[Related, tuple[str, ...]], list[str], dict[str, Row]]:
    """Return the related objects and the parents that dotted fields refer to, and all known fields."""
    known = dict(fields)
    related: dict[Related, tuple[str, ...]] = {}
    parents: list[str] = []
    for first in dict.fromkeys(name.partition(".")[0] for name in mapped if "." in name):
        related_object = next((one for one in part.resource.related if one.sobject == first), None)
        link = next((each for each in fields.values() if each.get("relationshipName") == first), None)
        if related_object:
            theirs = api.fields(related_object.sobject)
            wanted = (name.partition(".")[2] for name in mapped if name.startswith(f"{first}."))
            related[related_object] = tuple(name for name in wanted if name in theirs)
        elif link and link.get("referenceTo"):
            theirs = api.fields(link["referenceTo"][0])
            parents.append(first)
        else:
            continue
        known |= {f"{first}.{name}": field for name, field in theirs.items()}
    return related, parents, known


def _check_references(file: MappingFile, part: Part, known: Mapping[str, Row]) -> None:
    """Make sure that a lookup leads to the object whose id its column holds; a text may hold any."""
    entity = part.resource.entity
    place = ("entities", entity, *(("objects", part.name) if part.name else ()), "columns")
    for column, rule in part.mapping.columns.items():
        wanted = sobjects(file, _REFERENCES[column]) if column in _REFERENCES else ()
        for name in rule.names() if wanted else ():
            found = known[name].get("referenceTo") or ()
            if found and not set(found) & set(wanted):
                raise file.document.error(
                    (*place, column),
                    f"{name} holds ids of {' or '.join(found)}, and {column} needs those of {' or '.join(wanted)}",
                    cure=f"map a field that leads to {wanted[0]}, such as one of a parent: PARENT__r.FIELD",
                )
