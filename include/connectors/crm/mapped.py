"""Base of CRMs over HTTP: a mapping file names their objects, and the field for each column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from include.common.connections import Connection
from include.common.errors import ConfigError, Forbidden, NotOffered
from include.config.files import shown
from include.config.models import Settings
from include.connectors import positions
from include.connectors.base import Page, Position, Record, Request, Source
from include.connectors.mapping import EntityMapping, field_name, file_of, load_mapping
from include.connectors.pagination import read_pages
from include.entities.catalog import ENTITIES, Kind, of_kind
from include.http.client import Client

_T = TypeVar("_T")


class MappedObject(Protocol):
    """One object of an entity, with its mapping."""

    @property
    def mapping(self) -> EntityMapping: ...


class MappedCrm(Source):
    """One CRM.

    Args:
        settings: For lag, overlap and time zone.
        client: Calls the CRM.
        mapped_entities: The entities that a mapping file may contain.
    """

    kind: Kind = "crm"
    name: str  # the vendor's name for people
    unmapped: tuple[str, ...] = ()  # entities that need no mapping
    client: Client
    _parts: Mapping[str, Mapping[str, Any]]  # entity -> object -> its ``MappedObject``

    def __init__(
        self, connection: Connection, settings: Settings, client: Client, mapped_entities: Collection[str]
    ) -> None:
        source = settings.listed(connection.id)
        self._lag = timedelta(seconds=source.lag_seconds)
        self._trailing = 1000 * source.trailing_seconds
        self._zone = ZoneInfo(settings.reporting_zone)
        self._mapping = load_mapping(file_of(source, self.vendor), mapped_entities)
        self.client = client

    @abstractmethod
    def _types(self, name: str) -> Mapping[str, str]:
        """Return the fields of an object with their types."""

    @abstractmethod
    def _start(self, entity: str, done: Position | None, request: Request) -> Position:
        """Return the first position of a new read; see ``read_pages``."""

    @abstractmethod
    def _step(self, entity: str, here: Position) -> tuple[Collection[Record], Position]:
        """Read one page; see ``read_pages``."""

    def _upgrade(self, entity: str, position: Position) -> Position:
        """Convert a position of an earlier version to the current one."""
        return position

    def entities(self) -> tuple[str, ...]:
        """Return the mapped entities and those that need no mapping."""
        return tuple(one.name for one in of_kind("crm") if one.name in self._parts or one.name in self.unmapped)

    def pages(self, entity: str, request: Request) -> Iterator[Page]:
        self._objects(entity)
        return read_pages(
            f"{self.name}'s {entity} records",
            request,
            upgrade=lambda position: self._upgrade(entity, position),
            start=lambda done: self._start(entity, done, request),
            step=lambda here: self._step(entity, here),
            latest=lambda: self._until(request.until),
        )

    def fields(self, entity: str) -> dict[str, str]:
        objects = tuple(self._objects(entity))
        return {field_name(objects, one, name): kind for one in objects for name, kind in self._types(one).items()}

    def mapped(self, entity: str) -> dict[str, str]:
        """Return the mapped fields, without dotted ones.

        Dotted fields belong to other objects, which are described during the read.
        """
        objects = self._objects(entity)
        return {
            field_name(tuple(objects), one, name): columns
            for one, part in objects.items()
            for name, columns in part.mapping.fills().items()
            if "." not in name
        }

    def _objects(self, entity: str) -> Mapping[str, Any]:
        if entity in self._parts:
            return self._parts[entity]
        if entity in self.unmapped:
            return {}
        raise ConfigError(
            f"{self.name} has no entity {entity} in this configuration",
            cure=f"available: {', '.join(self.entities())}; see {shown(self._mapping.document.path)}",
        )

    def _until(self, until: datetime) -> int:
        return positions.latest(until, self._lag, self.client.skew_seconds)

    def _since(self, done: Position | None, request: Request) -> int | None:
        """Return the first millisecond to read; None to read everything."""
        if request.full or done is None:
            return None
        lo: int = done["at"] - self._trailing
        return min(lo, positions.milliseconds(request.since)) if request.since else lo

    def _check_offered(self, entity: str, name: str, is_first: bool, check: Callable[[str, str], _T]) -> _T:
        """Check that an object can be read as mapped, and return the result of the check.

        Raises:
            NotOffered: It cannot be read, is optional, and has never been read.
        """
        try:
            return check(entity, name)
        except (ConfigError, Forbidden) as error:
            if not is_first or not ENTITIES[entity].is_optional:
                raise
            raise NotOffered(
                f"{entity} is not available from {self.name}'s {name}: {error.message}",
                cure=f"{error.cure}; if you do not use it, remove {name} from {entity} in"
                f" {shown(self._mapping.document.path)}",
            ) from None
