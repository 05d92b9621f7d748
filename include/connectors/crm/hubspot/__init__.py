"""HubSpot as a source: companies, contacts, owners, deals, line items, and other objects in the mapping."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import cache, partial

from include.common import clock
from include.common.connections import Connection
from include.config.models import Settings
from include.connectors.base import Page, Position, Record, Request, Rights
from include.connectors.casting import time_or_none as moment
from include.connectors.crm.hubspot import history, pagination
from include.connectors.crm.hubspot import objects as parts
from include.connectors.crm.hubspot.api import HubSpotApi, Row
from include.connectors.crm.hubspot.client import granted, open_client
from include.connectors.crm.hubspot.objects import Part
from include.connectors.crm.hubspot.owners import owner_record, owners_step
from include.connectors.crm.hubspot.records import archived_at, listed_associations, records
from include.connectors.crm.hubspot.resources import ASSOCIATION_BATCH, ENTITIES_MAPPED, OWNER_SCOPE, WRITE_SCOPES
from include.connectors.crm.mapped import MappedCrm
from include.connectors.mapping import Mapper
from include.connectors.pagination import all_by_cursor, by_cursor, read_pages
from include.entities.catalog import ENTITIES

_OWNER = "owner"
_IMPLICIT_SCOPES = {"oauth"}  # every OAuth app has it
# Maximum number of pages in one step, whatever they contain.
_MAX_PAGES = 10


class HubSpot(MappedCrm):
    """One HubSpot portal.

    Args:
        connection: Host and credentials; see ``client.open_client``.
        settings: For lag, overlap and time zone.
    """

    vendor = "hubspot"
    name = "HubSpot"
    unmapped = (_OWNER,)

    def __init__(self, connection: Connection, settings: Settings) -> None:
        client = open_client(connection, settings.allowed_plain_http_hosts)
        super().__init__(connection, settings, client, ENTITIES_MAPPED)
        self._connection = connection
        self._api = HubSpotApi(client)
        self._known: dict[str, dict[str, str]] = {}  # property types by name, per object type
        self._parts = {
            entity: {part.resource.object_type: part for part in its_parts}
            for entity, its_parts in parts.of_mapping(self._mapping).items()
        }
        # Objects whose company the warehouse knows, because their own records are read with it.
        self._lookup_entities = {
            (name, "companies"): entity
            for entity in ("contact", "opportunity")
            for name, part in self._parts.get(entity, {}).items()
            if not part.prefix and "account_id" not in part.mapping.columns
        }

    def count(self, entity: str) -> int | None:
        """Return the number of records by the search index, which lags a little."""
        if entity == _OWNER:
            return None
        everything = [{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]
        return sum(self._api.search(one, ("hs_object_id",), everything)[1] for one in self._objects(entity))

    def rights(self, *, reads: bool, writes: Collection[str]) -> Rights | None:
        """Compare the token's scopes with those needed for the mapped objects and for writing."""
        given = granted(self.client, self._connection)
        if given is None:
            return None
        objects = [part.resource for its_parts in self._parts.values() for part in its_parts.values()]
        needed = {OWNER_SCOPE, *(scope for one in objects for scope in one.scopes)} if reads else set()
        needed |= {scope for channel in writes for scope in WRITE_SCOPES[channel]}
        return Rights(tuple(sorted(needed - given)), tuple(sorted(given - needed - _IMPLICIT_SCOPES)))

    def history(self, entity: str, *, mark: Position | None = None) -> Iterator[Page]:
        tracked = (
            []
            if entity == _OWNER
            else [one for one in self._objects(entity).values() if history.tracked_properties(one)]
        )
        if not tracked:
            return iter(())
        return read_pages(
            f"HubSpot's history of {entity} records",
            Request(clock.now(), mark=mark),
            start=lambda done: {"phase": "history", "after": None},
            step=partial(self._history_step, entity, tracked[0]),
        )

    def ids(self, entity: str) -> Iterator[list[tuple[str, datetime | None]]]:
        if entity == _OWNER:
            # A deactivated owner still exists, because it still owns records.
            for is_archived in (False, True):
                yield from _id_pages("", partial(self._api.owners_page, is_archived=is_archived))
            return
        for part in self._objects(entity).values():
            yield from _id_pages(part.prefix, partial(self._api.ids_page, part.resource.object_type))

    def _upgrade(self, entity: str, position: Position) -> Position:
        return parts.upgraded(position, "" if entity == _OWNER else next(iter(self._objects(entity))))

    def _start(self, entity: str, done: Position | None, request: Request) -> Position:
        if entity == _OWNER:
            hi = self._until(request.until)
            # Owners cannot be filtered by change and change rarely, so they are read hourly.
            if done and not request.full and not request.since and hi - done["at"] < pagination.HOUR:
                return done
            return pagination.first(hi)
        for name in self._objects(entity):
            # Detect a wrong mapping before a first read, and wherever the fields are already known.
            if request.full or done is None or name in self._known:
                self._check_offered(entity, name, done is None, self._check)
        lo, hi = self._since(done, request), self._until(request.until)
        refresh = 3_600_000 * self._mapping.entities[entity].refresh_hours
        return parts.begin(tuple(self._objects(entity)), lo, hi, done["ends"] if done else {}, refresh)

    def _step(self, entity: str, here: Position) -> tuple[list[Record], Position]:
        if entity == _OWNER:
            rows, there = owners_step(here, self._api.owners_page)
            return [owner_record(row) for row in rows], there
        objects = self._objects(entity)
        if here["object"] not in objects:
            # The mapping lost the object in the middle of its read. Read the others from where they ended.
            return [], parts.begin(tuple(objects), here["from"], here["hi"], here["ends"], here["refresh"])
        part = objects[here["object"]]
        rows, there = self._rows(entity, part, here)
        # One associations call covers a thousand rows, which are several pages.
        needs_associations, pages = listed_associations(part) and here["phase"] in ("list", "search"), 1
        while (
            needs_associations
            and there["phase"] == here["phase"]
            and len(rows) < ASSOCIATION_BATCH
            and pages < _MAX_PAGES
        ):
            more, there = self._rows(entity, part, there)
            rows, pages = rows + more, pages + 1
        mapper = self._prepare(entity, here["object"])[1]
        if any(not row.get("properties", {}).keys() >= set(mapper.properties) for row in rows):
            # HubSpot omits properties that the portal no longer has. Their columns would look cleared.
            self._check(entity, here["object"])
        listed = listed_associations(part) if here["phase"] == "list" else ()
        made = records(part, mapper, rows, partial(self._associated, part.resource.object_type), listed)
        return made, parts.advance(tuple(objects), here, there)

    def _rows(self, entity: str, part: Part, here: Position) -> tuple[list[Row], Position]:
        api, object_type = self._api, part.resource.object_type
        names, _ = self._prepare(entity, object_type)

        def page(is_archived: bool, after: str | None) -> tuple[list[Row], str | None]:
            return api.list_page(
                object_type, names, after, is_archived, () if is_archived else listed_associations(part)
            )

        if here["phase"] == "list":
            return pagination.list_step(here, page)
        if here["phase"] == "search":
            return pagination.search_step(here, partial(api.search, object_type, names), part.resource.cursor)
        return pagination.archived_step(here, page, archived_at, self._trailing)

    def _associated(self, own: str, near: str, far: str, ids: Sequence[str]) -> dict[str, str]:
        """Return associated ids.

        HubSpot is asked only for ids unknown to the warehouse, and for those of the object being read.
        """
        entity = self._lookup_entities.get((near, far))
        known = self.known_accounts(entity, ids) if self.known_accounts and entity and near != own else {}
        unknown = [one for one in ids if one not in known]
        return known | (self._api.associated(near, far, unknown) if unknown else {})

    def _history_step(self, entity: str, part: Part, here: Position) -> tuple[list[Record], Position]:
        names, mapper = self._prepare(entity, part.resource.object_type)
        properties = tuple(history.tracked_properties(part).values())
        page = partial(self._api.history_page, part.resource.object_type, names, properties)
        rows, there = by_cursor(here, page, {"phase": "done", "at": 0})
        return history.earlier_states(part, mapper, rows), there

    def _types(self, object_type: str) -> dict[str, str]:
        if object_type not in self._known:
            self._known[object_type] = self._api.property_types(object_type)
        return self._known[object_type]

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def _check(self, entity: str, name: str) -> None:
        known = self._types(name)
        self._mapping.check_properties(entity, known, f"HubSpot's {name}", part=name)

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def _prepare(self, entity: str, name: str) -> tuple[tuple[str, ...], Mapper]:
        resource, mapping = self._parts[entity][name].resource, self._parts[entity][name].mapping
        mapper = Mapper(ENTITIES[entity], mapping.columns, mapping.keep, self._zone)
        # HubSpot ignores properties that a portal does not have.
        extra = (resource.cursor, *resource.merged, *filter(None, (resource.primary,)))
        return tuple(dict.fromkeys((*mapper.properties, *extra))), mapper


def _id_pages(
    prefix: str, page: Callable[[str | None], tuple[list[Row], str | None]]
) -> Iterator[list[tuple[str, datetime | None]]]:
    for rows in all_by_cursor(page):
        yield [(f"{prefix}{row['id']}", moment(row.get("updatedAt"))) for row in rows]


SOURCE = HubSpot
