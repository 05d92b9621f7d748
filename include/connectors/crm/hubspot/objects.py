"""HubSpot's objects per entity, and the order of reading them: activities are of four types.

A position names the object being read, and stores under ``ends`` where each object's last read ended. An object that is
new in the mapping has no end yet, so it is read from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from include.common.errors import ConfigError
from include.config.documents import Document
from include.connectors.base import Position
from include.connectors.crm.hubspot import pagination
from include.connectors.crm.hubspot.resources import RESOURCES, Resource
from include.connectors.mapping import EntityMapping, MappingFile

# Keys that each position keeps through the pagination of one object.
_CARRIED = ("object", "from", "ends", "refresh")


@dataclass(frozen=True)
class Part:
    """One object of an entity.

    Args:
        resource: HubSpot's object.
        mapping: Properties for the columns.
        prefix: Prefix of each id, if objects of several types make up one entity.
    """

    resource: Resource
    mapping: EntityMapping
    prefix: str = ""


def of_mapping(file: MappingFile) -> dict[str, tuple[Part, ...]]:
    """Return entity -> its parts, in the order of the file.

    Raises:
        ConfigError: The file names an object that cannot belong to the entity, or lacks a required name.
    """
    found: dict[str, tuple[Part, ...]] = {}
    extra = {one.object_type for one in RESOURCES if one.is_extra and one.object_type in file.objects(one.entity)}
    for entity, mapping in file.entities.items():
        of_entity = [_with_mapped_associations(resource, extra) for resource in RESOURCES if resource.entity == entity]
        known = {resource.object_type: resource for resource in of_entity if not resource.is_extra or mapping.objects}
        own = [resource.object_type for resource in of_entity if not resource.is_extra]
        place = ("entities", entity)
        if mapping.objects:
            for name in mapping.objects:
                if name not in known:
                    raise _unknown(file.document, (*place, "objects", name), name, known)
            # The entity's only own object keeps its ids, because other records refer to them.
            found[entity] = tuple(
                Part(known[name], one, "" if [name] == own else f"{name}-") for name, one in mapping.objects.items()
            )
        elif mapping.object:
            named = known.get(mapping.object) or replace(next(iter(known.values())), object_type=mapping.object)
            found[entity] = (Part(named, mapping),)
        elif len(known) > 1 or "" in known:
            known.pop("", None)
            hint = f"under `objects`: {', '.join(known)}" if known else "as `object: NAME`"
            raise file.document.error(place, f"{entity} does not name its object", cure=f"name it {hint}")
        else:
            found[entity] = (Part(next(iter(known.values())), mapping),)
    return found


def _with_mapped_associations(resource: Resource, extra: set[str]) -> Resource:
    """Return a resource without associations to objects that the mapping does not name."""
    return replace(resource, associations=tuple(one for one in resource.associations if not one.of or one.of in extra))


def _unknown(document: Document, place: tuple, name: str, known: dict[str, Resource]) -> ConfigError:
    return document.error(place, f"{name} is not an object of this entity", cure=f"known: {', '.join(known)}")


def begin(objects: Sequence[str], lo: int | None, hi: int, ends: Position, refresh: int) -> Position:
    """Return the first position of a new read.

    Args:
        objects: In reading order.
        lo: First millisecond; None to read everything.
        hi: First millisecond that is not read.
        ends: Object -> where its last read ended.
        refresh: After this many milliseconds an object is listed completely instead of searched for changes.
    """
    return _enter(objects[0], {"from": lo, "ends": ends, "refresh": refresh, "hi": hi})


def advance(objects: Sequence[str], here: Position, there: Position) -> Position:
    """Return the position after a step. The end of one object leads to the beginning of the next."""
    if there["phase"] != "done":
        return there | {key: here[key] for key in _CARRIED}
    plan = here | {"ends": here["ends"] | {here["object"]: pagination.pass_state(there)}}
    later = objects[objects.index(here["object"]) + 1 :]
    return _enter(later[0], plan) if later else {"phase": "done", "at": there["at"], "ends": plan["ends"]}


def _enter(name: str, plan: Position) -> Position:
    lo, hi, end = plan["from"], plan["hi"], plan["ends"].get(name)
    if lo is None or end is None:
        inner = pagination.first(hi)
    elif hi - end.get("listed_at", 0) >= plan["refresh"]:
        inner = pagination.relist(lo, hi, end)
    else:
        inner = pagination.changes(lo, hi, end)
    return inner | {"object": name, "from": lo, "ends": plan["ends"], "refresh": plan["refresh"]}


def upgraded(position: Position, name: str) -> Position:
    """Convert a position of version 1, which had only one object, to the current version.

    Args:
        position: As it was stored.
        name: The entity's only object then; "" for owners, which are not objects.
    """
    if not name or "ends" in position:
        return position
    if position["phase"] != "done":
        return position | {"object": name, "from": position.get("lo"), "ends": {}, "refresh": 0}
    return {
        "phase": "done",
        "at": position["at"],
        "ends": {name: pagination.pass_state(position) | {"listed_at": position["at"]}},
    }
