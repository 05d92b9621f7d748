"""Salesforce's objects per entity, and the order of reading them: activities are of two types.

A position names the object being read, and stores under ``ends`` when each object was last read completely. An object
that is new in the mapping has no such time yet, so it is read from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from include.connectors.base import Position
from include.connectors.crm.salesforce import pagination
from include.connectors.crm.salesforce.resources import RESOURCES, Resource
from include.connectors.mapping import EntityMapping, MappingFile

# Keys that each position keeps through the pagination of one object.
_CARRIED = ("object", "from", "ends")


@dataclass(frozen=True)
class Part:
    """One object of an entity.

    Args:
        resource: Salesforce's object.
        mapping: Fields for the columns.
        name: The object's name in the mapping file; "" if the entity has just one.
    """

    resource: Resource
    mapping: EntityMapping
    name: str = ""


def of_mapping(file: MappingFile) -> dict[str, dict[str, Part]]:
    """Return entity -> its parts by object, in the order of the file.

    Raises:
        ConfigError: The file lacks a required object name.
    """
    found: dict[str, dict[str, Part]] = {}
    for entity, mapping in file.entities.items():
        known = {resource.sobject: resource for resource in RESOURCES if resource.entity == entity}
        if mapping.objects:
            named = {name: (one, name) for name, one in mapping.objects.items()}
        elif mapping.object or (len(known) == 1 and "" not in known):
            named = {mapping.object or next(iter(known)): (mapping, "")}
        else:
            known.pop("", None)
            hint = f"under `objects`: {', '.join(known)}" if known else "as `object: NAME__c`"
            place = ("entities", entity)
            raise file.document.error(place, f"{entity} does not name its object", cure=f"name it {hint}")
        found[entity] = {
            # A custom object replaces the standard one, without the standard object's special features.
            name: Part(known.get(name) or replace(Resource(entity), sobject=name), one, shown)
            for name, (one, shown) in named.items()
        }
    return found


def sobjects(file: MappingFile, entity: str) -> tuple[str, ...]:
    """Return the objects that an entity is read from, those of the shipped mapping where the file names none."""
    usual = tuple(one.sobject for one in RESOURCES if one.entity == entity)
    return tuple(filter(None, file.parts(entity) if entity in file.entities else ())) or usual


def begin(objects: Sequence[str], lo: int | None, hi: int, done: Position) -> Position:
    """Return the first position of a new read.

    Args:
        objects: In reading order.
        lo: First millisecond; None to read everything.
        hi: First millisecond that is not read.
        done: Object -> when it was last read completely, without objects that are due for a complete read.
    """
    return _enter(objects[0], {"from": lo, "hi": hi, "ends": done})


def advance(objects: Sequence[str], there: Position) -> Position:
    """Return the position after the end of an object: the beginning of the next one."""
    plan = there | {"ends": there["ends"] | {there["object"]: there["whole_at"]}}
    later = objects[objects.index(there["object"]) + 1 :] if there["object"] in objects else ()
    if later:
        return _enter(later[0], plan)
    return {"phase": "done", "at": there["hi"], "ends": plan["ends"]}


def _enter(name: str, plan: Position) -> Position:
    lo, hi, whole_at = plan["from"], plan["hi"], plan["ends"].get(name)
    inner = pagination.full_pass(hi) if lo is None or whole_at is None else pagination.changes(lo, hi, whole_at)
    return inner | {"object": name, "from": lo, "ends": plan["ends"]}
