"""HubSpot as a source: companies, contacts, owners, deals and line items."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from include.config.models import Settings
from include.connections import Connection
from include.errors import ConfigError
from include.sources import positions
from include.sources.base import Page, Position, Record
from include.sources.cast import caster
from include.sources.crm.hubspot import walks
from include.sources.crm.hubspot.api import HubSpotApi, Row, client
from include.sources.crm.hubspot.owners import owner_record, owners_step
from include.sources.crm.hubspot.resources import RESOURCES, Resource
from include.sources.entities import ENTITIES, Kind, of_kind
from include.sources.mapping import Mapper, file_of, load_mapping
from include.sources.walk import walk

_moment = caster("timestamptz")
_OWNER = "owner"


class HubSpot:
    """One HubSpot portal.

    Args:
        connection: Where it is; the password is a private app's token.
        settings: For lag, overlap and zone.
    """

    vendor = "hubspot"
    kind: Kind = "crm"

    def __init__(self, connection: Connection, settings: Settings) -> None:
        source = settings.source(connection.id)
        self._lag = timedelta(seconds=source.lag_seconds if source else 300)
        self._trailing = 1000 * (source.trailing_seconds if source else 3600)
        self._zone = ZoneInfo(settings.reporting_zone)
        self._api = HubSpotApi(client(connection, settings.allowed_plain_http_hosts))
        self._mapping = load_mapping(file_of(source, self.vendor), [resource.entity for resource in RESOURCES])
        self._resources = {one.entity: one for one in RESOURCES if one.entity in self._mapping.entities}

    def entities(self) -> tuple[str, ...]:
        """See ``Source``. An entity that the mapping leaves out is not available."""
        return tuple(one.name for one in of_kind("crm") if one.name == _OWNER or one.name in self._resources)

    def read(
        self,
        entity: str,
        *,
        position: Position | None,
        mark: Position | None = None,
        until: datetime,
        since: datetime | None = None,
        full: bool = False,
    ) -> Iterator[Page]:
        """See ``Source``."""
        if entity != _OWNER:
            self._resource(entity)
        return walk(
            f"HubSpot's {entity} records",
            position=position,
            mark=mark,
            full=full,
            start=lambda done: self._start(entity, done, until, since, full),
            step=self._owner_step if entity == _OWNER else partial(self._step, entity),
        )

    def _start(
        self, entity: str, done: Position | None, until: datetime, since: datetime | None, full: bool
    ) -> Position:
        if entity != _OWNER:
            self._prepare(entity)  # a wrong mapping shows before anything is read; the answer also tells the clock
        # Should the vendor's clock be behind ours, what it stamps meanwhile must fall into the next window.
        behind = timedelta(seconds=max(0.0, -self._api.client.skew_seconds))
        hi = positions.milliseconds(until - self._lag - behind)
        if entity == _OWNER or full or done is None:
            return walks.first(hi)
        lo = done["at"] - self._trailing
        return walks.changes(min(lo, positions.milliseconds(since)) if since else lo, hi, done)

    def _step(self, entity: str, here: Position) -> tuple[list[Record], Position]:
        resource = self._resources[entity]
        names, mapper = self._prepare(entity)
        api, object_type = self._api, resource.object_type

        def page(is_archived: bool, after: str | None) -> tuple[list[Row], str | None]:
            return api.list_page(object_type, names, after, is_archived)

        if here["phase"] == "list":
            rows, there = walks.list_step(here, page)
        elif here["phase"] == "search":
            rows, there = walks.search_step(here, partial(api.search, object_type, names), resource.cursor)
        else:
            rows, there = walks.archived_step(here, page, _archived_at, self._trailing)
        return self._records(resource, mapper, rows), there

    def _resource(self, entity: str) -> Resource:
        if entity in self._resources:
            return self._resources[entity]
        raise ConfigError(
            f"HubSpot has no entity {entity} in this configuration",
            cure=f"available: {', '.join(self.entities())}; see config/mappings/hubspot.yaml",
        )

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def _prepare(self, entity: str) -> tuple[tuple[str, ...], Mapper]:
        resource, mapping = self._resources[entity], self._mapping.entities[entity]
        known = set(self._api.property_names(resource.object_type))
        self._mapping.check_properties(entity, known, f"HubSpot's {resource.object_type}")
        mapper = Mapper(ENTITIES[entity], mapping.columns, mapping.keep, self._zone)
        extra = (resource.cursor, *(name for name in resource.merged if name in known))
        return tuple(dict.fromkeys((*mapper.properties, *extra))), mapper

    def _owner_step(self, here: Position) -> tuple[list[Record], Position]:
        rows, there = owners_step(here, self._api.owners_page)
        return [owner_record(row) for row in rows], there

    def _records(self, resource: Resource, mapper: Mapper, rows: list[Row]) -> list[Record]:
        records = [_record(mapper, resource, row) for row in rows]
        self._associate(resource, records)
        merged = {one: record for row, record in zip(rows, records, strict=True) for one in _merged_ids(resource, row)}
        # A merge leaves nothing of the loser but its id at the survivor (case 12).
        shown = {record.id for record in records}
        return records + [
            Record(one, {}, {"merged_into": into.id}, into.source_at, is_deleted=True)
            for one, into in merged.items()
            if one not in shown
        ]

    def _associate(self, resource: Resource, records: list[Record]) -> None:
        """Fill the columns that come from associations, which archived records have lost."""
        mapped = self._mapping.entities[resource.entity].columns
        live = {record.id: record for record in records if not record.is_deleted}
        found: dict[tuple[str, ...], dict[str, str]] = {(): {one: one for one in live}}
        for association in resource.associations:
            if association.column in mapped or not live:
                continue
            chain = (resource.object_type, *association.path)
            for length in range(1, len(association.path) + 1):
                path = association.path[:length]
                if path not in found:
                    near = found[path[:-1]]
                    far = self._api.associated(chain[length - 1], chain[length], sorted(set(near.values()), key=int))
                    found[path] = {one: far[middle] for one, middle in near.items() if middle in far}
            for one, record in live.items():
                record.values[association.column] = found[association.path].get(one)


def _record(mapper: Mapper, resource: Resource, row: Row) -> Record:
    properties = row.get("properties") or {}
    is_archived = bool(row.get("archived"))
    clocks = (properties.get(resource.cursor), row.get("updatedAt"), row.get("archivedAt") if is_archived else None)
    return mapper.record(str(row["id"]), properties, max(filter(None, map(_time, clocks)), default=None), is_archived)


def _time(text: Any) -> datetime | None:
    try:
        return _moment(text)
    except ValueError:
        return None


def _archived_at(row: Row) -> int | None:
    at = _time(row.get("archivedAt")) or _time(row.get("updatedAt"))
    return positions.milliseconds(at) if at else None


def _merged_ids(resource: Resource, row: Row) -> list[str]:
    """Return the ids of the records merged into this one; contacts write ``id:time`` in the second property."""
    properties = row.get("properties") or {}
    parts = [part for name in resource.merged for part in str(properties.get(name) or "").split(";")]
    ids = dict.fromkeys(part.split(":")[0].strip() for part in parts)
    return [one for one in ids if one and one != str(row["id"])]


SOURCE = HubSpot
