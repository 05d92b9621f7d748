"""Map a source's fields to an entity's columns, by a mapping file where people may change it, or by a declaration."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from include.common import clock
from include.common.errors import ConfigError
from include.config import files
from include.config.documents import Document, Strict, read, validate
from include.config.models import SourceSettings
from include.connectors.base import Record
from include.connectors.casting import Cast, caster
from include.connectors.durations import months_of
from include.entities.catalog import ENTITIES, ColumnType, Entity

# Separator of multi-select values in CRMs.
_SEPARATOR = ";"
_NOTHING: Mapping[str, Any] = {}
_MOMENT = caster("timestamptz")


class ColumnRule(Strict):
    """How one column is filled. In the file, the field's name alone is enough if nothing else is needed.

    Args:
        property: The source's field.
        preferred: A field that is used instead if it has a value.
        add_days: Days added to a date: 1 turns a last day into the exclusive end that entities use.
        values: The source's value -> ours; other values are kept. Each part of a multi-select is translated.
        is_set: The column is true if the field has any value, else false.
        is_empty: The column is true if the field has no value, else false.
        is_website: The field holds a web address; the column gets its host without ``www.``.
        is_one_of: The column is true if the field's value is one of these, false if it is another.
        is_past: The column is true if the field's timestamp has passed.
        if_empty: The column's value if the field has none.
        is_duration: The field holds a duration (``P12M``, ``1 year``, ``12``); the column gets its whole months.
        always: The column has this value in every row, without a field.
    """

    property: str = ""
    preferred: str = ""
    add_days: int = 0
    values: dict[str, str] = Field(default={})
    is_set: bool = False
    is_empty: bool = False
    is_website: bool = False
    is_one_of: tuple[str, ...] = ()
    is_past: bool = False
    is_duration: bool = False
    if_empty: str = ""
    always: str = ""

    @model_validator(mode="after")
    def _has_origin(self) -> ColumnRule:
        if bool(self.property) == bool(self.always):
            raise ValueError("set either `property` or `always`")
        if self.preferred and not self.property:
            raise ValueError("`preferred` requires `property`")
        return self

    def names(self) -> tuple[str, ...]:
        """Return the source's fields that the rule reads."""
        return tuple(name for name in (self.property, self.preferred) if name)


class EntityMapping(Strict):
    """The mapping of one entity.

    Args:
        columns: Column -> rule.
        keep: More fields to keep in ``payload`` without mapping them.
        refresh: Mapped fields that change without updating the record's clock, in addition to those that the source
            reports.
        refresh_hours: If there are such fields, everything is read again after this many hours. For HubSpot this always
            applies, because its associations also change without a trace.
        object: The source's name of the object, if it is a custom object.
        objects: If several objects of the source make up one entity: the source's name of each -> its mapping.
    """

    columns: dict[
        str, Annotated[ColumnRule, BeforeValidator(lambda rule: {"property": rule} if isinstance(rule, str) else rule)]
    ] = Field(default={})
    keep: tuple[str, ...] = ()
    refresh: tuple[str, ...] = ()
    refresh_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 24
    object: str = ""
    objects: dict[str, EntityMapping] = Field(default={})

    @model_validator(mode="after")
    def _has_columns(self) -> EntityMapping:
        if ("columns" in self.model_fields_set) == bool(self.objects):
            raise ValueError("set either `columns` or `objects`")
        if self.objects and (self.object or self.keep or any(one.objects for one in self.objects.values())):
            raise ValueError("an entity with `objects` cannot set `object` or `keep`, and objects cannot be nested")
        return self

    def fills(self) -> dict[str, str]:
        """Return field -> the columns filled from it, comma-separated."""
        found: dict[str, list[str]] = {}
        for column, rule in self.columns.items():
            for name in rule.names():
                found.setdefault(name, []).append(column)
        return {name: ", ".join(columns) for name, columns in found.items()}


class MappingDocument(Strict):
    entities: dict[str, EntityMapping]


@dataclass(frozen=True)
class MappingFile:
    """A loaded mapping file.

    Args:
        document: Finds the line of each setting, for errors.
        entities: Entity -> its mapping.
    """

    document: Document
    entities: dict[str, EntityMapping]

    def parts(self, entity: str) -> dict[str, EntityMapping]:
        """Return the source's object -> mapping; the object is "" if the file does not name it."""
        mapping = self.entities[entity]
        return dict(mapping.objects) or {mapping.object: mapping}

    def objects(self, entity: str) -> Collection[str]:
        """Return the source's objects that the file names for an entity."""
        return self.entities[entity].objects.keys() if entity in self.entities else ()

    def check_properties(self, entity: str, known: Iterable[str], where: str, part: str = "") -> None:
        """Check that the source has every mapped field.

        Args:
            entity: The mapped entity.
            known: The source's fields.
            where: The object with these fields, for the message.
            part: Name of the object under ``objects``; "" without it.

        Raises:
            ConfigError: A field is missing; names file, line, and the closest known field.
        """
        present = set(known)
        mapping = self.entities[entity]
        place: tuple = ("entities", entity)
        if mapping.objects:
            mapping, place = mapping.objects[part], (*place, "objects", part)
        for column, rule in mapping.columns.items():
            for name in rule.names():
                if name not in present:
                    raise self._unknown((*place, "columns", column), name, present, where)
        for key, names in (("keep", mapping.keep), ("refresh", mapping.refresh)):
            for index, name in enumerate(names):
                if name not in present:
                    raise self._unknown((*place, key, index), name, present, where)

    def _unknown(self, place: tuple, name: str, known: set[str], where: str) -> ConfigError:
        close = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {close[0]}? Otherwise" if close else f"create it in {where}, or"
        return self.document.error(place, f"{where} has no property {name}", cure=f"{advice} remove that line")


def file_of(source: SourceSettings, vendor: str) -> str:
    """Return the mapping file of a connection: the one in the settings, or else its vendor's."""
    return source.mapping or f"{vendor}.yaml"


def load_mapping(name: str, entities: Iterable[str]) -> MappingFile:
    """Read and check ``config/mappings/<name>``.

    Args:
        name: File name.
        entities: The entities that it may map.

    Raises:
        ConfigError: It is missing or wrong; names file and line.
    """
    path = files.find("config", f"mappings/{name}")
    if path is None:
        raise ConfigError(
            f"config/mappings/{name} is missing",
            cure=f"add it to the folder in PERENNIAL_CONFIG_DIR as config/mappings/{name},"
            " or correct `mapping` in config/settings.yaml",
        )
    document = read(path)
    if document.is_disabled:
        return MappingFile(document, {})
    mapping = validate(document, MappingDocument)
    allowed = list(entities)
    for entity, rules in mapping.entities.items():
        if entity not in allowed:
            raise _unknown_name(document, ("entities", entity), "entity", entity, allowed)
        _check_columns(document, ("entities", entity), entity, rules)
        for part, its_rules in rules.objects.items():
            _check_columns(document, ("entities", entity, "objects", part), entity, its_rules)
    return MappingFile(document, mapping.entities)


def _check_columns(document: Document, where: tuple, entity: str, rules: EntityMapping) -> None:
    columns = {column.name: column for column in ENTITIES[entity].columns}
    for column, rule in rules.columns.items():
        place = (*where, "columns", column)
        if column not in columns:
            raise _unknown_name(document, place, f"column of {entity}", column, list(columns))
        if rule.add_days and columns[column].type not in ("date", "timestamptz"):
            raise document.error((*place, "add_days"), f"{column} is not a date", cure="remove add_days")
        if rule.is_duration and columns[column].type != "bigint":
            raise document.error((*place, "is_duration"), f"{column} is not an integer", cure="remove is_duration")
        for name in ("is_set", "is_empty", "is_one_of", "is_past"):
            if getattr(rule, name) and columns[column].type != "boolean":
                raise document.error((*place, name), f"{column} is not a boolean", cure=f"remove {name}")
        for name, value in (("always", rule.always), ("if_empty", rule.if_empty)):
            try:
                caster(columns[column].type)(value or None)
            except ValueError:
                raise document.error(
                    (*place, name),
                    f"{value} is not a valid value for {column}",
                    cure=f"{column} has type {columns[column].type}",
                ) from None


def _unknown_name(document: Document, place: tuple, what: str, name: str, known: list[str]) -> ConfigError:
    close = difflib.get_close_matches(name, known, n=1)
    cure = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return document.error(place, f"unknown {what} {name}", cure=cure)


def field_name(objects: Collection[str], object_name: str, field: str) -> str:
    """Return a field's name within an entity, prefixed with its object's name if the entity has several objects."""
    return field if len(objects) == 1 else f"{object_name}.{field}"


class Mapper:
    """Convert raw rows to the values of an entity.

    Args:
        rules: Column -> rule. A dotted field leads into nested objects.
        keep: More fields for the payload.
        zone: Time zone for converting timestamps to dates.
    """

    def __init__(
        self, entity: Entity, rules: Mapping[str, ColumnRule], keep: Iterable[str] = (), zone: ZoneInfo | None = None
    ) -> None:
        types = {column.name: column.type for column in entity.columns}
        steps = [_step(name, rule, types[name], zone) for name, rule in rules.items() if rule.property]
        always = {name: caster(types[name])(rule.always) for name, rule in rules.items() if rule.always}
        kept = tuple(keep)
        self.properties = tuple(dict.fromkeys([*(name for rule in rules.values() for name in rule.names()), *kept]))
        self._steps, self._always, self._kept = steps, always, kept

    def record(
        self, record_id: str, raw: Mapping[str, Any], source_at: datetime | None, is_deleted: bool = False
    ) -> Record:
        values: dict[str, Any] = {}
        payload: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for column, name, above, key, cast, if_none, preferred in self._steps:
            here = raw
            for part in above:
                inner = here.get(part)
                here = inner if type(inner) is dict else _NOTHING
            found = here.get(key)
            if preferred and raw.get(preferred) not in (None, ""):
                name, found = preferred, raw[preferred]
            if found is None:
                values[column] = if_none
                continue
            payload[name] = found
            try:
                values[column] = cast(found)
            except (ValueError, OverflowError):
                values[column] = None
                problems[column] = str(found)[:200]
        for name in self._kept:
            if (found := raw.get(name)) is not None:
                payload[name] = found
        return Record(record_id, values | self._always, payload, source_at, is_deleted, problems)


class _Step(NamedTuple):
    """How one column is filled, from a field at the end of a path of nested objects."""

    column: str
    property: str
    above: tuple[str, ...]
    key: str
    cast: Cast
    if_none: Any
    preferred: str = ""


def _step(column: str, rule: ColumnRule, kind: ColumnType, zone: ZoneInfo | None) -> _Step:
    *above, key = rule.property.split(".")
    plain = caster(kind, zone)
    cast = _cast(rule, plain)
    if_none = False if rule.is_set else True if rule.is_empty else plain(rule.if_empty)
    if rule.if_empty:
        cast = _filled(cast, if_none)
    return _Step(column, rule.property, tuple(above), key, cast, if_none, rule.preferred)


def _cast(rule: ColumnRule, cast: Cast) -> Cast:
    if rule.is_website:
        return _website
    if rule.is_past:
        return _is_past
    if rule.is_duration:
        return months_of
    if rule.is_set:
        return lambda value: value not in (None, "")
    if rule.is_empty:
        return lambda value: value in (None, "")
    if rule.is_one_of:
        return lambda value: str(value) in rule.is_one_of if value != "" else None
    if rule.values:
        return lambda value: cast(_translate(value, rule.values))
    if rule.add_days:
        return lambda value: _add_days(cast(value), rule.add_days)
    return cast


def _filled(cast: Cast, if_empty: Any) -> Cast:
    return lambda value: if_empty if value == "" else cast(value)


def _is_past(value: Any) -> bool | None:
    at = _MOMENT(value)
    return None if at is None else at <= clock.now()


def _website(value: Any) -> str | None:
    text = str(value).strip()
    return text.partition("://")[2 * ("://" in text)].split("/")[0].removeprefix("www.") or None


def _translate(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str):
        return value
    if _SEPARATOR not in value:
        return values.get(value, value)
    return _SEPARATOR.join(dict.fromkeys(values.get(part, part) for part in value.split(_SEPARATOR)))


def _add_days(value: date | None, days: int) -> date | None:
    return None if value is None else value + timedelta(days=days)
