"""Zendesk Support as a source: organisations, users, tickets with metrics, ticket events and comments, ratings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from functools import partial

from include.common import clock
from include.common.connections import Connection
from include.common.errors import ConfigError, Unavailable
from include.config.models import Settings
from include.connectors import positions
from include.connectors.base import Listed, Page, Position, Record, Request, Source
from include.connectors.casting import time_or_none
from include.connectors.pagination import MAX_EMPTY, LazyRecords, all_by_cursor, read_pages
from include.connectors.support.zendesk import events, pagination
from include.connectors.support.zendesk.api import Row, ZendeskApi, client
from include.connectors.support.zendesk.fields import field_types
from include.connectors.support.zendesk.resources import RESOURCES, Resource
from include.entities.catalog import Kind
from include.http import body
from include.http.client import Refused
from include.http.loops import MAX_STALLED_PAGES

# Exports reject a start less than a minute ago, and leave that minute out.
_MIN_LAG_SECONDS = 61
# Customers may change a rating for some days, and the list cannot be filtered by change time.
_RATINGS_OVERLAP_SECONDS = 7 * 86_400
# How far back a full read looks for recent changes, in seconds. Exports leave out the last minute.
_RECENT_SECONDS = 600
# An older count is an estimate.
_MAX_COUNT_AGE = timedelta(minutes=5)
_ERASED_USER_NAME = "Permanently Deleted User"


class Zendesk(Source):
    """One Zendesk account.

    Args:
        connection: Host and credentials; see ``api.client``.
        settings: For lag and overlap.
    """

    vendor = "zendesk"
    kind: Kind = "support"

    def __init__(self, connection: Connection, settings: Settings) -> None:
        source = settings.listed(connection.id)
        self._lag = timedelta(seconds=max(_MIN_LAG_SECONDS, source.lag_seconds))
        self._trailing = source.trailing_seconds
        self.client = client(connection, settings.allowed_plain_http_hosts)
        self._api = ZendeskApi(self.client)
        self._resources = {one.entity: one for one in RESOURCES}

    def entities(self) -> tuple[str, ...]:
        return tuple(self._resources)

    def counts(self, entity: str) -> dict[str, int] | None:
        if entity == "ticket":
            return {"": self._api.count_matches("type:ticket")}
        if entity not in ("organization", "support_user"):
            return None
        n, counted_at = self._api.count(self._resources[entity].name)
        return {"": n} if counted_at and clock.now() - counted_at <= _MAX_COUNT_AGE else None

    def ids(self, entity: str) -> Iterator[list[Listed]] | None:
        """List the ids. Tickets come from their export, because lists leave out archived ones."""
        if entity == "ticket_event":
            return None
        return self._tickets() if entity == "ticket" else self._listed(self._resources[entity].name)

    def _listed(self, name: str) -> Iterator[list[Listed]]:
        for rows in all_by_cursor(partial(self._api.list_page, name)):
            yield [(str(row["id"]), time_or_none(row.get("created_at"))) for row in rows]

    def _tickets(self) -> Iterator[list[Listed]]:
        for page in self.read("ticket", position=None, until=clock.now(), full=True):
            yield [(record.id, record.source_at) for record in page.records if not record.is_deleted]

    def fields(self, entity: str) -> dict[str, str]:
        return field_types(self._api, entity)

    def mapped(self, entity: str) -> dict[str, str]:
        return {name: column for column, name in self._resources[entity].columns.items()}

    def pages(self, entity: str, request: Request) -> Iterator[Page]:
        if entity not in self._resources:
            raise ConfigError(f"Zendesk has no entity {entity}", cure=f"available: {', '.join(self._resources)}")
        resource = self._resources[entity]

        def step(here: Position) -> tuple[Collection[Record], Position]:
            rows, there = self._step(resource, here)
            return self._records(resource, rows), there

        return read_pages(
            f"Zendesk's {resource.name}",
            request,
            start=lambda done: self._start(resource, done, request),
            step=step,
            latest=lambda: self._until(request),
            # A page of events may have none of the wanted kinds. For other exports, a page without rows is the last.
            max_empty=MAX_EMPTY if resource.entity == "ticket_event" else MAX_STALLED_PAGES,
        )

    def _until(self, request: Request) -> int:
        return positions.latest(request.until, self._lag, self._api.client.skew_seconds)

    def _start(self, resource: Resource, done: Position | None, request: Request) -> Position:
        since, full = request.since, request.full
        at = self._until(request)
        newest = at // 1000
        if full or done is None:
            start, cursor = 0, None
        elif resource.clock == "generated_timestamp" and since is None:
            # The vendor holds back tickets that could still change their order, so it is safe to continue from its
            # cursor.
            start, cursor = done["start"], done["cursor"]
        else:
            overlap = _RATINGS_OVERLAP_SECONDS if resource.pagination == "list" else self._trailing
            start, cursor = done["at"] // 1000 - overlap, None
            start = min(start, positions.milliseconds(since) // 1000) if since else start
        start = max(0, min(start, newest))
        # Events never change, so the export holds back none that it has returned before.
        needs_rest = full and resource.entity != "ticket_event"
        if resource.pagination == "cursor":
            return {"phase": "cursor", "cursor": cursor, "start": start, "at": at, "full": needs_rest}
        if resource.pagination == "time":
            return {"phase": "time", "start": start, "at": at, "full": needs_rest}
        # A full read marks missing rows as deleted, so it must also find rows younger than the lag.
        return {"phase": "list", "after": None, "from": start, "to": None if full else newest, "at": at}

    def _step(self, resource: Resource, here: Position) -> tuple[list[Row], Position]:
        api, name = self._api, resource.name
        if here["phase"] == "cursor":
            return self._cursor_step(resource, here)
        if here["phase"] == "time":
            return pagination.time_step(here, name, lambda start: api.export_by_time(name, start, resource.include))
        if here["phase"] == "drain" and resource.entity == "ticket_event":
            raise _too_many_events(here["start"])
        if here["phase"] == "drain":
            return pagination.drain_step(here, lambda after: api.list_page(name, after))
        if here["phase"] == "rest" and resource.entity == "ticket":
            since = here["at"] // 1000 - _RECENT_SECONDS
            return pagination.rest_step(here, lambda after: api.recent_tickets(after, since, resource.include))
        if here["phase"] == "rest":
            return pagination.rest_step(here, lambda after: api.list_page(name, after))
        return pagination.list_step(
            here, lambda after: api.list_page(name, after, start_time=here["from"], end_time=here["to"])
        )

    def _cursor_step(self, resource: Resource, here: Position) -> tuple[list[Row], Position]:
        def export(cursor: str | None, start: int) -> Row:
            return self._api.export_by_cursor(resource.name, cursor, start, resource.include)

        try:
            return pagination.cursor_step(here, resource.name, export)
        except Refused as error:
            if not here["cursor"] or error.status not in (400, 422):
                raise
            # The vendor no longer knows the cursor: go back to the stored start time.
            return pagination.cursor_step(here | {"cursor": None}, resource.name, export)

    def _records(self, resource: Resource, rows: list[Row]) -> Collection[Record]:
        if resource.pagination == "cursor":
            make = _ticket if resource.entity == "ticket" else _record
            return LazyRecords(f"Zendesk's {resource.name}", rows, lambda row: make(resource, body.row(row)))
        if resource.entity == "ticket_event":
            return [_event(resource, row) for row in self._with_organizations(events.flatten(rows))]
        if resource.entity == "rating":
            rows = self._with_organizations(rows)
        if resource.entity == "organization":
            for row in rows:
                if row.get("deleted_at"):
                    row["merged_into"] = self._api.survivor(str(row["id"]))
        return [_record(resource, row) for row in rows]

    def _with_organizations(self, rows: list[Row]) -> list[Row]:
        """Add the organisation of their ticket to ratings or events, because they affect its figures."""
        ids = sorted({str(row["ticket_id"]) for row in rows if row.get("ticket_id")}, key=int)
        found = {row["id"]: row.get("organization_id") for row in self._api.show_many("tickets", ids)}
        return [row | {"organization_id": found.get(row.get("ticket_id"))} for row in rows]


def _ticket(resource: Resource, row: Row) -> Record:
    generated = row.get("generated_timestamp")
    row["generated_at"] = generated and generated * 1000
    at = time_or_none(row["generated_at"]) or time_or_none(row.get("updated_at"))
    # The status `deleted` is not in any published list of statuses.
    return resource.mapper.record(str(row["id"]), row, at, row.get("status") == "deleted")


def _too_many_events(second: int) -> Unavailable:
    """Return the error for a crowded second: no list has the events of all tickets to read its rest from."""
    at = positions.moment(second * 1000)
    return Unavailable(
        f"Zendesk has more events in one second ({at:%Y-%m-%d %H:%M:%S} UTC) than fit on an export page",
        cure="earlier events are stored; ask Zendesk support for larger export pages, then run again",
    )


def _event(resource: Resource, row: Row) -> Record:
    record = resource.mapper.record(row["id"], row, time_or_none(row["happened_at"]))
    # Store the customers' text only once.
    record.payload.pop("body", None)
    return record


def _record(resource: Resource, row: Row) -> Record:
    is_erased = bool(row.get("permanently_deleted")) or (row.get("name") == _ERASED_USER_NAME and not row.get("email"))
    is_deleted = bool(row.get("deleted_at")) or (resource.entity == "support_user" and is_erased)
    return resource.mapper.record(str(row["id"]), row, time_or_none(row.get(resource.clock)), is_deleted)


SOURCE = Zendesk
