"""TinyDesk, a sandbox support desk: the worked example of ``docs/how-to/add-a-vendor.md``.

Its API: ``GET /v1/<list>?updated_after=MS&page=TOKEN`` answers ``{"items": [...], "next": TOKEN or null}``, in order
of the time of change; ``GET /v1/<list>/fields`` answers ``{"fields": {"name": "type"}}``. What is deleted stays listed,
with ``"deleted": true``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cache, partial
from zoneinfo import ZoneInfo

from include.common.connections import Connection
from include.common.errors import ConfigError
from include.config.models import Settings
from include.connectors import positions
from include.connectors.base import Page, Position, Record, Request, Source
from include.connectors.casting import caster
from include.connectors.mapping import Mapper, file_of, load_mapping
from include.connectors.pagination import by_cursor, read_pages
from include.entities.catalog import ENTITIES, Kind
from include.http.auth import Bearer
from include.http.client import Client, RatePolicy
from include.http.limiter import Limit, for_account

# Entity -> the desk's list. What is listed here is what the desk has; the mapping says which fields fill which columns.
RESOURCES = {"organization": "customers", "support_user": "people", "ticket": "tickets"}
# Calls per second that the desk allows to one token; a 429 with Retry-After is obeyed besides.
LIMITS = {"ordinary": Limit(20, 1.0)}
RATE_POLICY = RatePolicy("TinyDesk", explain=lambda data: str(data.get("error", "")) if isinstance(data, dict) else "")
_moment = caster("timestamptz")


class TinyDesk(Source):
    """One desk.

    Args:
        connection: Where it is; the password is its token.
        settings: For lag, overlap and zone.
    """

    vendor = "tinydesk"
    kind: Kind = "support"

    def __init__(self, connection: Connection, settings: Settings) -> None:
        source = settings.listed(connection.id)
        self._lag = timedelta(seconds=source.lag_seconds)
        self._trailing = 1000 * source.trailing_seconds
        self._zone = ZoneInfo(settings.reporting_zone)
        base_url, token = connection.base_url(settings.allowed_plain_http_hosts), connection.secret()
        limiter = for_account(self.vendor, base_url, token, limits=LIMITS)
        self.client = Client(base_url, Bearer(token), limiter, RATE_POLICY, (token,), connection.id)
        self._mapping = load_mapping(file_of(source, self.vendor), RESOURCES)

    def entities(self) -> tuple[str, ...]:
        """See ``Source``."""
        return tuple(entity for entity in RESOURCES if entity in self._mapping.entities)

    @cache  # noqa: B019 - a source lives as long as the run that reads it
    def fields(self, entity: str) -> dict[str, str]:
        """See ``Source``."""
        return dict(self.client.get(f"/v1/{RESOURCES[entity]}/fields").data["fields"])

    def mapped(self, entity: str) -> dict[str, str]:
        """See ``Source``."""
        return self._mapping.entities[entity].fills()

    def pages(self, entity: str, request: Request) -> Iterator[Page]:
        """See ``Source``."""
        if entity not in self.entities():
            raise ConfigError(f"TinyDesk has no entity {entity}", cure=f"available: {', '.join(self.entities())}")
        return read_pages(
            f"TinyDesk's {RESOURCES[entity]}",
            request,
            start=lambda done: self._start(entity, done, request),
            step=partial(self._step, entity),
        )

    def _start(self, entity: str, done: Position | None, request: Request) -> Position:
        # A wrong mapping shows before anything is read.
        self._mapping.check_properties(entity, self.fields(entity), f"TinyDesk's {RESOURCES[entity]}")
        at = positions.milliseconds(request.until - self._lag)
        start = 0 if request.full or done is None else done["at"] - self._trailing
        start = min(start, positions.milliseconds(request.since)) if request.since else start
        return {"phase": "pages", "from": start, "after": None, "at": at}

    def _step(self, entity: str, here: Position) -> tuple[list[Record], Position]:
        def page(after: str | None) -> tuple[list[dict], str | None]:
            query = {"updated_after": here["from"], "page": after}
            answer = self.client.get(f"/v1/{RESOURCES[entity]}", query).data
            return answer["items"], answer["next"]

        rows, there = by_cursor(here, page, {"phase": "done", "at": here["at"]})
        mapping = self._mapping.entities[entity]
        mapper = Mapper(ENTITIES[entity], mapping.columns, mapping.keep, self._zone)
        records = [
            mapper.record(str(row["id"]), row, _moment(row["changed"]), bool(row.get("deleted"))) for row in rows
        ]
        return records, there


SOURCE = TinyDesk
